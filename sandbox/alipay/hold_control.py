"""Control of holds: what became of each, and time that passes until Alipay gives one up."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from sandbox.alipay.hold_books import Hold, HoldBooks
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.hold_operations import order_status
from sandbox.books import TradeFilter
from sandbox.refusals import Refusal, refusals

_NOT_FOUND = 404


class HoldName(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    out_trade_no: str
    app_id: str | None = None


def hold_router(books: HoldBooks, desk: HoldDesk) -> APIRouter:
    """Routes under /alipay/holds."""
    router = APIRouter(prefix="/alipay/holds")

    @router.get("")
    async def holds(wanted: Annotated[TradeFilter, Query()]) -> dict[str, Any]:
        """Of all that was frozen, what was captured, what was released and what is held still."""
        found = books.list_holds(wanted, captured_too=True)
        following = found[-1].auth_no if len(found) == wanted.limit else None
        return {"holds": [_show(desk.refresh(hold)) for hold in found], "next": following}

    @router.post("/expire")
    async def expire(name: HoldName) -> dict[str, Any]:
        hold = books.find_by_number(name.out_trade_no, name.app_id)
        if hold is None:
            raise Refusal(_NOT_FOUND, "not-found", f"no hold has the number {name.out_trade_no}")
        with refusals():
            ended = desk.expire(hold)
        return {"auth_no": ended.auth_no, "status": ended.status}

    return router


def _show(hold: Hold) -> dict[str, Any]:
    return {
        **hold.model_dump(mode="json", exclude={"code", "notify_url"}),
        "status": hold.status,
        "order_status": order_status(hold) if hold.opened_at is not None else None,
        "rest_minor": hold.rest_minor,
    }
