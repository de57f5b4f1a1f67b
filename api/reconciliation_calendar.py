"""`/v1/reconciliations/calendar`: which days were compared, account by account."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from api.answers import as_json
from api.dependencies import Deps
from api.fields import Identifier
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import parse_query
from api.statistics import timezones_of
from models.merchant import Role
from models.reconciliation_calendar import ReconciliationCalendar
from storage.reconciliation_calendar import month_of_accounts

router = APIRouter(prefix="/v1/reconciliations", tags=["reconciliation"])

_READERS = (Role.FINANCE, Role.OPS, Role.ADMIN)
_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")


def _month(value: Any) -> date:
    if isinstance(value, str) and _MONTH.fullmatch(value):
        return date.fromisoformat(f"{value}-01")
    raise PydanticCustomError("month", "write a month like 2026-11")


class CalendarQuery(PageQuery):
    """One page of accounts; `account_id` for one alone."""

    month: Annotated[
        date,
        BeforeValidator(_month, json_schema_input_type=str),
        Field(strict=False, examples=["2026-11"]),
    ]
    account_id: Identifier | None = None


@router.get(
    "/calendar",
    response_model=ReconciliationCalendar,
    responses=problems(422),
    openapi_extra=describe(query=CalendarQuery),
)
async def calendar(request: Request, deps: Deps) -> Response:
    """A month of days for each account whose channel has statements (finance, ops, admin)."""
    async with deps.session(request, "calendar", *_READERS) as (connection, _):
        query = parse_query(CalendarQuery, request)
        now = deps.clock()
        items = await month_of_accounts(
            connection,
            query.month,
            timezones=timezones_of(deps),
            account_id=query.account_id,
            now=now,
            limit=query.limit,
            after=query.cursor,
        )
    cursor = next_after(tuple(item.account_id for item in items), query.limit)
    answer = ReconciliationCalendar(
        month=f"{query.month:%Y-%m}", as_of=now, items=items, next_cursor=cursor
    )
    return as_json(answer)
