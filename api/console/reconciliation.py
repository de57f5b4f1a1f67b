"""Reconciliation: a month of days, and each day with its figures and what can be done about it."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request, Response

from api.console.calls import ApiRefused
from api.console.discrepancies import rows_of
from api.console.downloads import as_download
from api.console.finance_words import CLASSES, DAY_STATES, failure_words
from api.console.shell import go_to, money_text, page
from api.console.visit import Visit, Visiting
from api.errors import request_id_of
from models.merchant import Role

router = APIRouter(prefix="/console/reconciliation", include_in_schema=False)

# A file from a browser is held in memory on its way to the API; larger ones take the command line.
_UPLOAD_MAX = 64 * 1024**2
_FORM_AROUND = 64 * 1024
_ACCOUNTS = 50
_SATURDAY = 5
_LEGEND = ("balanced", "signed_off", "discrepancies", "failed", "running", "not_run", "not_over")


async def _bounded(request: Request) -> None:
    """Before anything of a file is read. Raises ApiRefused for one that is too large."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) <= _UPLOAD_MAX + _FORM_AROUND:
        return
    raise ApiRefused(
        413,
        {
            "title": "The file is too large for a browser",
            "detail": "Up to 64 MiB can be uploaded here; nothing was changed. Larger ones are "
            "uploaded with `paycenter reconcile` or through the API.",
        },
    )


# ---- the calendar -----------------------------------------------------------------------------


@router.get("")
async def calendar(visit: Visiting) -> Response:
    """Accounts by days of one month."""
    today = visit.deps.clock().date()
    month = _month_of(visit.text("month")) or today.replace(day=1)
    told = await visit.api.get(
        "/v1/reconciliations/calendar",
        month=f"{month:%Y-%m}",
        cursor=visit.text("cursor"),
        limit=_ACCOUNTS,
    )
    before, after = _neighbours(month)
    return await page(
        visit,
        "console/reconciliation.html",
        month=month,
        before=before,
        after=after if after <= today else None,
        days=[_heading(day, today) for day in _days_of(month)],
        accounts=[_account_row(account) for account in told["items"]],
        legend=[DAY_STATES[name] for name in _LEGEND],
        query={"month": f"{month:%Y-%m}"} | visit.given("cursor"),
        next_cursor=told["next_cursor"],
    )


def _month_of(text: str) -> date | None:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        return None


def _neighbours(month: date) -> tuple[date, date]:
    before = (month - timedelta(days=1)).replace(day=1)
    return before, _days_of(month)[-1] + timedelta(days=1)


def _days_of(month: date) -> list[date]:
    count = monthrange(month.year, month.month)[1]
    return [month + timedelta(days=number) for number in range(count)]


def _heading(day: date, today: date) -> dict[str, Any]:
    return {
        "number": day.day,
        "letter": f"{day:%a}"[0],
        "is_weekend": day.weekday() >= _SATURDAY,
        "is_today": day == today,
    }


def _account_row(account: Mapping[str, Any]) -> dict[str, Any]:
    cells = [_cell(account["account_id"], account["channel"], day) for day in account["days"]]
    return dict(account) | {"cells": cells}


def _cell(account_id: str, channel: str, day: Mapping[str, Any]) -> dict[str, str]:
    words = DAY_STATES[day["state"]]
    open_ = f", {day['unresolved']} open" if day["unresolved"] else ""
    is_there = day["state"] not in ("no_account", "not_over")
    return {
        "href": f"/console/reconciliation/{account_id}/{day['business_day']}" if is_there else "",
        "text": str(day["unresolved"]) if day["unresolved"] else words.symbol,
        "tone": words.tone,
        "label": f"{channel}, {day['business_day']}: {words.title}{open_}",
    }


# ---- one day ----------------------------------------------------------------------------------


@router.get("/{account_id}/{day}")
async def show_day(account_id: str, day: str, visit: Visiting) -> Response:
    """One day of an account."""
    return await _shown(visit, account_id, day)


@router.get("/{account_id}/{day}/csv")
async def day_csv(account_id: str, day: str, visit: Visiting) -> Response:
    return await as_download(
        visit,
        "/v1/reports/channel-day",
        account_id=account_id,
        business_day=day,
        format="csv",
    )


async def _shown(
    visit: Visit,
    account_id: str,
    day: str,
    *,
    problem: Mapping[str, Any] | None = None,
    status_code: int = 200,
) -> Response:
    on = _day_of(day)
    account, cell = await _account_day(visit, account_id, on)
    found = await _reconciliation(visit, cell["reconciliation_id"])
    listed = await _discrepancies(visit, found)
    today = visit.deps.clock().astimezone(ZoneInfo(account["timezone"])).date()
    return await page(
        visit,
        "console/reconciliation_day.html",
        status_code=status_code,
        problem=problem,
        account=account,
        day=on,
        yesterday=on - timedelta(days=1),
        tomorrow=on + timedelta(days=1) if on < today else None,
        here=f"/console/reconciliation/{account_id}/{on}",
        found=found,
        state=DAY_STATES[cell["state"]],
        state_name=cell["state"],
        open=cell["unresolved"],
        failure=failure_words(found["failure"]["code"]) if found and found["failure"] else None,
        totals=_totals(found),
        classes=_classes(found),
        discrepancies=rows_of(listed["items"], today=today),
        asked=visit.given("class", "status", "cursor"),
        next_cursor=listed["next_cursor"],
        is_early=on >= today,
        may_run=on <= today and cell["state"] not in ("signed_off", "running", "no_account"),
        may_upload=on <= today and cell["state"] not in ("signed_off", "no_account"),
        may_sign_off=visit.may(Role.FINANCE)
        and cell["state"] in ("balanced", "discrepancies"),
    )  # fmt: skip


