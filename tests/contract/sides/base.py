"""What the suite has to know of a channel beyond its adapter: how its payers act in the sandbox."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from models.money import Money
from tests.sandbox.process import Control


class Will(StrEnum):
    """What the payer is going to do."""

    PAYS = "pays"
    WAITS = "waits"
    REFUSES = "refuses"


class Priced(NamedTuple):
    """A price, and the fee for it in the sandbox, worked out by hand."""

    money: Money
    fee_minor: int


class Moved(NamedTuple):
    """What the sandbox's own books say of a serial, in minor units."""

    held_minor: int = 0
    taken_minor: int = 0
    returned_minor: int = 0
    refunds: int = 0


class Side(Protocol):
    """One channel's side. Named by its file: `tests/contract/sides/<channel>.py`, `SIDE`."""

    price: Priced
    smallest: Money
    largest: Money
    sends: frozenset[str]
    """The methods whose order itself is a request to the channel."""
    stays_open: frozenset[str]
    """The methods whose payer may try again after a refusal, until we close it."""
    refund_request: str
    """What the sandbox calls the request that gives money back."""

    async def open_account(self, control: Control, notify_url: str) -> dict[str, str]:
        """A fresh account of a fresh merchant: its parameters as an admin enters them."""
        ...

    def strangers(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """The same with a key that the channel does not know."""
        ...

    def payer_code(self, method: str, will: Will) -> str:
        """The code of a payer of whom that is known."""
        ...

    async def end_the_day(self, control: Control) -> timedelta:
        """Let today's statement be had; how much later than now to ask for it."""
        ...

    def without_a_line(self, statement: bytes) -> bytes:
        """The file with its first line about money taken out, and nothing else changed."""
        ...

    async def let_the_day_go_on(self, control: Control) -> None:
        """Undo that."""
        ...


class HoldingSide(Side, Protocol):
    """The side of a channel that holds money."""

    capture_request: str
    void_request: str
    """What the sandbox calls the requests that take and that release."""

    async def expire_hold(self, control: Control, serial: str) -> None:
        """Let so much time pass that the channel gives up the hold."""
        ...


async def moved_in(control: Control, serial: str) -> Moved:
    """What the control API says of a serial; all providers' trades are shown in one shape."""
    found = (await control.get("/trades", out_trade_no=serial))["trades"]
    if not found:
        return Moved()
    (trade,) = found
    return Moved(
        held_minor=trade["authorized_minor"],
        taken_minor=trade["captured_minor"],
        returned_minor=trade["refunded_minor"],
        refunds=len(trade["refund_list"]),
    )
