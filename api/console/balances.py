"""Balances: does everything sum to zero, who is owed what, and one account entry by entry."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from fastapi import APIRouter, Response

from api.console.calls import ApiRefused
from api.console.downloads import as_download
from api.console.finance_words import LEDGER_KINDS, age_words
from api.console.shell import money_text, page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/balances", include_in_schema=False)

_SUSPENSE = ("1201", "2401")
_FILTERS = ("kind", "currency", "cursor")
_STATEMENT = ("account", "currency", "cursor")
_DAY = timedelta(days=1)


@router.get("")
async def balances(visit: Visiting) -> Response:
    """The trial balance of each currency, and the accounts behind it."""
    asked = {name: visit.text(name) for name in _FILTERS}
    trial = await visit.api.get("/v1/reports/trial-balance")
    problem: Mapping[str, Any] | None = None
    told: Mapping[str, Any] = {"items": (), "next_cursor": None}
    try:
        told = await visit.api.get("/v1/reports/ledger-accounts", **asked)
    except ApiRefused as refused:
        problem = refused.problem
    now = visit.deps.clock()
    return await page(
        visit,
        "console/balances.html",
        status_code=422 if problem else 200,
        problem=problem,
        trial=trial,
        sheets=[_sheet(trial, equation) for equation in trial["equations"]],
        accounts=[_account(item, now) for item in told["items"]],
        kinds=[(code, f"{code} {words.title}") for code, words in LEDGER_KINDS.items()],
        asked=asked,
        next_cursor=told["next_cursor"],
    )


def _sheet(trial: Mapping[str, Any], equation: Mapping[str, Any]) -> dict[str, Any]:
    """One currency: its rows, their sums, and the accounting equation."""
    currency = equation["currency"]
    rows = [row for row in trial["rows"] if row["currency"] == currency]
    debit, credit = (sum(row[f"{side}_minor"] for row in rows) for side in ("debit", "credit"))
    sides = ("assets", "liabilities", "income", "expenses")
    return {side: money_text(equation[f"{side}_minor"], currency) for side in sides} | {
        "currency": currency,
        "balanced": equation["balanced"] and debit == credit,
        "debit": money_text(debit, currency),
        "credit": money_text(credit, currency),
        "sum": money_text(debit - credit, currency),
        "rows": [
            {
                "kind": row["kind"],
                "words": LEDGER_KINDS[row["kind"]],
                "is_suspense": row["kind"] in _SUSPENSE and row["balance_minor"] != 0,
                "debit": money_text(row["debit_minor"], currency),
                "credit": money_text(row["credit_minor"], currency),
                "balance": money_text(row["balance_minor"], currency),
            }
            for row in rows
        ],
    }


def _account(item: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    currency, since = item["currency"], item["open_since"]
    age = (now - datetime.fromisoformat(since)).total_seconds() if since else 0
    return dict(item) | {
        "words": LEDGER_KINDS[item["kind"]],
        "debit": money_text(item["debit_minor"], currency),
        "credit": money_text(item["credit_minor"], currency),
        "balance": money_text(item["balance_minor"], currency),
        "age": age_words(age) if since else "",
    }


# ---- one account ------------------------------------------------------------------------------


@router.get("/statement")
async def statement(visit: Visiting) -> Response:
    """One ledger account, entry by entry, over some days of UTC."""
    since, until = _days(visit)
    problem: Mapping[str, Any] | None = None
    told: Mapping[str, Any] | None = None
    try:
        told = await visit.api.get("/v1/reports/account-statement", **_asked(visit))
    except ApiRefused as refused:
        problem = refused.problem
    account, currency = visit.text("account"), visit.text("currency")
    return await page(
        visit,
        "console/account_statement.html",
        status_code=422 if problem else 200,
        problem=problem,
        account=account,
        currency=currency,
        words=LEDGER_KINDS.get(account[:4]),
        since=since,
        until=until,
        sums=_sums(told),
        entries=_entries(told),
        query=visit.given(*_STATEMENT) | {"since": since, "until": until},
        next_cursor=told["next_cursor"] if told else None,
    )


def _sums(told: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What was there, what moved, what is there."""
    if told is None:
        return []
    figures = (
        ("Before", told["opening_minor"]),
        ("Debit", told["in_minor"]),
        ("Credit", -told["out_minor"]),
        ("After", told["closing_minor"]),
    )
    return [(title, money_text(minor, told["currency"])) for title, minor in figures]


def _entries(told: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    if told is None:
        return []
    return [
        dict(entry)
        | {
            "amount": money_text(entry["amount_minor"], told["currency"]),
            "after": money_text(entry["after_minor"], told["currency"]),
        }
        for entry in told["entries"]
    ]


@router.get("/statement.csv")
async def statement_csv(visit: Visiting) -> Response:
    return await as_download(visit, "/v1/reports/account-statement", **_asked(visit), format="csv")


def _asked(visit: Visit) -> dict[str, str]:
    since, until = _days(visit)
    midnights = (datetime.combine(day, time(), UTC) for day in (since, until + _DAY))
    begin, end = (midnight.isoformat() for midnight in midnights)
    return visit.given(*_STATEMENT) | {"since": begin, "until": end}


def _days(visit: Visit) -> tuple[date, date]:
    """The first and the last day asked for; today alone, where nothing fits."""
    today = visit.deps.clock().astimezone(UTC).date()
    try:
        since = date.fromisoformat(visit.text("since") or str(today))
        until = date.fromisoformat(visit.text("until") or str(today))
    except ValueError:
        return today, today
    # A day after the last one that can be written has no midnight.
    return since, min(until, date.max - _DAY)


# ---- tables -----------------------------------------------------------------------------------


@router.get("/trial-balance.csv")
async def trial_balance_csv(visit: Visiting) -> Response:
    return await as_download(visit, "/v1/reports/trial-balance", format="csv")


@router.get("/accounts.csv")
async def accounts_csv(visit: Visiting) -> Response:
    asked = visit.given(*_FILTERS)
    return await as_download(visit, "/v1/reports/ledger-accounts", **asked, format="csv")


# ---- a channel's day in our books -------------------------------------------------------------


@router.get("/channel-day")
async def channel_day(visit: Visiting) -> Response:
    """What a day did to what a channel owes us, from our books."""
    asked = visit.given("account_id", "business_day")
    told = await visit.api.get("/v1/reports/channel-day", **asked)
    return await page(
        visit,
        "console/channel_day.html",
        told=told,
        days=[_currency_day(day) for day in told["currencies"]],
        query=asked,
    )


def _currency_day(day: Mapping[str, Any]) -> dict[str, Any]:
    """Lines of title, count, amount, and whether it is a sum."""
    currency = day["currency"]
    moved = [(e["event_type"], e["count"], e["amount_minor"], False) for e in day["clearing"]]
    lines = [
        ("The channel owed us before", "", day["opening_minor"], True),
        *moved,
        ("The channel owes us after", "", day["closing_minor"], True),
        ("Payments", day["payments"], day["payments_minor"], False),
        ("Refunds", day["refunds"], -day["refunds_minor"], False),
        ("Channel’s fees", "", -day["channel_fees_minor"], False),
        ("Net", "", day["net_minor"], True),
        ("Our fee income", "", day["fee_income_minor"], False),
        ("To suspense, owed", "", day["suspense_credit_minor"], False),
        ("To suspense, missing", "", day["suspense_debit_minor"], False),
    ]
    return {
        "currency": currency,
        "balanced": day["balanced"],
        "lines": [
            (title, count, money_text(m, currency), is_sum) for title, count, m, is_sum in lines
        ],
    }
