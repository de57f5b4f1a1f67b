"""What Alipay does with money that is held first: hold it, hand it over, give it up.

Every step is one transaction of the books, with the trade and the notifications it causes.
"""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from sandbox.alipay.hold_books import Hold, HoldBooks, HoldEvent, HoldEventKind, HoldOrder
from sandbox.alipay.hold_books import HoldStatus as Status
from sandbox.books import Order, Trade
from sandbox.desk import Reason, Refused, TradeDesk

_UNFROZEN = frozenset({Status.PREPARED, Status.WAITING})
_TIME_RAN_OUT = "time-ran-out"


class Mode(StrEnum):
    """What becomes of the rest when a part is captured."""

    COMPLETE = "COMPLETE"
    NOT_COMPLETE = "NOT_COMPLETE"


class HoldDesk:
    """Steps of holds. `announce` queues the news of an event, in its transaction."""

    def __init__(
        self,
        books: HoldBooks,
        desk: TradeDesk,
        now: Callable[[], datetime],
        announce: Callable[[Hold, HoldEvent], None],
    ) -> None:
        self._books = books
        self._desk = desk
        self._now = now
        self._announce = announce

    def submit(self, order: HoldOrder) -> Hold:
        """Take an order, or the same one again. Raises Refused when its number is used up."""
        with self._books.books.transaction():
            known = self._books.find(order.app_id, order.out_order_no)
            if known is None:
                return self._books.prepare(order)
            known = self._books.append(self.refresh(known), HoldEventKind.REPEATED, self._now())
        same = (known.amount_minor, known.out_request_no) == (
            order.amount_minor,
            order.out_request_no,
        )
        if not same:
            raise Refused(Reason.INCONSISTENT)
        self._require_unfrozen(known)
        return known

    def visible(self, hold: Hold | None) -> Hold | None:
        """The hold as the merchant may see it: none before the payer opened it."""
        hold = self.refresh(hold) if hold is not None else None
        return hold if hold is not None and hold.opened_at is not None else None

    def refresh(self, hold: Hold) -> Hold:
        """Close the hold if its time ran out before the payer agreed."""
        if hold.status is Status.WAITING and hold.expires_at <= self._now():
            return self._books.append(hold, HoldEventKind.CLOSED, hold.expires_at)
        return hold

    def is_over(self, hold: Hold) -> bool:
        """Nobody can agree to it any more."""
        return hold.status not in _UNFROZEN or hold.expires_at <= self._now()

    def open(self, hold: Hold) -> Hold:
        """The payer looks at it: from now on it exists for the merchant."""
        hold = self.refresh(hold)
        if hold.status is not Status.PREPARED:
            return hold
        self._require_unfrozen(hold)
        return self._books.append(hold, HoldEventKind.OPENED, self._now())

    def freeze(self, hold: Hold, *, even_if_closed: bool = False) -> Hold:
        """Hold the money, once. `even_if_closed`: agreeing had crossed with the closing."""
        with self._books.books.transaction():
            hold = self.refresh(hold)
            if not (hold.status is Status.CLOSED and even_if_closed):
                self._require_unfrozen(hold, late=even_if_closed)
            if hold.opened_at is None:
                hold = self._books.append(hold, HoldEventKind.OPENED, self._now())
            return self._move(hold, HoldEventKind.FROZEN, hold.amount_minor, hold.out_request_no)

    def refuse(self, hold: Hold) -> Hold:
        """The payer looks at it and says no."""
        return self.close(self.open(hold))

    def close(self, hold: Hold) -> Hold:
        """Close a hold nobody agreed to. Raises Refused(ALREADY_PAID) when somebody did."""
        hold = self.refresh(hold)
        if hold.status is Status.CLOSED:
            return hold
        if hold.status not in _UNFROZEN:
            raise Refused(Reason.ALREADY_PAID)
        return self._books.append(hold, HoldEventKind.CLOSED, self._now())

    def cancel(self, hold: Hold) -> Hold:
        """Undo the freeze, or the asking for one. The merchant is told of that, not of the steps.

        Raises Refused when some of it was taken.
        """
        with self._books.books.transaction():
            hold = self.refresh(hold)
            if hold.captured_minor:
                raise Refused(Reason.ALREADY_PAID)
            if hold.status is Status.HELD:
                given_up = (hold.rest_minor, f"{hold.out_request_no}-cancel")
                hold = self._books.append(hold, HoldEventKind.RELEASED, self._now(), *given_up)
            elif hold.status in _UNFROZEN:
                hold = self._books.append(hold, HoldEventKind.CLOSED, self._now())
            else:
                return hold
            return self._move(hold, HoldEventKind.CANCELED, 0, hold.out_request_no)

    def release(self, hold: Hold, amount_minor: int, request_no: str) -> Hold:
        """Give up a part or all of what is held. Raises Refused for more than that."""
        with self._books.books.transaction():
            if amount_minor > hold.rest_minor:
                raise Refused(Reason.MORE_THAN_IS_LEFT)
            return self._move(hold, HoldEventKind.RELEASED, amount_minor, request_no)

    def expire(self, hold: Hold) -> Hold:
        """Its time is over now: what is held goes back, an order nobody agreed to closes."""
        hold = self.refresh(hold)
        if hold.status is Status.HELD:
            return self.release(hold, hold.rest_minor, _TIME_RAN_OUT)
        if hold.status in _UNFROZEN:
            return self._books.append(hold, HoldEventKind.CLOSED, self._now())
        return hold

    def capture(self, hold: Hold, order: Order, mode: Mode) -> Trade:
        """Take a part as a trade of its own. Raises Refused when it is not held."""
        with self._books.books.transaction():
            trade = self._desk.submit(order)
            if order.amount_minor > hold.rest_minor:
                raise Refused(Reason.MORE_THAN_IS_LEFT)
            hold = self._books.append(
                hold,
                HoldEventKind.CAPTURED,
                self._now(),
                order.amount_minor,
                order.out_trade_no,
            )
            trade = self._desk.pay(self._desk.open(trade))
            if mode is Mode.COMPLETE and hold.rest_minor:
                self._move(hold, HoldEventKind.RELEASED, hold.rest_minor, order.out_trade_no)
        return trade

    def _move(self, hold: Hold, kind: HoldEventKind, amount_minor: int, request_no: str) -> Hold:
        moved = self._books.append(hold, kind, self._now(), amount_minor, request_no)
        self._announce(moved, self._books.events(hold.auth_no)[-1])
        return moved

    def _require_unfrozen(self, hold: Hold, *, late: bool = False) -> None:
        if hold.frozen_at is not None:
            raise Refused(Reason.ALREADY_PAID)
        if not late and self.is_over(hold):
            raise Refused(Reason.ALREADY_CLOSED)