def _day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ApiRefused(404, {"title": "There is no such day", "detail": text[:20]}) from None


async def _account_day(
    visit: Visit, account_id: str, day: date
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The account, and its day in the calendar."""
    told = await visit.api.get(
        "/v1/reconciliations/calendar", month=f"{day:%Y-%m}", account_id=account_id
    )
    if not told["items"]:
        raise ApiRefused(
            404,
            {
                "title": "There is no such channel account",
                "detail": "Or its channel has no statements.",
            },
        )
    (account,) = told["items"]
    return account, account["days"][day.day - 1]


async def _reconciliation(visit: Visit, reconciliation_id: str | None) -> dict[str, Any] | None:
    if reconciliation_id is None:
        return None
    found: dict[str, Any] = await visit.api.get(f"/v1/reconciliations/{reconciliation_id}")
    return found


async def _discrepancies(visit: Visit, found: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if found is None:
        return {"items": (), "next_cursor": None}
    asked = visit.given("class", "status", "cursor") if visit.request.method == "GET" else {}
    path = f"/v1/reconciliations/{found['id']}/discrepancies"
    told: Mapping[str, Any] = await visit.api.get(path, **asked)
    return told


def _totals(found: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if found is None or found["result"] is None:
        return []
    return [
        {
            "title": f"{side['kind'].capitalize()}s, {side['currency']}",
            "statement": money_text(side["statement"], side["currency"]),
            "statement_count": side["statement_count"],
            "ours": money_text(side["ours"], side["currency"]),
            "ours_count": side["ours_count"],
            "difference": money_text(side["difference"], side["currency"]),
            "differs": side["difference"] != 0,
            "fees": money_text(side["fees"], side["currency"]),
        }
        for side in found["result"]["totals"]
    ]


def _classes(found: Mapping[str, Any] | None) -> list[tuple[str, str, int]]:
    """Name, title and count of each class that was found."""
    classes = found["result"]["classes"] if found and found["result"] else {}
    return [(name, CLASSES[name].title, count) for name, count in classes.items()]


# ---- what people do ---------------------------------------------------------------------------


@router.post("/{account_id}/{day}/run")
async def run(account_id: str, day: str, visit: Visiting) -> Response:
    try:
        body = {"account_id": account_id, "business_day": day}
        await visit.api.post("/v1/reconciliations", body)
    except ApiRefused as refused:
        return await _refused(visit, account_id, day, refused)
    await visit.flash("The day is being compared.")
    return go_to(f"/console/reconciliation/{account_id}/{_day_of(day)}")


@router.post("/{account_id}/{day}/upload", dependencies=[Depends(_bounded)])
async def upload(account_id: str, day: str, visit: Visiting) -> Response:
    """A file from the browser; the API keeps it, and the run says what is wrong with it."""
    content = await visit.file("statement")
    if not content:
        detail = "Choose the statement's file first; an empty one is none. Nothing was changed."
        problem = {
            "title": "There is no file",
            "detail": detail,
            "code": "empty",
            "errors": (),
            "request_id": request_id_of(visit.request),
        }
        return await _shown(visit, account_id, day, problem=problem, status_code=422)
    try:
        await visit.api.upload(
            "/v1/reconciliations/upload", content, account_id=account_id, business_day=day
        )
    except ApiRefused as refused:
        return await _refused(visit, account_id, day, refused)
    await visit.flash(f"The file of {len(content):,} bytes is kept, and is being compared.")
    return go_to(f"/console/reconciliation/{account_id}/{_day_of(day)}")


@router.post("/{account_id}/{day}/sign-off")
async def sign_off(account_id: str, day: str, visit: Visiting) -> Response:
    _, cell = await _account_day(visit, account_id, _day_of(day))
    try:
        await visit.api.post(f"/v1/reconciliations/{cell['reconciliation_id']}/sign-off")
    except ApiRefused as refused:
        return await _refused(visit, account_id, day, refused)
    await visit.flash("The day is signed off.")
    return go_to(f"/console/reconciliation/{account_id}/{_day_of(day)}")


async def _refused(visit: Visit, account_id: str, day: str, refused: ApiRefused) -> Response:
    """What the API said, on the page of the day."""
    return await _shown(visit, account_id, day, problem=refused.problem, status_code=refused.status)
