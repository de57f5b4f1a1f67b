"""Discrepancies: what is open and how old, both sides of each, and what two people do about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from api.console.calls import ApiRefused
from api.console.downloads import as_download
from api.console.finance_words import (
    ACTIONS,
    CLASSES,
    DISCREPANCY_STATES,
    LEDGER_KINDS,
    RESOLUTIONS,
    Words,
)
from api.console.shell import go_to, money_text, page
from api.console.visit import Visit, Visiting
from models.ages import AgeClass
from models.merchant import Role

router = APIRouter(prefix="/console/discrepancies", include_in_schema=False)

_FILTERS = ("class", "status", "age", "account_id", "cursor")
_AGES = (
    ("any", "all that is not resolved"),
    ("0-1", "0–1 days"),
    ("2-3", "2–3 days"),
    ("4-7", "4–7 days"),
    ("older", "older"),
)
_AGE_COLUMNS = (
    ("days_0_1", AgeClass.DAYS_0_1),
    ("days_2_3", AgeClass.DAYS_2_3),
    ("days_4_7", AgeClass.DAYS_4_7),
    ("older", AgeClass.OLDER),
)


@dataclass(frozen=True)
class Row:
    """One discrepancy in a list."""

    id: str
    title: str
    kind: str
    business_day: str
    channel: str
    age: str
    number: str
    statement: str
    ours: str
    state: Words
    resolution: str


def rows_of(items: Sequence[Mapping[str, Any]], *, today: date) -> tuple[Row, ...]:
    """Discrepancies as a table shows them; only what is not resolved has an age."""
    return tuple(_row(item, today) for item in items)


def _row(item: Mapping[str, Any], today: date) -> Row:
    days = (today - date.fromisoformat(item["business_day"])).days
    is_open = item["status"] != "resolved"
    return Row(
        id=item["id"],
        title=CLASSES[item["class"]].title,
        kind=item["kind"],
        business_day=item["business_day"],
        channel=item["channel"],
        age=f"{days} days" if is_open and days > 1 else "",
        number=item["refund_serial"] or item["serial"] or item["channel_reference"],
        statement=money_text(item["statement_amount"], item["currency"]),
        ours=money_text(item["our_amount"], item["currency"]),
        state=DISCREPANCY_STATES[item["status"]],
        resolution=RESOLUTIONS.get(item["resolution"] or "", item["resolution"] or ""),
    )


@router.get("")
async def list_(visit: Visiting) -> Response:
    """What is open by age, and a list that can be narrowed down."""
    asked = {name: visit.text(name) for name in _FILTERS}
    aged = await visit.api.get("/v1/reports/discrepancies")
    problem: Mapping[str, Any] | None = None
    told: Mapping[str, Any] = {"items": (), "next_cursor": None}
    try:
        told = await visit.api.get("/v1/discrepancies", **asked)
    except ApiRefused as refused:
        problem = refused.problem
    return await page(
        visit,
        "console/discrepancies.html",
        status_code=422 if problem else 200,
        problem=problem,
        ageing=[_aged(row) for row in aged["items"]],
        asked=asked,
        classes=[(name, words.title) for name, words in CLASSES.items()],
        statuses=[(name, words.title) for name, words in DISCREPANCY_STATES.items()],
        ages=_AGES,
        discrepancies=rows_of(told["items"], today=visit.deps.clock().date()),
        next_cursor=told["next_cursor"],
    )


def _aged(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "account_id": row["account_id"],
        "class_": row["class_"],
        "title": CLASSES[row["class_"]].title,
        "counts": [(row[column], age.value) for column, age in _AGE_COLUMNS],
        "difference": money_text(row["difference_minor"], row["currency"]),
    }


@router.get("/ageing.csv")
async def ageing_csv(visit: Visiting) -> Response:
    return await as_download(visit, "/v1/reports/discrepancies", format="csv")


@router.get("/{discrepancy_id}")
async def show(discrepancy_id: str, visit: Visiting) -> Response:
    """One discrepancy with both sides, its history, and what can be done about it."""
    return await _shown(visit, discrepancy_id)


async def _shown(
    visit: Visit,
    discrepancy_id: str,
    *,
    problem: Mapping[str, Any] | None = None,
    status_code: int = 200,
) -> Response:
    found = await visit.api.get(f"/v1/discrepancies/{discrepancy_id}")
    effects = {effect["action"]: _effect(effect) for effect in found["effects"]}
    return await page(
        visit,
        "console/discrepancy.html",
        status_code=status_code,
        problem=problem,
        found=found,
        words=CLASSES[found["class"]],
        state=DISCREPANCY_STATES[found["status"]],
        resolution=RESOLUTIONS.get(found["resolution"] or "", found["resolution"] or ""),
        day_href=f"/console/reconciliation/{found['account_id']}/{found['business_day']}",
        difference=_difference(found),
        proposal=_proposal(found, effects),
        is_mine=found["proposed_by"] == visit.operator.id,
        may_decide=visit.may(Role.OPS, Role.FINANCE),
        repairs=[
            {"action": action, "words": ACTIONS[action], "effect": effects.get(action, ())}
            for action in sorted(found["repairs"], key=list(ACTIONS).index)
        ],
        history=[_move(move) for move in found["history"]],
        asked={"action": visit.text("action"), "reason": visit.text("reason")},
    )


def _effect(effect: Mapping[str, Any]) -> list[dict[str, str]]:
    """A journal: one line for each side."""
    return [
        {
            "title": LEDGER_KINDS[entry["account"][:4]].title,
            "account": entry["account"],
            "debit": _positive(entry["amount"], effect["currency"]),
            "credit": _positive(-entry["amount"], effect["currency"]),
        }
        for entry in effect["entries"]
    ]


def _positive(minor: int, currency: str) -> str:
    return money_text(minor, currency) if minor > 0 else ""


def _difference(found: Mapping[str, Any]) -> str:
    """What the statement has more than we; with two currencies there is none."""
    if found["class"] == "currency_diff":
        return ""
    minor = (found["statement_amount"] or 0) - (found["our_amount"] or 0)
    return money_text(minor, found["currency"])


def _proposal(
    found: Mapping[str, Any], effects: Mapping[str, list[dict[str, str]]]
) -> dict[str, Any] | None:
    if found["status"] not in ("awaiting_approval", "approved"):
        return None
    action = found["action"]
    return {"words": ACTIONS[action], "effect": effects.get(action, [])}


def _move(move: Mapping[str, Any]) -> dict[str, Any]:
    detail = RESOLUTIONS.get(move["detail"], move["detail"])
    return dict(move) | {"state": DISCREPANCY_STATES[move["to_status"]], "detail": detail}


# ---- what people do ---------------------------------------------------------------------------


@router.post("/{discrepancy_id}/repair")
async def repair(discrepancy_id: str, visit: Visiting) -> Response:
    body = {"action": visit.text("action"), "reason": visit.text("reason")}
    said = (
        "Its own run has been told; it books, or says below why not."
        if body["action"] == "book"
        else "Proposed. Somebody else has to approve it."
    )
    return await _do(visit, discrepancy_id, "repair", body, said)


@router.post("/{discrepancy_id}/approve")
async def approve(discrepancy_id: str, visit: Visiting) -> Response:
    return await _do(visit, discrepancy_id, "approve", visit.given("reason"), "Approved.")


@router.post("/{discrepancy_id}/reject")
async def reject(discrepancy_id: str, visit: Visiting) -> Response:
    said = "Rejected. It is open again, and nothing was booked."
    return await _do(visit, discrepancy_id, "reject", visit.given("reason"), said)


async def _do(
    visit: Visit, discrepancy_id: str, command: str, body: Mapping[str, str], said: str
) -> Response:
    """One command of the API; what it refuses is shown where it was asked for."""
    try:
        await visit.api.post(f"/v1/discrepancies/{discrepancy_id}/{command}", body)
    except ApiRefused as refused:
        if refused.status == 404:  # noqa: PLR2004 - HTTP's own number
            raise
        return await _shown(
            visit, discrepancy_id, problem=refused.problem, status_code=refused.status
        )
    await visit.flash(said)
    return go_to(f"/console/discrepancies/{discrepancy_id}")
