"""`/v1/reconciliations`: a channel's statement of a day against our books.

Ordering a day is one SQL transaction, then one call to Temporal; the run answers through the row.
"""

import asyncio
from datetime import date
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import reconciliation_dispatch
from api.answers import as_json
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, BusinessDay, Identifier, Nothing, is_id
from api.openapi import describe, problems
from api.paging import DayDiscrepancyQuery, ReconciliationQuery, StatementQuery
from api.reconciliation_answers import (
    DiscrepancyList,
    ReconciliationAnswer,
    ReconciliationList,
    discrepancy_answer,
    reconciliation_answer,
)
from api.requests import invalid, parse, parse_query, read_body
from channels.base import Channel, Reconciling
from models.channel import ChannelAccount
from models.errors import Conflict, InvalidRequest, InvariantBroken, NotFound, Problem
from models.ids import new_id, reconciliation_workflow_id, repair_workflow_id
from models.merchant import Caller, Role
from models.reconciliation import (
    ReconciliationOrder,
    ReconciliationStatus,
    ReconciliationView,
    StatementFacts,
    StatementSource,
)
from storage.channel_accounts import read_channel_account
from storage.discrepancies import list_discrepancies
from storage.reconciliation import (
    list_reconciliations,
    read_reconciliation,
    record_reconciliation,
    sign_off,
)

router = APIRouter(prefix="/v1/reconciliations", tags=["reconciliation"])

