"""The control API: what tests, demos and benchmarks use to look into the books and give orders."""

import asyncio
import secrets
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from sandbox.alipay.bill_control import bill_router
from sandbox.alipay.hold_control import hold_router
from sandbox.alipay.provider import RegisteredApp, Registration
from sandbox.autopay import AutoPayRule
from sandbox.faults import Fault, FaultOrder
from sandbox.house import House
from sandbox.refusals import Refusal
from sandbox.trade_control import TradeControl, TradeName, find_trade, show_sent

_LIMIT_MAX = 5000

Shown = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=_LIMIT_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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
        bill_router(house.books, house.alipay.bills),
        hold_router(house.alipay.holds, house.hold_desk),
        *(provider.control() for provider in house.providers),
        TradeControl(house).router(),
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


def _notifications(house: House) -> APIRouter:
    router = APIRouter()

    @router.get("/notifications")
    async def notifications(
        out_trade_no: str | None = None, status: str | None = None, limit: Limit = 1000
    ) -> Shown:
        found = house.outbox.list_notifications(
            out_trade_no=out_trade_no, status=status, limit=limit
        )
        return {"notifications": [show_sent(house, notification) for notification in found]}

    @router.post("/notifications/release")
    async def release(wanted: Release) -> Shown:
        released = house.outbox.release(out_trade_no=wanted.out_trade_no, now=house.now())
        house.dispatcher.look_again()
        return {"released": released}

    @router.post("/notifications/resend")
    async def resend(name: TradeName) -> Shown:
        _, found = find_trade(house, name.out_trade_no, name.app_id)
        resent = await house.dispatcher.deliver_all(
            trade_no=found.trade_no, out_trade_no=found.out_trade_no
        )
        return {"resent": resent}

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
