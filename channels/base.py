"""The one interface all channels share. Adding a channel is one file that fulfils it.

The file is `channels/<name>.py`, or `channels/<name>/adapter.py`, and has a function
`build_channel(around: Surroundings) -> Channel`; nothing else of the house has to know of it.

An adapter signs, verifies, converts and classifies. It keeps no state, writes no SQL and does not
retry: the workflow decides what happens after each outcome.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from channels.http import ChannelHttp
from models.channel import (
    Answer,
    CallbackFacts,
    Capabilities,
    CaptureRequest,
    Certificate,
    Frozen,
    Method,
    Operation,
    PayRequest,
    QueryRequest,
    RefundRequest,
)
from models.reconciliation import StatementAvailability, StatementLine, StatementTotals

__all__ = [
    "Account",
    "Acknowledgement",
    "Capabilities",
    "Capturing",
    "Certificate",
    "Channel",
    "Method",
    "Operation",
    "Reconciling",
    "Refunding",
    "Statement",
    "Surroundings",
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an adapter is built in.

    `url`: where the channel's interface is, when it is not at its public address. `clock_margin`:
    how far the channel's clock may be from ours; only after it does "not there any more" count.
    """

    http: ChannelHttp
    url: str | None
    clock_margin: timedelta


class ChannelParameters(BaseModel):
    """Base of the parameters an account needs.

    Secret fields are `SecretStr`: stored encrypted, never returned. Validators say what is wrong
    with a value in words the admin can act on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def identity(self) -> dict[str, str]:
        """Which account at the channel this is, by the parameter that says so.

        Parameters are replaced by others of the same account only: money under way is looked for
        with the newest ones.
        """
        return {}

    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates in here whose end stops something."""
        return ()


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
    ) -> CallbackFacts | None:
        """Verify the raw bytes, then translate them.

        None: it is genuine and about nothing we asked for. It is acknowledged, and changes nothing.

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


class Statement(Protocol):
    """A channel's statement of one account and day, checked while it is read.

    Every way in which it can be wrong is an InvalidRequest with a code that begins with
    `statement-`. The totals are checked after the last line, so lines count only when all of them
    were read without an error.
    """

    @property
    def totals(self) -> StatementTotals:
        """What the lines add up to; to be asked for after the last of them."""
        ...

    def lines(self) -> Iterator[StatementLine]:
        """The lines, one at a time."""
        ...


@runtime_checkable
class Reconciling(Protocol):
    """A channel that says what it did on a day, by its own clock (`Capabilities.timezone`)."""

    async def fetch_statement(
        self, account: Account, day: date, into: Path, now: datetime
    ) -> StatementAvailability:
        """Put the statement of `day` at `into`, as the channel made it.

        Raises ChannelUnavailable when it cannot be had now; asking again is always safe.
        """
        ...

    def read_statement(self, account: Account, day: date, path: Path) -> Statement:
        """The statement at `path`, fetched or uploaded. Reads nothing yet."""
        ...
