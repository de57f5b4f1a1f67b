"""`/v1/reports`: what finance reads, as JSON or (`format=csv`) as a table.

Each report satisfies an equation, and says whether it does. Amounts are minor units.
"""

import re
from datetime import UTC, date
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.answers import as_json
from api.csv_answers import csv_answer
from api.dependencies import Deps
from api.fields import BusinessDay, Currency, Identifier
from api.openapi import describe, problems
from api.paging import PAGE_MAX, Limit
from api.paging import Cursor as CursorText
from api.requests import parse_query
from models.errors import NotFound
from models.ledger import AccountKind, LedgerAccountName
from models.merchant import Role
from models.reports import AccountStatement, AgeingReport, ChannelDay, TrialBalance
from storage import reports
from storage.ageing import aged_discrepancies as aged_discrepancies_of
from storage.channel_accounts import read_channel_account
from storage.ledger_totals import trial_balance_now
from storage.statement_run import day_limits

router = APIRouter(prefix="/v1/reports", tags=["reports"])

_READERS = (Role.FINANCE, Role.OPS, Role.ADMIN)
_ACCOUNT = re.compile(r"(?P<kind>[0-9]{4})(?::(?P<owner>[0-9A-Za-z_]{1,64}))?")


def _account_name(text: str) -> str:
    matched = _ACCOUNT.fullmatch(text)
    if matched is None or matched["kind"] not in {kind.value for kind in AccountKind}:
        raise PydanticCustomError(
            "not-a-choice", "a kind of account and whose it is, such as 1101:acc_…"
        )
    return text


Instant = Annotated[AwareDatetime, Field(strict=False, examples=["2026-11-20T00:00:00Z"])]
Format = Literal["json", "csv"]