_READERS = (Role.FINANCE, Role.OPS, Role.ADMIN)
_SIGNERS = (Role.FINANCE,)
_EXAMPLE = {"account_id": "acc_01KAH3W3F0Q7V2H8T0M4X5N6P7", "business_day": "2026-11-20"}
_UPLOAD_BODY = {
    "requestBody": {
        "description": "the file as the channel made it",
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class NewReconciliation(Body):
    """`business_day` is a day by the channel's own clock."""

    account_id: Identifier
    business_day: BusinessDay


@router.post(
    "",
    status_code=202,
    response_model=ReconciliationAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=NewReconciliation, example=_EXAMPLE),
)
async def reconcile(request: Request, deps: Deps) -> Response:
    """Fetch the channel's statement of a day and compare it with our books (finance, ops, admin).

    202: it is under way; look again at `location`. The same day again is the same reconciliation,
    run once more; with the same statement nothing changes. 409 for a day that is signed off.
    """
    raw = await read_body(request)
    async with deps.session(request, "record reconciliation", *_READERS) as (connection, caller):
        body = parse(NewReconciliation, raw)
        account = await _account(connection, deps, body.account_id)
        order = _order(deps, account, body.business_day, caller)
        view = await _record(connection, deps, order)
    await reconciliation_dispatch.start_reconciliation(deps.client, _order_of(view))
    return _shown(deps, view, status_code=202)


@router.post(
    "/upload",
    status_code=202,
    response_model=ReconciliationAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(query=StatementQuery) | _UPLOAD_BODY,
)
async def upload(request: Request, deps: Deps) -> Response:
    """Use this file as the channel's statement of a day (finance, ops, admin).

    It is kept as it is, and checked as one that was fetched. A run that still waits for the
    channel's own takes it instead.
    """
    async with deps.session(request, "read upload's account", *_READERS) as (connection, caller):
        query = parse_query(StatementQuery, request)
        account = await _account(connection, deps, query.account_id)
        order = _order(deps, account, query.business_day, caller)
    statement = await _receive(request, deps, order)
    async with deps.database.transaction("record reconciliation") as connection:
        view = await _record(connection, deps, order)
    await reconciliation_dispatch.start_reconciliation(deps.client, _order_of(view), statement)
    return _shown(deps, view, status_code=202)


@router.get(
    "",
    response_model=ReconciliationList,
    responses=problems(422),
    openapi_extra=describe(query=ReconciliationQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Reconciliations, newest first (finance, ops, admin)."""
    async with deps.session(request, "list reconciliations", *_READERS) as (connection, _):
        query = parse_query(ReconciliationQuery, request)
        found, cursor = await list_reconciliations(
            connection,
            app_id=None,
            account_id=query.account_id,
            business_day=query.business_day,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
    items = tuple(_answer(deps, view) for view in found)
    return as_json(ReconciliationList(items=items, next_cursor=cursor))


@router.get("/{reconciliation_id}", response_model=ReconciliationAnswer, responses=problems(404))
async def get_reconciliation(reconciliation_id: str, request: Request, deps: Deps) -> Response:
    """One day of an account as it stands (finance, ops, admin)."""
    async with deps.session(request, "read reconciliation", *_READERS) as (connection, _):
        view = await read_reconciliation(connection, _id(reconciliation_id), app_id=None)
    return _shown(deps, _existing(view))


@router.get(
    "/{reconciliation_id}/discrepancies",
    response_model=DiscrepancyList,
    responses=problems(404, 422),
    openapi_extra=describe(query=DayDiscrepancyQuery),
)
async def list_of_the_day(reconciliation_id: str, request: Request, deps: Deps) -> Response:
    """What did not match on one day (finance, ops, admin)."""
    async with deps.session(request, "list discrepancies", *_READERS) as (connection, _):
        query = parse_query(DayDiscrepancyQuery, request)
        _existing(await read_reconciliation(connection, _id(reconciliation_id), app_id=None))
        found, cursor = await list_discrepancies(
            connection,
            app_id=None,
            reconciliation_id=reconciliation_id,
            class_=query.class_,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
    items = tuple(
        discrepancy_answer(view, run_url=deps.run_url(repair_workflow_id(view.id)))
        for view in found
    )
    return as_json(DiscrepancyList(items=items, next_cursor=cursor))


@router.post(
    "/{reconciliation_id}/sign-off",
    response_model=ReconciliationAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=Nothing),
)
async def sign_the_day_off(reconciliation_id: str, request: Request, deps: Deps) -> Response:
    """Finance's word that the day is done; it is not run again after that (finance).

    409 `discrepancies-open` while something of it is not resolved.
    """
    raw = await read_body(request)
    async with deps.session(request, "sign reconciliation off", *_SIGNERS) as (connection, caller):
        parse(Nothing, raw)
        view = await sign_off(
            connection, _id(reconciliation_id), by=caller.key_id, now=deps.clock()
        )
    return _shown(deps, view)


async def _account(
    connection: AsyncConnection, deps: ApiDependencies, account_id: str
) -> ChannelAccount:
    account = (
        await read_channel_account(connection, account_id, app_id=None)
        if is_id("acc", account_id)
        else None
    )
    if account is None:
        raise NotFound(
            "there is no such channel account",
            problems=(Problem(pointer="#/account_id", code="not-found", detail="no such account"),),
        )
    if not isinstance(deps.channels.get(account.channel), Reconciling):
        detail = f"{account.channel} has no statements"
        raise invalid(Problem(pointer="#/account_id", code="no-statements", detail=detail))
    return account


def _order(
    deps: ApiDependencies, account: ChannelAccount, day: date, caller: Caller
) -> ReconciliationOrder:
    timezone = _timezone(deps.channels.get(account.channel))
    if day > deps.clock().astimezone(ZoneInfo(timezone)).date():
        detail = f"this day has not begun in {timezone}"
        raise invalid(Problem(pointer="#/business_day", code="too-large", detail=detail))
    return ReconciliationOrder(
        reconciliation_id=new_id("rec"),
        account_id=account.id,
        app_id=account.app_id,
        channel=account.channel,
        business_day=day,
        timezone=timezone,
        requested_by=caller.key_id,
    )


def _timezone(channel: Channel) -> str:
    return channel.capabilities.timezone


async def _record(
    connection: AsyncConnection, deps: ApiDependencies, order: ReconciliationOrder
) -> ReconciliationView:
    recorded = await record_reconciliation(connection, order, now=deps.clock())
    if recorded.status is ReconciliationStatus.SIGNED_OFF:
        raise Conflict("the day is signed off", code="invalid-state")
    view = await read_reconciliation(connection, recorded.order.reconciliation_id, app_id=None)
    if view is None:
        raise InvariantBroken(f"{recorded.order.reconciliation_id} was there a moment ago")
    return view


async def _receive(
    request: Request, deps: ApiDependencies, order: ReconciliationOrder
) -> StatementFacts:
    """Keep the body as a statement. Raises InvalidRequest for one that is empty or too large."""
    day, received, limit = order.business_day, 0, deps.options.statement_max_bytes
    with deps.statements.draft(order.account_id, day) as draft:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise InvalidRequest(f"the file is larger than {limit} bytes", code="too-large")
            draft.write(chunk)
        if not received:
            raise InvalidRequest("the body is empty", code="malformed")
        return await asyncio.to_thread(
            deps.statements.keep, draft, order.account_id, day, StatementSource.UPLOADED
        )


def _order_of(view: ReconciliationView) -> ReconciliationOrder:
    return ReconciliationOrder(
        reconciliation_id=view.id,
        account_id=view.account_id,
        app_id=view.app_id,
        channel=view.channel,
        business_day=view.business_day,
        timezone=view.timezone,
        requested_by=view.requested_by,
    )


def _id(reconciliation_id: str) -> str:
    if not is_id("rec", reconciliation_id):
        raise NotFound("there is no such reconciliation")
    return reconciliation_id


def _existing(view: ReconciliationView | None) -> ReconciliationView:
    if view is None:
        raise NotFound("there is no such reconciliation")
    return view


def _answer(deps: ApiDependencies, view: ReconciliationView) -> ReconciliationAnswer:
    run = reconciliation_workflow_id(view.account_id, view.business_day)
    return reconciliation_answer(view, run_url=deps.run_url(run))


def _shown(deps: ApiDependencies, view: ReconciliationView, *, status_code: int = 200) -> Response:
    return as_json(
        _answer(deps, view),
        status_code=status_code,
        location=f"/v1/reconciliations/{view.id}" if status_code == _ACCEPTED else None,
    )


_ACCEPTED = 202
