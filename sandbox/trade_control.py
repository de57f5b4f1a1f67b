"""Control of trades, whichever provider they are with: look at them, pay or refuse them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from sandbox.books import EventKind, TradeFilter
from sandbox.house import House
from sandbox.outbox import Notification
from sandbox.refusals import Refusal, refusals
from sandbox.sides import Side
from sandbox.tills import Payable

_ACCEPTED = 202

Shown = dict[str, Any]


class TradeName(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    out_trade_no: str
    app_id: str | None = None


class PayOrder(TradeName):
    delay_seconds: float = Field(default=0, ge=0, le=86_400)
    even_if_closed: bool = False
    wait: bool = False


class WantedTrades(TradeFilter):
    provider: str | None = None


class TradeControl:
    """What merchants submitted and what became of it; and a payer at the caller's command."""

    def __init__(self, house: House) -> None:
        self._house = house

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/trades", self.list)
        router.add_api_route("/trades/{out_trade_no}", self.one)
        router.add_api_route("/totals", self.totals)
        router.add_api_route("/trades/pay", self.pay, methods=["POST"])
        router.add_api_route("/trades/open", self.open, methods=["POST"])
        router.add_api_route("/trades/refuse", self.refuse, methods=["POST"])
        return router

    async def list(self, wanted: Annotated[WantedTrades, Query()]) -> Shown:
        """In the order of their numbers: one provider after the other, each from its oldest."""
        shown: list[Shown] = []
        for side in self._house.sides:
            room = wanted.limit - len(shown)
            if room and wanted.provider in {None, side.provider}:
                page = wanted.model_copy(update={"limit": room})
                shown += [self._show(side, found) for found in side.list_trades(page)]
        following = shown[-1]["trade_no"] if len(shown) == wanted.limit else None
        return {"trades": shown, "next": following}

    async def one(self, out_trade_no: str, app_id: str | None = None) -> Shown:
        house = self._house
        side, found = find_trade(house, out_trade_no, app_id)
        sent = house.outbox.list_notifications(out_trade_no=found.out_trade_no)
        return self._show(side, found) | {
            "events": side.events(found),
            "sent": [show_sent(house, n) for n in sent if n.trade_no == found.trade_no],
        }

    async def totals(self) -> Shown:
        house = self._house
        requests = house.alipay.request_counts()
        for provider in house.providers:
            requests |= provider.request_counts()
        executions, paid_minor = house.books.money_moved(EventKind.PAID)
        return {
            "trades": house.books.status_counts(),
            "executions": executions,
            "paid_minor": paid_minor,
            "refunded_minor": house.books.money_moved(EventKind.REFUNDED)[1],
            "notifications": house.outbox.counts(),
            "attempts": house.outbox.attempt_count(),
            "requests": requests,
            "holds": house.alipay.holds.totals(),
            **{provider.side.provider: provider.totals() for provider in house.providers},
        }

    async def pay(self, order: PayOrder, response: Response) -> Shown:
        house = self._house
        side, found = find_trade(house, order.out_trade_no, order.app_id)
        if order.delay_seconds:
            if order.even_if_closed:
                raise Refusal(422, "delay-or-late", "pay a closed trade at once, without delay")
            house.auto_payer.pay_later(side.till, found, order.delay_seconds)
            response.status_code = _ACCEPTED
            return self._show(side, found)
        with refusals():
            paid = side.pay(found, even_if_closed=order.even_if_closed)
        if order.wait:
            await house.dispatcher.deliver_all(
                trade_no=paid.trade_no, out_trade_no=paid.out_trade_no
            )
        return self._show(side, paid)

    async def open(self, name: TradeName) -> Shown:
        side, found = find_trade(self._house, name.out_trade_no, name.app_id)
        with refusals():
            return self._show(side, side.open(found))

    async def refuse(self, name: TradeName) -> Shown:
        side, found = find_trade(self._house, name.out_trade_no, name.app_id)
        with refusals():
            return self._show(side, side.refuse(found))

    def _show(self, side: Side, payable: Payable) -> Shown:
        notifications, acknowledged = self._house.outbox.trade_counts(payable.trade_no)
        counts = {"notifications": notifications, "acknowledged": acknowledged}
        return side.show(payable) | counts


def find_trade(house: House, out_trade_no: str, app_id: str | None) -> tuple[Side, Payable]:
    """The newest trade with a number, and whose it is. Raises Refusal."""
    for side in house.sides:
        found = side.find(out_trade_no, app_id)
        if found is not None:
            return side, found
    raise Refusal(404, "not-found", f"no trade has the number {out_trade_no}")


def show_sent(house: House, notification: Notification) -> Shown:
    attempts = house.outbox.attempts(notification.notify_id)
    return notification.model_dump(mode="json") | {"attempts": attempts}
