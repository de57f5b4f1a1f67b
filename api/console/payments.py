"""Payments: find one by anything in hand, see all of it, and the few things one can do."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from ulid import ULID

from api.console.asked import instant_of, listed, minor_of
from api.console.calls import ApiRefused
from api.console.finance_words import LEDGER_KINDS
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting
from models.merchant import Role
from models.payment import CAPTURED, PAYMENT_ENDS, PaymentStatus

router = APIRouter(prefix="/console/payments", include_in_schema=False)

_PLAIN = ("q", "status", "method", "channel", "merchant_id", "app_id", "cursor")
_FILTERS = (*_PLAIN, "amount", "from", "to")
_CHOICES_MAX = 100
# What these said does not count against what can still be given back.
_NOTHING_WENT = frozenset({"failed", "rejected", "canceled"})


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Payments, newest first. One that is found by its number alone is shown at once."""
    asked = {name: visit.text(name) for name in _FILTERS}
    found = await listed(
        visit,
        "/v1/payments",
        **{name: asked[name] for name in _PLAIN},
        amount=minor_of(asked["amount"]),
        created_from=instant_of(asked["from"]),
        created_to=instant_of(asked["to"]),
    )
    if len(found.items) == 1 and not any(asked[name] for name in _FILTERS if name != "q"):
        return go_to(f"/console/payments/{found.items[0]['id']}")
    channels = (await visit.api.get("/v1/channels"))["items"]
    merchants = (await visit.api.get("/v1/merchants", limit=_CHOICES_MAX))["items"]
    return await page(
        visit,
        "console/payments.html",
        status_code=found.status_code,
        found=found,
        asked=asked,
        is_narrowed=any(asked.values()),
        statuses=[(status.value, status.value.replace("_", " ")) for status in PaymentStatus],
        methods=[(m["name"], m["title"]) for channel in channels for m in channel["methods"]],
        channels=[(channel["name"], channel["name"]) for channel in channels],
        merchants=[(merchant["id"], merchant["name"]) for merchant in merchants],
        names={merchant["id"]: merchant["name"] for merchant in merchants},
    )


@router.get("/{payment_id}")
async def show(payment_id: str, visit: Visiting) -> Response:
    """Everything about one payment, from what happens next back to what was ordered."""
    return await _shown(visit, payment_id)


@router.post("/{payment_id}/cancel")
async def cancel(payment_id: str, visit: Visiting) -> Response:
    try:
        after = await visit.api.post(f"/v1/payments/{payment_id}/cancel", visit.given("reason"))
    except ApiRefused as refused:
        return await _refused(visit, payment_id, refused)
    ended = after["status"] in PAYMENT_ENDS
    said = f"It is {after['status']}." if ended else "Asked for. The channel has not confirmed yet."
    await visit.flash(said)
    return go_to(f"/console/payments/{payment_id}")


@router.post("/{payment_id}/refund")
async def refund(payment_id: str, visit: Visiting) -> Response:
    """Order a refund on behalf of the payment's app; somebody else approves it."""
    minor = minor_of(visit.text("amount"), visit.text("currency"))
    body: dict[str, Any] = {
        "payment_id": payment_id,
        "amount": int(minor) if minor.isdecimal() else minor,
        **visit.given("refund_no", "reason"),
    }
    try:
        await visit.api.post("/v1/refunds", body)
    except ApiRefused as refused:
        return await _refused(visit, payment_id, refused)
    await visit.flash("Ordered. It goes out when somebody else approves it.")
    return go_to(f"/console/payments/{payment_id}")


async def _refused(visit: Visit, payment_id: str, refused: ApiRefused) -> Response:
    """What the API said, on the page where it was asked."""
    if refused.status in (401, 403, 404):
        raise refused
    return await _shown(visit, payment_id, problem=refused.problem, status_code=refused.status)


async def _shown(
    visit: Visit,
    payment_id: str,
    *,
    problem: Mapping[str, Any] | None = None,
    status_code: int = 200,
) -> Response:
    told = await visit.api.get(f"/v1/payments/{payment_id}/explain")
    payment = told["payment"]
    refunds = (await visit.api.get("/v1/refunds", payment_id=payment_id, limit=_CHOICES_MAX))[
        "items"
    ]
    merchant = await visit.api.get(f"/v1/merchants/{payment['merchant_id']}")
    discrepancies = await visit.api.get("/v1/discrepancies", payment_id=payment_id)
    left = _left(payment, refunds)
    return await page(
        visit,
        "console/payment.html",
        status_code=status_code,
        problem=problem,
        told=told,
        payment=payment,
        merchant=merchant,
        refunds=refunds,
        discrepancies=discrepancies["items"],
        journal=_journal(told["ledger_entries"]),
        notifications=[entry for entry in told["timeline"] if entry["kind"] == "notification"],
        left=left,
        is_late=payment["status"] not in CAPTURED,
        may_cancel=visit.may(Role.OPS) and payment["status"] not in PAYMENT_ENDS,
        may_refund=visit.may(Role.OPS, Role.FINANCE) and left > 0,
        may_replay=visit.may(Role.OPS, Role.ADMIN),
        refund_no=f"ops-{ULID()}",
        asked={"amount": visit.text("amount"), "reason": visit.text("reason")},
    )


def _left(payment: Mapping[str, Any], refunds: Sequence[Mapping[str, Any]]) -> int:
    """What can still be given back, in minor units. The API has the last word."""
    # What came twice goes back by itself, and is no part of the sale.
    funding = "merchant" if payment["status"] in CAPTURED else "suspense"
    gone = sum(
        one["amount"]
        for one in refunds
        if one["status"] not in _NOTHING_WENT and one["funding"] == funding
    )
    ended = payment["status"] in PAYMENT_ENDS
    return max(0, payment["amount_captured"] - gone) if ended else 0


def _journal(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries by ledger transaction, with the accounts' names."""
    by_transaction: dict[str, dict[str, Any]] = {}
    for entry in entries:
        transaction = by_transaction.setdefault(
            entry["ledger_transaction_id"], dict(entry) | {"lines": []}
        )
        title = LEDGER_KINDS[entry["account"][:4]].title
        transaction["lines"].append(dict(entry) | {"title": title})
    return list(by_transaction.values())
