"""The one interface all channels share. Adding a channel is one file that fulfils it.

An adapter signs, verifies, converts and classifies. It keeps no state, writes no SQL and does not
retry: the workflow decides what happens after each outcome.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from models.channel import (
    Answer,
    CallbackFacts,
    Capabilities,
    CaptureRequest,
    Frozen,
    Method,
    Operation,
    PayRequest,
    QueryRequest,
    RefundRequest,
)

__all__ = [
    "Account",
    "Acknowledgement",
    "Capabilities",
    "Capturing",
    "Channel",
    "Method",
    "Operation",
    "Refunding",
]


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


@runtime_checkable
class Refunding(Protocol):
    """A channel that gives money back. Its capabilities list `Operation.REFUND`."""

    async def refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Give back. The same refund number again is the same refund; retried with that one only.

        `Approved` (with the refunded money), `Pending`, `Declined` (it was not and will not be
        given back under this number), `Unknown`, `NotAttempted`.
        """
        ...

    async def query_refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Where a refund stands. One the channel does not know is `Unknown`: ask for it again."""
        ...


@runtime_checkable
class Capturing(Protocol):
    """A channel that holds money first. Its capabilities list `Operation.CAPTURE` and `VOID`."""

    async def capture(self, account: Account, request: CaptureRequest, now: datetime) -> Answer:
        """Take what is held, once; what is not taken is released. Safe to repeat."""
        ...

    async def void(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Release all that is held. `Declined` with code `closed` when it is released."""
        ...