class _Query(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = "json"


class TrialBalanceQuery(_Query):
    at: Instant | None = Field(default=None, description="up to and with; the default is now")


class AccountStatementQuery(_Query):
    account: Annotated[
        str,
        Field(max_length=70, examples=["1101:acc_01KAH3W3F0Q7V2H8T0M4X5N6P7"]),
        AfterValidator(_account_name),
    ]
    currency: Currency
    since: Instant
    until: Instant
    limit: Limit = PAGE_MAX
    cursor: CursorText | None = None


class ChannelDayQuery(_Query):
    account_id: Identifier
    business_day: BusinessDay


@router.get(
    "/trial-balance",
    response_model=TrialBalance,
    responses=problems(403, 422),
    openapi_extra=describe(query=TrialBalanceQuery),
)
async def trial_balance(request: Request, deps: Deps) -> Response:
    """Every kind of account, and assets = liabilities + income - expenses for each currency.

    Of now unless `at` names a moment, for which all entries have to be read.
    """
    async with deps.session(request, "trial balance", *_READERS) as (connection, _):
        query = parse_query(TrialBalanceQuery, request)
        report = await (
            reports.trial_balance(connection, at=query.at)
            if query.at
            else trial_balance_now(connection)
        )
    if query.format == "json":
        return as_json(report)
    columns = ("currency", "kind", "name", "debit_minor", "credit_minor", "balance_minor")
    rows = (
        (r.currency, r.kind, _name(r.kind), r.debit_minor, r.credit_minor, r.balance_minor)
        for r in report.rows
    )
    return csv_answer(f"trial-balance-{report.at:%Y%m%dT%H%M%SZ}", columns, rows)


@router.get(
    "/account-statement",
    response_model=AccountStatement,
    responses=problems(403, 422),
    openapi_extra=describe(query=AccountStatementQuery),
)
async def account_statement(request: Request, deps: Deps) -> Response:
    """One ledger account, entry by entry, with the balance before and after each.

    `account` is a kind and whose it is, such as `2101:mer_…`. Opening + in - out = closing.
    """
    async with deps.session(request, "account statement", *_READERS) as (connection, _):
        query = parse_query(AccountStatementQuery, request)
        report = await reports.account_statement(
            connection,
            _account(query.account),
            currency=query.currency,
            since=query.since,
            until=query.until,
            limit=query.limit,
            cursor=query.cursor,
        )
    if query.format == "json":
        return as_json(report)
    columns = (
        "occurred_at",
        "ledger_transaction_id",
        "event_type",
        "event_id",
        "payment_id",
        "amount_minor",
        "before_minor",
        "after_minor",
    )
    rows = (tuple(getattr(entry, column) for column in columns) for entry in report.entries)
    answer = csv_answer("account-statement", columns, rows)
    if report.next_cursor:
        answer.headers["x-next-cursor"] = report.next_cursor
    return answer


@router.get(
    "/channel-day",
    response_model=ChannelDay,
    responses=problems(403, 404, 422),
    openapi_extra=describe(query=ChannelDayQuery),
)
async def channel_day(request: Request, deps: Deps) -> Response:
    """A channel account's business day by the channel's own clock, with its reconciliation.

    Clearing is what the channel owes us: opening + in - out = closing.
    """
    async with deps.session(request, "channel day", *_READERS) as (connection, caller):
        query = parse_query(ChannelDayQuery, request)
        account = await read_channel_account(connection, query.account_id, app_id=caller.app_id)
        if account is None:
            raise NotFound("there is no such channel account")
        timezone = deps.channels.get(account.channel).capabilities.timezone
        since, until = day_limits(query.business_day, timezone)
        report = ChannelDay(
            account_id=account.id,
            channel=account.channel,
            business_day=query.business_day,
            timezone=timezone,
            currencies=await reports.channel_day(connection, account.id, since=since, until=until),
            reconciliation=await reports.reconciled_day(connection, account.id, query.business_day),
        )
    if query.format == "json":
        return as_json(report)
    columns = ("currency", "line", "count", "amount_minor")
    name = f"channel-day-{report.account_id}-{report.business_day:%Y%m%d}"
    return csv_answer(name, columns, _day_lines(report))


@router.get(
    "/discrepancies",
    response_model=AgeingReport,
    responses=problems(403, 422),
    openapi_extra=describe(query=_Query),
)
async def aged_discrepancies(request: Request, deps: Deps) -> Response:
    """What is unresolved, by account, class and currency, and for how many days."""
    async with deps.session(request, "aged discrepancies", *_READERS) as (connection, caller):
        query = parse_query(_Query, request)
        today: date = deps.clock().astimezone(UTC).date()
        found = await aged_discrepancies_of(connection, app_id=caller.app_id, today=today)
    columns = (
        "account_id",
        "class_",
        "currency",
        "days_0_1",
        "days_2_3",
        "days_4_7",
        "older",
        "difference_minor",
    )
    rows = (tuple(getattr(row, column) for column in columns) for row in found)
    if query.format == "csv":
        header = [column.rstrip("_") for column in columns]
        return csv_answer(f"discrepancies-{today:%Y%m%d}", header, rows)
    return as_json(AgeingReport(as_of=today, items=found))


def _account(text: str) -> LedgerAccountName:
    kind, _, owner = text.partition(":")
    return LedgerAccountName(kind=AccountKind(kind), owner=owner)


def _name(kind: AccountKind) -> str:
    return AccountKind(kind).name.lower()


def _day_lines(report: ChannelDay) -> list[tuple[str, str, int | None, int]]:
    lines: list[tuple[str, str, int | None, int]] = []
    for day in report.currencies:
        lines += [
            (day.currency, "opening", None, day.opening_minor),
            *((day.currency, e.event_type, e.count, e.amount_minor) for e in day.clearing),
            (day.currency, "closing", None, day.closing_minor),
            (day.currency, "payments", day.payments, day.payments_minor),
            (day.currency, "refunds", day.refunds, day.refunds_minor),
            (day.currency, "channel fees", None, day.channel_fees_minor),
            (day.currency, "net", None, day.net_minor),
            (day.currency, "fee income", None, day.fee_income_minor),
            (day.currency, "suspense, owed by us", None, day.suspense_credit_minor),
            (day.currency, "suspense, missing", None, day.suspense_debit_minor),
        ]
    return lines
