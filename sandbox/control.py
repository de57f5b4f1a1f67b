"""The control API: what tests, demos and benchmarks use to look into the books and give orders."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from sandbox.alipay.provider import RegisteredApp, Registration
from sandbox.autopay import AutoPayRule
from sandbox.books import EventKind, Trade, TradeFilter
from sandbox.desk import Refused
from sandbox.faults import Fault, FaultOrder
from sandbox.house import House
from sandbox.outbox import Notification

_LIMIT_MAX = 5000
_ACCEPTED = 202

Shown = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=_LIMIT_MAX)]


class Refusal(Exception):
    """A control request that cannot be done, as it is answered."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TradeName(_Body):
    out_trade_no: str
    app_id: str | None = None


class PayOrder(TradeName):
    delay_seconds: float = Field(default=0, ge=0, le=86_400)
    even_if_closed: bool = False
    wait: bool = False


class Release(_Body):
    out_trade_no: str | None = None


class FaultOrders(_Body):
    faults: tuple[FaultOrder, ...]


class Quiet(_Body):
    timeout_seconds: float = Field(default=10, ge=0, le=300)
    within_seconds: float = Field(default=0, ge=0)


class ControlSettings(_Body):
    time_scale: float | None = Field(default=None, gt=0, le=1000)


def build_control(house: House, token: str | None) -> FastAPI:
    """The control application, to be mounted at /control."""
    control = FastAPI(title="Sandbox control", docs_url=None, redoc_url=None)
    control.exception_handler(Refusal)(_answer_refusal)
    guarded = [Depends(_require(token))] if token else []
    for router in (
        _apps(house),
        _Trades(house).router(),
        _notifications(house),
        _Behaviour(house).router(),
    ):
        control.include_router(router, dependencies=guarded)
    return control


def _apps(house: House) -> APIRouter:
    router = APIRouter()

    @router.post("/alipay/apps", status_code=201)
    async def register(wanted: Registration) -> RegisteredApp:
        try:
            return house.alipay.register(wanted)
        except ValueError as error:
            raise Refusal(422, "unusable-key", str(error)) from None

    @router.get("/alipay/apps")
    async def apps() -> Shown:
        return {"apps": house.alipay.apps()}

    return router


class _Trades:
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

    async def list(self, wanted: Annotated[TradeFilter, Query()]) -> Shown:
        house = self._house
        found = [house.desk.refresh(trade) for trade in house.books.list_trades(wanted)]
        following = found[-1].trade_no if len(found) == wanted.limit else None
        return {"trades": [_show(house, trade) for trade in found], "next": following}

    async def one(self, out_trade_no: str, app_id: str | None = None) -> Shown:
        house = self._house
        found = house.desk.refresh(_find(house, out_trade_no, app_id))
        sent = house.outbox.list_notifications(out_trade_no=out_trade_no)
        return _show(house, found) | {
            "events": house.books.events(found.trade_no),
            "sent": [_show_sent(house, n) for n in sent if n.trade_no == found.trade_no],
        }

    async def totals(self) -> Shown:
        house = self._house
        executions, paid_minor = house.books.money_moved(EventKind.PAID)
        return {
            "trades": house.books.status_counts(),
            "executions": executions,
            "paid_minor": paid_minor,
            "refunded_minor": house.books.money_moved(EventKind.REFUNDED)[1],
            "notifications": house.outbox.counts(),
            "attempts": house.outbox.attempt_count(),
            "requests": house.alipay.request_counts(),
        }

    async def pay(self, order: PayOrder, response: Response) -> Shown:
        house = self._house
        found = _find(house, order.out_trade_no, order.app_id)
        if order.delay_seconds:
            if order.even_if_closed:
                raise Refusal(422, "delay-or-late", "pay a closed trade at once, without delay")
            house.auto_payer.pay_later(found, order.delay_seconds)
            response.status_code = _ACCEPTED
            return _show(house, found)
        with _refusals():
            paid = house.desk.pay(found, even_if_closed=order.even_if_closed)
        if order.wait:
            await house.dispatcher.deliver_all(paid)
        return _show(house, paid)

    async def open(self, name: TradeName) -> Shown:
        found = _find(self._house, name.out_trade_no, name.app_id)
        with _refusals():
            return _show(self._house, self._house.desk.open(found))

    async def refuse(self, name: TradeName) -> Shown:
        found = _find(self._house, name.out_trade_no, name.app_id)
        with _refusals():
            return _show(self._house, self._house.desk.refuse(found))


