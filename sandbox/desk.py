"""What a provider does with trades: take orders, let payers open, pay or refuse them, close them.

Every step that moves money is one transaction of the books, with the notification it causes.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sandbox.books import Books, EventKind, Order, Trade, TradeStatus
from sandbox.refunds import Refund, RefundOrder, find_refund, refunds_of

BEIJING = ZoneInfo("Asia/Shanghai")
_CASHIER_CODE_BYTES = 10  # nobody guesses 80 bits


class Reason(StrEnum):
    """Why a step is refused."""

    INCONSISTENT = "inconsistent"
    ALREADY_PAID = "already_paid"
    ALREADY_CLOSED = "already_closed"
    NOT_OPENED = "not_opened"
    TIME_IS_OVER = "time_is_over"
    NOT_PAID = "not_paid"
    MORE_THAN_IS_LEFT = "more_than_is_left"
    OTHER_AMOUNT_BEFORE = "other_amount_before"


class Refused(Exception):
    """The step is not possible in the trade's state."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Refunding:
    """What asking for a refund came to. `moved`: money moved this time."""

    trade: Trade
    refund: Refund
    moved: bool


class TradeDesk:
    """Steps of trades. `announce` queues the notification of a paid trade, in its transaction.

    `announce_refund` does so for a refund.
    """

    def __init__(
        self,
        books: Books,
        now: Callable[[], datetime],
        announce: Callable[[Trade], None],
        announce_refund: Callable[[Trade, Refund], None] = lambda _, __: None,
    ) -> None:
        self._books = books
        self._now = now
        self._announce = announce
        self._announce_refund = announce_refund
        self._last_number = 0

    def new_trade_no(self) -> str:
        """28 digits like the provider's own, each greater than the last."""
        number = max(time.time_ns() // 100, self._last_number + 1)
        self._last_number = number
        return f"{self._now().astimezone(BEIJING):%Y%m%d}{number:020d}"

    def new_code(self) -> str:
        return f"bax{secrets.token_hex(_CASHIER_CODE_BYTES)}"

    def submit(self, order: Order) -> Trade:
        """Take an order, or the same one again. Raises Refused when its number cannot be paid."""
        with self._books.transaction():
            known = self._books.find_trade(order.app_id, order.out_trade_no)
            if known is None:
                if order.expires_at <= order.created_at:
                    raise Refused(Reason.TIME_IS_OVER)
                return self._books.prepare(order)
            known = self._books.append(self.refresh(known), EventKind.REPEATED, self._now())
        if known.amount_minor != order.amount_minor:
            raise Refused(Reason.INCONSISTENT)
        self._require_open(known)
        return known

    def visible(self, trade: Trade | None) -> Trade | None:
        """The trade as the merchant may see it: none before the payer opened it."""
        if trade is None:
            return None
        trade = self.refresh(trade)
        never_opened = trade.opened_at is None
        return None if never_opened else trade

    def refresh(self, trade: Trade) -> Trade:
        """Close the trade if its time ran out unpaid."""
        if trade.status is TradeStatus.WAITING and trade.expires_at <= self._now():
            return self._books.append(
                trade, EventKind.CLOSED, trade.expires_at, details="time ran out"
            )
        return trade

    def open(self, trade: Trade) -> Trade:
        """The payer looks at it: from now on it exists for the merchant."""
        trade = self.refresh(trade)
        if trade.status is not TradeStatus.PREPARED:
            return trade
        self._require_open(trade)
        return self._books.append(trade, EventKind.OPENED, self._now())

    def pay(self, trade: Trade, *, even_if_closed: bool = False) -> Trade:
        """Take the money, once. `even_if_closed`: the payment had crossed with the closing."""
        with self._books.transaction():
            trade = self.refresh(trade)
            closed = trade.status is TradeStatus.CLOSED
            if not (closed and even_if_closed):
                self._require_open(trade, late=even_if_closed)
            if trade.opened_at is None:
                trade = self._books.append(trade, EventKind.OPENED, self._now())
            paid = self._books.append(trade, EventKind.PAID, self._now(), trade.amount_minor)
            self._announce(paid)
        return paid

    def close(self, trade: Trade, why: str) -> Trade:
        """Close an unpaid trade. Raises Refused(ALREADY_PAID); closing twice changes nothing."""
        trade = self.refresh(trade)
        if trade.status is TradeStatus.CLOSED:
            return trade
        if trade.status in {TradeStatus.PAID, TradeStatus.REFUNDED}:
            raise Refused(Reason.ALREADY_PAID)
        return self._books.append(trade, EventKind.CLOSED, self._now(), details=why)

    def refuse(self, trade: Trade) -> Trade:
        """The payer looks at it and closes it."""
        return self.close(self.open(trade), "refused by the payer")

    def refund_all(self, trade: Trade) -> Trade:
        """Give what is left of a paid trade back, as a cancel does: nobody is told."""
        left = trade.amount_minor - trade.refunded_minor
        order = RefundOrder(serial=trade.out_trade_no, amount_minor=left, reason="cancelled")
        return self._give_back(trade, order)

    def refund(self, trade: Trade, order: RefundOrder) -> Refunding:
        """Give a part back, or find that it was given back under this number before.

        Raises Refused when the trade has not as much left, is not paid, or the number was used for
        another amount.
        """
        with self._books.transaction():
            trade = self.refresh(trade)
            known = self._find_refund(trade, order.serial)
            if known is None:
                self._require_refundable(trade, order.amount_minor)
                return self._refund_now(trade, order)
            if known.amount_minor != order.amount_minor:
                raise Refused(Reason.OTHER_AMOUNT_BEFORE)
            trade = self._books.append(
                trade, EventKind.REFUND_REPEATED, self._now(), details=order.as_details()
            )
            return Refunding(trade, known, moved=False)

    def is_over(self, trade: Trade) -> bool:
        """Nobody can pay it any more."""
        unpaid = trade.status in {TradeStatus.PREPARED, TradeStatus.WAITING}
        return not unpaid or trade.expires_at <= self._now()

    def _refund_now(self, trade: Trade, order: RefundOrder) -> Refunding:
        trade = self._give_back(trade, order)
        made = refunds_of(self._books.events(trade.trade_no))[-1]
        self._announce_refund(trade, made)
        return Refunding(trade, made, moved=True)

    def _give_back(self, trade: Trade, order: RefundOrder) -> Trade:
        return self._books.append(
            trade, EventKind.REFUNDED, self._now(), order.amount_minor, order.as_details()
        )

    def _find_refund(self, trade: Trade, serial: str) -> Refund | None:
        return find_refund(self._books.events(trade.trade_no), serial)

    def _require_refundable(self, trade: Trade, amount_minor: int) -> None:
        if trade.status in {TradeStatus.CLOSED, TradeStatus.REFUNDED}:
            raise Refused(Reason.ALREADY_CLOSED)
        if trade.status is not TradeStatus.PAID:
            raise Refused(Reason.NOT_PAID)
        if amount_minor > trade.amount_minor - trade.refunded_minor:
            raise Refused(Reason.MORE_THAN_IS_LEFT)

    def _require_open(self, trade: Trade, *, late: bool = False) -> None:
        if trade.status in {TradeStatus.PAID, TradeStatus.REFUNDED}:
            raise Refused(Reason.ALREADY_PAID)
        if not late and self.is_over(trade):
            raise Refused(Reason.ALREADY_CLOSED)
