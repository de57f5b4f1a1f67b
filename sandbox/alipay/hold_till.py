"""What waits for a payer at Alipay: trades to pay, and holds to agree to."""

from collections.abc import Iterator

from sandbox.alipay.hold_books import Hold, HoldBooks, HoldStatus
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.desk import Refused
from sandbox.tills import Action, Payable, Till

_OPEN = frozenset({HoldStatus.PREPARED, HoldStatus.WAITING})


class AlipayTill:
    """Both of them, told apart by their numbers."""

    def __init__(self, trades: Till, books: HoldBooks, desk: HoldDesk) -> None:
        self._trades = trades
        self._books = books
        self._desk = desk

    def waiting(self) -> Iterator[Payable]:
        yield from self._trades.waiting()
        yield from self._books.waiting()

    def is_open(self, payable: Payable) -> bool:
        if isinstance(payable, Hold):
            return payable.status in _OPEN
        return self._trades.is_open(payable)

    def act(self, trade_no: str, action: Action) -> None:
        hold = self._books.find_by_auth_no(trade_no)
        if hold is None:
            self._trades.act(trade_no, action)
            return
        try:
            if action is Action.PAY:
                self._desk.freeze(hold)
            else:
                self._desk.refuse(hold)
        except Refused:
            return  # its time ran out while we waited
