"""What waits for a payer, whichever provider it is with."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from sandbox.books import Books, Trade, TradeFilter, TradeStatus
from sandbox.desk import Refused, TradeDesk

_OPEN = frozenset({TradeStatus.PREPARED, TradeStatus.WAITING})
_PAGE = 1000


class Action(StrEnum):
    PAY = "pay"
    REFUSE = "refuse"


class Payable(Protocol):
    """A trade as a payer sees it: the provider's number and the merchant's."""

    @property
    def trade_no(self) -> str: ...

    @property
    def out_trade_no(self) -> str: ...


class Till(Protocol):
    """One provider's trades that wait for a payer, and what a payer can do."""

    def waiting(self) -> Iterator[Payable]: ...

    def is_open(self, payable: Payable) -> bool: ...

    def act(self, trade_no: str, action: Action) -> None:
        """Pay or refuse, if it is still open."""


class TradeTill:
    """Alipay's trades."""

    def __init__(self, books: Books, desk: TradeDesk) -> None:
        self._books = books
        self._desk = desk

    def waiting(self) -> Iterator[Payable]:
        for status in _OPEN:
            after = ""
            while trades := self._books.list_trades(
                TradeFilter(status=status, after=after, limit=_PAGE)
            ):
                yield from trades
                after = trades[-1].trade_no

    def is_open(self, payable: Payable) -> bool:
        return isinstance(payable, Trade) and payable.status in _OPEN

    def act(self, trade_no: str, action: Action) -> None:
        trade = self._books.find_by_trade_no(trade_no)
        if trade is None or trade.status not in _OPEN:
            return
        try:
            if action is Action.PAY:
                self._desk.pay(trade)
            else:
                self._desk.refuse(trade)
        except Refused:
            return  # its time ran out while we waited
