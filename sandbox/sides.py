"""One provider's trades, as the control API shows and moves them."""

from collections.abc import Mapping
from typing import Any, Protocol

from sandbox.alipay.provider import PROVIDER, Alipay
from sandbox.books import Books, Trade, TradeFilter
from sandbox.desk import TradeDesk
from sandbox.refunds import refunds_of
from sandbox.tills import Payable, Till

Shown = dict[str, Any]


class Side(Protocol):
    """What each provider offers. Steps raise `sandbox.desk.Refused` when they are not possible."""

    provider: str
    till: Till

    def list_trades(self, wanted: TradeFilter) -> list[Payable]: ...

    def find(self, number: str, app_id: str | None) -> Payable | None:
        """By the merchant's number, the newest of them."""

    def show(self, payable: Payable) -> Shown: ...

    def events(self, payable: Payable) -> list[Shown]: ...

    def pay(self, payable: Payable, *, even_if_closed: bool) -> Payable: ...

    def open(self, payable: Payable) -> Payable: ...

    def refuse(self, payable: Payable) -> Payable: ...


Sides = Mapping[str, Side]


class AlipaySide:
    """Alipay's trades."""

    provider = PROVIDER

    def __init__(self, *, books: Books, desk: TradeDesk, alipay: Alipay, till: Till) -> None:
        self._books = books
        self._desk = desk
        self._alipay = alipay
        self.till = till

    def list_trades(self, wanted: TradeFilter) -> list[Payable]:
        return [self._desk.refresh(trade) for trade in self._books.list_trades(wanted)]

    def find(self, number: str, app_id: str | None) -> Payable | None:
        trade = self._books.find_by_number(number, app_id)
        return self._desk.refresh(trade) if trade is not None else None

    def show(self, payable: Payable) -> Shown:
        trade = _trade(payable)
        return {
            "trade_no": trade.trade_no,
            "provider": self.provider,
            "app_id": trade.app_id,
            "out_trade_no": trade.out_trade_no,
            "product": trade.method,
            "amount_minor": trade.amount_minor,
            "currency": "CNY",
            "status": trade.status,
            "trade_status": self._alipay.trade_status(trade),
            "cashier_url": self._alipay.cashier_url(trade),
            "created_at": trade.created_at,
            "expires_at": trade.expires_at,
            "paid_at": trade.paid_at,
            "closed_at": trade.closed_at,
            "executions": trade.executions,
            "refunds": trade.refunds,
            "refunded_minor": trade.refunded_minor,
            "refund_list": self._refunds(trade),
            "requests": trade.requests,
        }

    def events(self, payable: Payable) -> list[Shown]:
        return [event.model_dump(mode="json") for event in self._books.events(payable.trade_no)]

    def pay(self, payable: Payable, *, even_if_closed: bool) -> Payable:
        return self._desk.pay(_trade(payable), even_if_closed=even_if_closed)

    def open(self, payable: Payable) -> Payable:
        return self._desk.open(_trade(payable))

    def refuse(self, payable: Payable) -> Payable:
        return self._desk.refuse(_trade(payable))

    def _refunds(self, trade: Trade) -> list[Shown]:
        if not trade.refunds:
            return []
        refunds = refunds_of(self._books.events(trade.trade_no))
        return [refund.model_dump(mode="json") for refund in refunds]


def _trade(payable: Payable) -> Trade:
    if not isinstance(payable, Trade):
        raise TypeError(f"{payable.trade_no} is no trade of Alipay's")
    return payable
