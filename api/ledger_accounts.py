"""`/v1/reports/ledger-accounts`: every ledger account with what it adds up to."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.answers import as_json
from api.csv_answers import csv_answer
from api.dependencies import Deps
from api.fields import Currency
from api.openapi import describe, problems
from api.paging import PageQuery
from api.reports import Format
from api.requests import parse_query
from models.ledger import AccountKind
from models.merchant import Role
from models.reports import LedgerAccountList
from storage.ledger_totals import ledger_accounts

router = APIRouter(prefix="/v1/reports", tags=["reports"])

_READERS = (Role.FINANCE, Role.OPS, Role.ADMIN)
_COLUMNS = (
    *("account", "name", "currency", "debit_minor", "credit_minor", "balance_minor"),
    "open_since",
)


class LedgerAccountQuery(PageQuery):
    kind: Annotated[AccountKind, Field(examples=["2101"])] | None = None
    currency: Currency | None = None
    format: Format = "json"


@router.get(
    "/ledger-accounts",
    response_model=LedgerAccountList,
    responses=problems(403, 422),
    openapi_extra=describe(query=LedgerAccountQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Ledger accounts by kind and owner, with their balances of now (finance, ops, admin).

    Debits less credits: what we owe a merchant is below zero. `open_since` of suspense is since
    when something has been lying there without a break.
    """
    async with deps.session(request, "ledger accounts", *_READERS) as (connection, _):
        query = parse_query(LedgerAccountQuery, request)
        found = await ledger_accounts(
            connection,
            kind=query.kind,
            currency=query.currency,
            limit=query.limit,
            cursor=query.cursor,
        )
    if query.format == "json":
        return as_json(found)
    rows = (tuple(getattr(item, column) for column in _COLUMNS) for item in found.items)
    answer = csv_answer("ledger-accounts", _COLUMNS, rows)
    if found.next_cursor:
        answer.headers["x-next-cursor"] = found.next_cursor
    return answer
