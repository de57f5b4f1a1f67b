"""Alipay's trades and holds in the control API's words."""

from typing import Any

from sandbox.alipay.hold_books import Hold
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.hold_operations import order_status
from sandbox.alipay.provider import PROVIDER, Alipay
from sandbox.books import Books, Trade, TradeFilter
from sandbox.desk import TradeDesk
from sandbox.refunds import refunds_of
from sandbox.tills import Payable, Till

Shown = dict[str, Any]


class AlipaySide:
    """One entry for each number of a merchant's: its hold, until a trade comes of that."""

    provider = PROVIDER

    def __init__(
        self, *, books: Books, desk: TradeDesk, hold_desk: HoldDesk, alipay: Alipay, till: Till
    ) -> None:
        self._books = books
        self._desk = desk
        self._hold_desk = hold_desk
        self._alipay = alipay
        self.till = till

    def list_trades(self, wanted: TradeFilter) -> list[Payable]:
        trades = [self._desk.refresh(trade) for trade in self._books.list_trades(wanted)]
        holds = [self._hold_desk.refresh(hold) for hold in self._alipay.holds.list_holds(wanted)]
        found: list[Payable] = [*trades, *holds]
        return sorted(found, key=lambda one: one.trade_no)[: wanted.limit]

    def find(self, number: str, app_id: str | None) -> Payable | None:
        trade = self._books.find_by_number(number, app_id)
        if trade is not None:
            return self._desk.refresh(trade)
        hold = self._alipay.holds.find_by_number(number, app_id)
        return self._hold_desk.refresh(hold) if hold is not None else None

    def show(self, payable: Payable) -> Shown:
        return (
            self._show_hold(payable) if isinstance(payable, Hold) else self._show(_trade(payable))
        )

    def events(self, payable: Payable) -> list[Shown]:
        """The history of a trade begins with that of the hold it came of."""
        held = self._hold_of(payable)
        holds = self._alipay.holds.events(held.auth_no) if held is not None else ()
        trades = self._books.events(payable.trade_no)
        return [event.model_dump(mode="json") for event in (*holds, *trades)]

    def pay(self, payable: Payable, *, even_if_closed: bool) -> Payable:
        if isinstance(payable, Hold):
            return self._hold_desk.freeze(payable, even_if_closed=even_if_closed)
        return self._desk.pay(_trade(payable), even_if_closed=even_if_closed)

    def open(self, payable: Payable) -> Payable:
        if isinstance(payable, Hold):
            return self._hold_desk.open(payable)
        return self._desk.open(_trade(payable))

    def refuse(self, payable: Payable) -> Payable:
        if isinstance(payable, Hold):
            return self._hold_desk.refuse(payable)
        return self._desk.refuse(_trade(payable))

    def _show(self, trade: Trade) -> Shown:
        hold = self._hold_of(trade)
        return {
            "trade_no": trade.trade_no,
            "provider": self.provider,
            "app_id": trade.app_id,
            "out_trade_no": trade.out_trade_no,
            "product": trade.method,
            "amount_minor": trade.amount_minor if hold is None else hold.amount_minor,
            "currency": "CNY",
            "status": trade.status,
            "trade_status": self._alipay.trade_status(trade),
            "cashier_url": self._alipay.cashier_url(trade),
            "created_at": trade.created_at,
            "expires_at": trade.expires_at,
            "paid_at": trade.paid_at,
            "closed_at": trade.closed_at,
            "executions": trade.executions,
            "authorizations": 0 if hold is None else 1,
            "authorized_minor": 0 if hold is None else hold.rest_minor,
            "captured_minor": trade.amount_minor if trade.executions else 0,
            "refunds": trade.refunds,
            "refunded_minor": trade.refunded_minor,
            "refund_list": self._refunds(trade),
            "requests": trade.requests,
        }

    def _show_hold(self, hold: Hold) -> Shown:
        """A hold is no money taken, so it counts no executions."""
        return {
            "trade_no": hold.auth_no,
            "provider": self.provider,
            "app_id": hold.app_id,
            "out_trade_no": hold.out_order_no,
            "product": hold.method,
            "amount_minor": hold.amount_minor,
            "currency": "CNY",
            "status": hold.status,
            "trade_status": order_status(hold) if hold.opened_at is not None else None,
            "cashier_url": self._alipay.hold_url(hold),
            "created_at": hold.created_at,
            "expires_at": hold.expires_at,
            "paid_at": None,
            "closed_at": hold.closed_at,
            "executions": 0,
            "authorizations": 0 if hold.frozen_at is None else 1,
            "authorized_minor": hold.rest_minor,
            "captured_minor": hold.captured_minor,
            "refunds": 0,
            "refunded_minor": 0,
            "refund_list": [],
            "requests": hold.requests,
        }

    def _hold_of(self, payable: Payable) -> Hold | None:
        if isinstance(payable, Hold):
            return payable
        trade = _trade(payable)
        return self._alipay.holds.find(trade.app_id, trade.out_trade_no)

    def _refunds(self, trade: Trade) -> list[Shown]:
        if not trade.refunds:
            return []
        refunds = refunds_of(self._books.events(trade.trade_no))
        return [refund.model_dump(mode="json") for refund in refunds]


def _trade(payable: Payable) -> Trade:
    if not isinstance(payable, Trade):
        raise TypeError(f"{payable.trade_no} is no trade of Alipay's")
    return payable
