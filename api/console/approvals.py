"""Approvals: what one person asked for and another has to decide."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.finance_words import ACTIONS, CLASSES, LEDGER_KINDS
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting
from models.merchant import Role

router = APIRouter(prefix="/console/approvals", include_in_schema=False)

# Two lists on one page: each has its own cursor.
_CURSORS = ("refunds_after", "repairs_after")
_LOOK_AGAIN = "Handed over. What comes of it is not known yet; look again."


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Refunds and repairs that wait for a second person."""
    return await _shown(visit)


@router.post("/refunds/{refund_id}/approve")
async def approve_refund(refund_id: str, visit: Visiting) -> Response:
    return await _decide(visit, f"/v1/refunds/{refund_id}/approve")


@router.post("/refunds/{refund_id}/reject")
async def reject_refund(refund_id: str, visit: Visiting) -> Response:
    return await _decide(visit, f"/v1/refunds/{refund_id}/reject")


@router.post("/repairs/{discrepancy_id}/approve")
async def approve_repair(discrepancy_id: str, visit: Visiting) -> Response:
    return await _decide(visit, f"/v1/discrepancies/{discrepancy_id}/approve")


@router.post("/repairs/{discrepancy_id}/reject")
async def reject_repair(discrepancy_id: str, visit: Visiting) -> Response:
    return await _decide(visit, f"/v1/discrepancies/{discrepancy_id}/reject")


async def _decide(visit: Visit, path: str) -> Response:
    try:
        after = await visit.api.post(path, visit.given("reason"))
    except ApiRefused as refused:
        if refused.status in (401, 403, 404):
            raise
        return await _shown(visit, problem=refused.problem, status_code=refused.status)
    waits = after["status"] in ("pending_approval", "awaiting_approval")
    said = _LOOK_AGAIN if waits else f"Decided. It is {after['status'].replace('_', ' ')}."
    await visit.flash(said)
    return go_to("/console/approvals")


async def _shown(
    visit: Visit, *, problem: Mapping[str, Any] | None = None, status_code: int = 200
) -> Response:
    asked = {name: visit.text(name) for name in _CURSORS}
    refunds = await listed(
        visit, "/v1/refunds", status="pending_approval", cursor=asked["refunds_after"]
    )
    repairs = await listed(
        visit, "/v1/discrepancies", status="awaiting_approval", cursor=asked["repairs_after"]
    )
    wrong = refunds.problem or repairs.problem
    return await page(
        visit,
        "console/approvals.html",
        status_code=422 if wrong else status_code,
        problem=problem or wrong,
        asked=asked,
        refunds=[await _refund(visit, refund) for refund in refunds.items],
        repairs=[await _repair(visit, found) for found in repairs.items],
        more_refunds=refunds.next_cursor,
        more_repairs=repairs.next_cursor,
        may_decide_refunds=visit.may(Role.FINANCE, Role.ADMIN),
        may_decide_repairs=visit.may(Role.FINANCE, Role.OPS),
    )


async def _refund(visit: Visit, refund: Mapping[str, Any]) -> dict[str, Any]:
    payment = await visit.api.get(f"/v1/payments/{refund['payment_id']}")
    return {
        **refund,
        "payment": payment,
        "is_mine": refund["requested_by"] == visit.operator.id,
        "whose": "late money in suspense" if refund["funding"] == "suspense" else "the merchant’s",
    }


async def _repair(visit: Visit, found: Mapping[str, Any]) -> dict[str, Any]:
    detail = await visit.api.get(f"/v1/discrepancies/{found['id']}")
    effects = [effect for effect in detail["effects"] if effect["action"] == found["action"]]
    return {
        **found,
        "title": CLASSES[found["class"]].title,
        "repair": ACTIONS[found["action"]],
        "is_mine": found["proposed_by"] == visit.operator.id,
        "entries": [
            {**entry, "title": LEDGER_KINDS[entry["account"][:4]].title}
            for effect in effects
            for entry in effect["entries"]
        ],
    }
