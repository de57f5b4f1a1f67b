"""The one interface all channels share. Adding a channel is one file that fulfils it.

An adapter signs, verifies, converts and classifies. It keeps no state, writes no SQL and does not
retry: the workflow decides what happens after each outcome.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from models.channel import (
    Answer,
    CallbackFacts,
    Capabilities,
    Frozen,
    Method,
    Operation,
    PayRequest,
    QueryRequest,
)

__all__ = ["Account", "Acknowledgement", "Capabilities", "Channel", "Method", "Operation"]


class ChannelParameters(BaseModel):
    """Base of the parameters an account needs.

    Secret fields are `SecretStr`: stored encrypted, never returned. Validators say what is wrong
    with a value in words the admin can act on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(Frozen):
    """A channel account with its parameters decrypted, ready to use. Never leaves a process."""

    id: str
    version: int
    parameters: Any  # the adapter's own ChannelParameters subclass


class Acknowledgement(Frozen):
    """What a channel wants to hear after a callback."""

    status_code: int
    content_type: str
    body: str


class Channel(Protocol):
    """One third party. All methods raise ChannelMisconfigured when the parameters cannot work."""

    name: str
    capabilities: Capabilities
    parameters: type[ChannelParameters]

    async def pay(self, account: Account, request: PayRequest, now: datetime) -> Answer:
        """Ask for the money. Called once per serial unless the method is `repeat_safe`."""
        ...

    async def query(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Where a serial stands. Moves nothing; may be repeated at will.

        A serial the channel does not know is `Pending` while the payer may still open it,
        `Declined` once it can no longer be paid, and `Unknown` otherwise.
        """
        ...

    async def close(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """End a serial for good. `Declined` when it is closed, `Approved` never.

        The caller queries afterwards, whatever this said.
        """
        ...

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts:
        """Verify the raw bytes, then translate them.

        Raises BadSignature when they prove nothing or speak of another app or merchant than the
        account's; InvalidRequest when they cannot be read.
        """
        ...

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        """The channel's own form of "got it" and of "send it again"."""
        ...
