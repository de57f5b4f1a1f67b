"""`/v1/refunds`: give money back, look up, approve or reject.

A refund is one SQL transaction (who calls, the refund on disk, never more than came in), then one
call to Temporal, then the answer. What a crash leaves between the two, a sweeper picks up.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api import refund_dispatch
from api.answers import (
    RefundAnswer,
    RefundDetail,
    RefundList,
    as_json,
    refund_answer,
    refund_detail,
)
from api.dependencies import ApiDependencies, Deps
from api.errors import RefundConflict
from api.fields import Amount, Body, Currency, FreeText, Identifier, OrderNumber, is_id
from api.idempotency import Claim, claim_key, fingerprint, keep_answer, key_of
from api.openapi import describe, problems
from api.paging import RefundQuery
from api.reasons import check_reason
from api.requests import parse, parse_query, read_body
from models.errors import Conflict, NotFound
from models.ids import new_id, refund_workflow_id
from models.merchant import Caller, Role
from models.money import Money
from models.payment import CAPTURED
from models.refund import Decision, RecordedRefund, RefundFunding, RefundState, RefundStatus
from models.views import RecordedOrder
from storage.payments import read_order
from storage.refunds import (
    list_refunds,
    no_such_payment,
    read_refund,
    read_refund_order,
    record_refund,
)

router = APIRouter(prefix="/v1/refunds", tags=["refunds"])

_READERS = (Role.APP, Role.OPS, Role.FINANCE, Role.ADMIN)
# Ops and finance order for the payment's app, never without a second person.
_ORDERERS = (Role.APP, Role.OPS, Role.FINANCE)
_DECIDERS = (Role.FINANCE, Role.ADMIN)
_REASON_MAX = 200
_REFUND_EXAMPLE = {
    "payment_id": "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "refund_no": "R-2026-0001",
    "amount": 500,
    "currency": "CNY",
    "reason": "one ticket given back",
}


class NewRefund(Body):
    """Money to be given back. `refund_no` is yours, unique per app, and the key that counts."""

    payment_id: Identifier
    refund_no: Annotated[OrderNumber, Field(examples=["R-2026-0001"])]
    amount: Amount
    currency: Currency | None = Field(default=None, description="the payment's, if you name it")
    reason: Annotated[FreeText, Field(max_length=_REASON_MAX)] | None = None


class RefundDecision(Body):
    reason: Annotated[FreeText, Field(max_length=_REASON_MAX)] | None = None


@router.post(
    "",
    status_code=201,
    response_model=RefundAnswer,
    responses={
        200: {"model": RefundAnswer, "description": "the same refund was asked for before"},
        202: {"model": RefundAnswer, "description": "on disk; how it started is not known yet"},
        **problems(400, 404, 409, 422),
    },
    openapi_extra=describe(body=NewRefund, example=_REFUND_EXAMPLE, idempotent=True),
)
async def create_refund(request: Request, deps: Deps) -> Response:
    """Give back part or all of a payment that succeeded.

    201 with what the channel said, or with `pending_approval` when the app wants a second person
    for this much; 200 for the same refund again; 202 when the answer is not known in time. All
    refunds together are never more than the payment: 422 `refund-exceeds-captured`.

    The app of the payment orders it; or ops or finance for it, who have to say why, and whose
    refunds always wait for a second person; money that came late and waits can go back so, too.
    `refund_no` is then among the app's own numbers, and no
    Idempotency-Key is taken.
    """
    raw = await read_body(request)
    # As with payments: without an Idempotency-Key there is one write, which needs no transaction.
    session = deps.session if key_of(request) else deps.one_write
    async with session(request, "record refund", *_ORDERERS) as (connection, caller):
        body = parse(NewRefund, raw)
        check_reason(caller, body.reason)
        mark = fingerprint(body, request.url.path)
        mine = await _claim(connection, request, caller, mark=mark, deps=deps)
        if mine is not None and mine.replay is not None:
            return mine.replay
        recorded = await _record(connection, body, caller, mark=mark, deps=deps)
        if recorded.order.fingerprint != mark:
            raise RefundConflict(
                "this refund_no was used with another body",
                location=f"/v1/refunds/{recorded.order.refund_id}",
            )
    response = await _initiate(deps, recorded)
    if mine is not None:
        await keep_answer(deps, mine, response, object_id=recorded.order.refund_id)
    return response


@router.get(
    "",
    response_model=RefundList,
    responses=problems(422),
    openapi_extra=describe(query=RefundQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Refunds, newest first: an app's own; with the roles ops, finance and admin all."""
    async with deps.session(request, "list refunds", *_READERS) as (connection, caller):
        query = parse_query(RefundQuery, request)
        found, cursor = await list_refunds(
            connection,
            app_id=caller.app_id,
            payment_id=query.payment_id,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
    items = tuple(
        refund_detail(view, run_url=deps.run_url(refund_workflow_id(view.id))) for view in found
    )
    return as_json(RefundList(items=items, next_cursor=cursor))


@router.get("/{refund_id}", response_model=RefundDetail, responses=problems(404))
async def get_refund(refund_id: str, request: Request, deps: Deps) -> Response:
    """One refund as it stands, from our own books."""
    async with deps.session(request, "read refund", *_READERS) as (connection, caller):
        view = await read_refund(connection, _is_refund_id(refund_id), app_id=caller.app_id)
    if view is None:
        raise _not_found()
    return as_json(refund_detail(view, run_url=deps.run_url(refund_workflow_id(view.id))))


_DECISION_RESPONSES = {
    202: {"model": RefundAnswer, "description": "handed over; what comes of it is not known yet"},
    **problems(400, 404, 409, 422),
}


@router.post(
    "/{refund_id}/approve",
    response_model=RefundAnswer,
    responses=_DECISION_RESPONSES,
    openapi_extra=describe(body=RefundDecision, example={"reason": "seen the ticket"}),
)
async def approve(refund_id: str, request: Request, deps: Deps) -> Response:
    """Let a refund that waits for approval go to its channel (finance, admin).

    409 `same-person` for the key that asked for it, `invalid-state` when it does not wait.
    """
    return await _decide(refund_id, request, deps, is_approved=True)


@router.post(
    "/{refund_id}/reject",
    response_model=RefundAnswer,
    responses=_DECISION_RESPONSES,
    openapi_extra=describe(body=RefundDecision, example={"reason": "the show was played"}),
)
async def reject(refund_id: str, request: Request, deps: Deps) -> Response:
    """End a refund that waits for approval; nothing goes back (finance, admin).

    409 `same-person` for the key that asked for it, `invalid-state` when it does not wait.
    """
    return await _decide(refund_id, request, deps, is_approved=False)


async def _record(
    connection: AsyncConnection,
    body: NewRefund,
    caller: Caller,
    *,
    mark: str,
    deps: ApiDependencies,
) -> RecordedRefund:
    currency, funding = body.currency, RefundFunding.MERCHANT
    if currency is None or caller.app_id is None:
        payment = await _payment(connection, body.payment_id)
        currency = currency or payment.order.money.currency
        if caller.app_id is None and payment.state.status not in CAPTURED:
            funding = RefundFunding.SUSPENSE  # money that came late, which nobody has taken
    return await record_refund(
        connection,
        refund_id=new_id("ref"),
        app_id=caller.app_id,
        payment_id=body.payment_id,
        refund_no=body.refund_no,
        money=Money(amount_minor=body.amount, currency=currency),
        reason=body.reason or "",
        requested_by=caller.key_id,
        funding=funding,
        always_approved=caller.app_id is None,
        fingerprint=mark,
        now=deps.clock(),
    )


async def _claim(
    connection: AsyncConnection,
    request: Request,
    caller: Caller,
    *,
    mark: str,
    deps: ApiDependencies,
) -> Claim | None:
    """The claim of an app's Idempotency-Key. Keys are kept per app, so nobody else has any."""
    if caller.app_id is None:
        return None
    return await claim_key(connection, request, app_id=caller.app_id, mark=mark, deps=deps)


async def _payment(connection: AsyncConnection, payment_id: str) -> RecordedOrder:
    recorded = await read_order(connection, payment_id)
    if recorded is None:
        raise no_such_payment()
    return recorded


async def _initiate(deps: ApiDependencies, recorded: RecordedRefund) -> Response:
    first = 201 if recorded.is_new else 200
    if not _waits_for_a_first_answer(recorded):
        return _answer(deps, recorded, recorded.state, status_code=first)
    state = await refund_dispatch.start_refund(
        deps.client, recorded.order, within=deps.options.initiation_timeout
    )
    return _answer(deps, recorded, state or recorded.state, status_code=first if state else 202)


def _waits_for_a_first_answer(recorded: RecordedRefund) -> bool:
    """Whether the run's first answer is news: later on, our books know more than it did."""
    if recorded.state.version == 1:
        return True
    return recorded.state.status is RefundStatus.PENDING and not recorded.order.needs_approval


async def _decide(
    refund_id: str, request: Request, deps: ApiDependencies, *, is_approved: bool
) -> Response:
    raw = await read_body(request)
    async with deps.session(request, "decide on refund", *_DECIDERS) as (connection, caller):
        body = parse(RefundDecision, raw)
        recorded = await read_refund_order(connection, _is_refund_id(refund_id))
    if recorded is None:
        raise _not_found()
    if recorded.order.requested_by == caller.key_id:
        raise Conflict("somebody else has to decide on this refund", code="same-person")
    if recorded.state.status is not RefundStatus.PENDING_APPROVAL:
        return _already_decided(deps, recorded, is_approved=is_approved)
    decision = Decision(
        command_id=new_id("cmd"),
        decided_by=caller.key_id,
        is_approved=is_approved,
        reason=body.reason or "",
    )
    state = await refund_dispatch.decide_refund(
        deps.client, recorded.order, decision, within=deps.options.initiation_timeout
    )
    return _answer(deps, recorded, state or recorded.state, status_code=200 if state else 202)


def _already_decided(
    deps: ApiDependencies, recorded: RecordedRefund, *, is_approved: bool
) -> Response:
    """The same decision again changes nothing; the other one comes too late."""
    status = recorded.state.status
    was_rejected = status is RefundStatus.REJECTED
    was_approved = (
        recorded.order.needs_approval and not was_rejected and status is not RefundStatus.CANCELED
    )
    if (is_approved and was_approved) or (not is_approved and was_rejected):
        return _answer(deps, recorded, recorded.state, status_code=200)
    raise Conflict(f"the refund is {status} and waits for no decision", code="invalid-state")


def _answer(
    deps: ApiDependencies, recorded: RecordedRefund, state: RefundState, *, status_code: int
) -> Response:
    refund_id = recorded.order.refund_id
    run_url = deps.run_url(refund_workflow_id(refund_id))
    return as_json(
        refund_answer(recorded, state, run_url=run_url),
        status_code=status_code,
        location=f"/v1/refunds/{refund_id}",
    )


def _is_refund_id(value: str) -> str:
    if not is_id("ref", value):
        raise _not_found()
    return value


def _not_found() -> NotFound:
    return NotFound("there is no such refund")