def _notifications(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/notifications")
    async def notifications(
        out_trade_no: str | None = None, status: str | None = None, limit: Limit = 1000
    ) -> Shown:
        found = house.outbox.list_notifications(
            out_trade_no=out_trade_no, status=status, limit=limit
        )
        return {"notifications": [_show_sent(house, notification) for notification in found]}

    @router.post("/notifications/release")
    async def release(wanted: Release) -> Shown:
        released = house.outbox.release(out_trade_no=wanted.out_trade_no, now=house.now())
        house.dispatcher.look_again()
        return {"released": released}

    @router.post("/notifications/resend")
    async def resend(name: TradeName) -> Shown:
        found = _find(house, name.out_trade_no, name.app_id)
        return {"resent": await house.dispatcher.deliver_all(found)}

    return router


class _Behaviour:
    """How the sandbox acts: faults, the standing payer, the pace of time."""

    def __init__(self, house: House) -> None:
        self._house = house

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/faults", self.add_faults, methods=["POST"], status_code=201)
        router.add_api_route("/faults", self.faults)
        router.add_api_route("/faults", self.remove_faults, methods=["DELETE"])
        router.add_api_route("/faults/{fault_id}", self.remove_fault, methods=["DELETE"])
        router.add_api_route("/auto-pay", self.set_auto_pay, methods=["PUT"])
        router.add_api_route("/auto-pay", self.auto_pay)
        router.add_api_route("/settings", self.change_settings, methods=["PUT"])
        router.add_api_route("/quiesce", self.quiesce, methods=["POST"])
        return router

    async def add_faults(self, wanted: FaultOrders | FaultOrder) -> Shown:
        orders = wanted.faults if isinstance(wanted, FaultOrders) else (wanted,)
        try:
            return {"faults": [_show_fault(self._house.faults.add(order)) for order in orders]}
        except ValueError as error:
            raise Refusal(409, "too-many-faults", str(error)) from None

    async def faults(self) -> Shown:
        return {"faults": [_show_fault(fault) for fault in self._house.faults.all()]}

    async def remove_faults(self) -> Shown:
        return {"removed": self._house.faults.remove()}

    async def remove_fault(self, fault_id: str) -> Shown:
        return {"removed": self._house.faults.remove(fault_id)}

    async def set_auto_pay(self, rule: AutoPayRule) -> AutoPayRule:
        self._house.auto_payer.set_rule(rule)
        return rule

    async def auto_pay(self) -> AutoPayRule:
        return self._house.auto_payer.rule

    async def change_settings(self, wanted: ControlSettings) -> ControlSettings:
        dispatcher = self._house.dispatcher
        if wanted.time_scale is not None:
            dispatcher.time_scale = wanted.time_scale
        return ControlSettings(time_scale=dispatcher.time_scale)

    async def quiesce(self, wanted: Quiet) -> Shown:
        within = timedelta(seconds=wanted.within_seconds)
        try:
            async with asyncio.timeout(wanted.timeout_seconds):
                await self._house.become_idle(within)
        except TimeoutError:
            return {"idle": False}
        return {"idle": True}


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise Refusal(409, "not-payable", refused.reason) from None


def _find(house: House, out_trade_no: str, app_id: str | None) -> Trade:
    trade = house.books.find_by_number(out_trade_no, app_id)
    if trade is None:
        raise Refusal(404, "not-found", f"no trade has the number {out_trade_no}")
    return trade


def _show(house: House, trade: Trade) -> Shown:
    notifications, acknowledged = house.outbox.trade_counts(trade.trade_no)
    return {
        "trade_no": trade.trade_no,
        "app_id": trade.app_id,
        "out_trade_no": trade.out_trade_no,
        "product": trade.method,
        "amount_minor": trade.amount_minor,
        "currency": "CNY",
        "status": trade.status,
        "trade_status": house.alipay.trade_status(trade),
        "cashier_url": house.alipay.cashier_url(trade),
        "created_at": trade.created_at,
        "expires_at": trade.expires_at,
        "paid_at": trade.paid_at,
        "closed_at": trade.closed_at,
        "executions": trade.executions,
        "refunds": trade.refunds,
        "requests": trade.requests,
        "notifications": notifications,
        "acknowledged": acknowledged,
    }


def _show_sent(house: House, notification: Notification) -> Shown:
    attempts = house.outbox.attempts(notification.notify_id)
    return notification.model_dump(mode="json") | {"attempts": attempts}


def _show_fault(fault: Fault) -> Shown:
    return {
        "id": fault.id,
        **fault.order.model_dump(mode="json"),
        "fired": fault.fired,
        "left": fault.left,
    }


def _require(token: str | None) -> Any:
    expected = f"Bearer {token}"

    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), expected.encode()):
            raise Refusal(401, "unauthorized", "the control token is missing or wrong")

    return check


async def _answer_refusal(request: Request, refusal: Exception) -> JSONResponse:
    if not isinstance(refusal, Refusal):
        raise TypeError("only refusals are answered here")
    content = {"error": refusal.code, "detail": str(refusal)}
    return JSONResponse(content, status_code=refusal.status)
