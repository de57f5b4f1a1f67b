"""The one interface all channels share. Adding a channel is one file that fulfils it.

An adapter signs, verifies, converts and classifies. It keeps no state, writes no SQL and does not
retry: the workflow decides what happens after each outcome.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from models.channel import Answer, CallbackFacts, Frozen, PayRequest, QueryRequest


class Operation(StrEnum):
    PAY = "pay"
    QUERY = "query"
    CLOSE = "close"


class Method(Frozen):
    """One way to pay on a channel, as apps name it.

    repeat_safe: sending the same serial again moves no money a second time (Source: the channel's
        own promise, named in the adapter), so an unknown submit may be sent again.
    payer_present: the payer stands at a till or shows a code that dies within a minute, so an order
        older than that must not be sent any more.
    needs_payer_code: the app must pass the code the payer shows.
    """

    name: str
    title: str
    repeat_safe: bool
    payer_present: bool = False
    needs_payer_code: bool = False


class Capabilities(Frozen):
    """What a channel can do. Routing reads this and never asks for more."""

    methods: tuple[Method, ...]
    operations: frozenset[Operation]
    currencies: frozenset[str]
    amount_min_minor: int
    amount_max_minor: int
    expiry_max_seconds: int
    timezone: str


class ChannelParameters(BaseModel):
    """Base of the parameters an account needs. Secret fields are `SecretStr`: stored encrypted,
    never returned. Validators say what is wrong with a value in words the admin can act on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(Frozen):
    """A channel account with its parameters decrypted, ready to use. Never leaves a worker or the API."""

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

        A serial the channel does not know is `Pending` while the payer may still open it, `Declined`
        once it can no longer be paid, and `Unknown` otherwise.
        """
        ...

    async def close(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """End a serial for good. `Declined` when it is closed; `Approved` never: after any other
        outcome the caller queries.
        """
        ...

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts:
        """Verify the raw bytes, then translate them.

        Raises BadSignature when they prove nothing, or speak of another app or merchant than the
        account's; InvalidRequest when they cannot be read.
        """
        ...

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        """The channel's own form of "got it" and of "send it again"."""
        ...
