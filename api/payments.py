"""`/v1/payments`: order, look up, cancel, explain.

A payment is one SQL transaction (who calls, the order on disk), then one call to Temporal, then
the answer. What a crash leaves between the two, a sweeper picks up.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api import dispatch
from api.answers import (
    Explanation,
    PaymentAnswer,
    PaymentDetail,
    PaymentList,
    as_json,
    payment_answer,
    payment_detail,
)
from api.dependencies import ApiDependencies, Deps
from api.errors import OrderConflict, request_id_of
from api.explain import explain
from api.fields import (
    Amount,
    Body,
    FreeText,
    is_id,
)
from api.idempotency import claim_key, fingerprint, keep_answer
from api.new_payment import NewPayment, check_return_url, method_of, order_of
from api.openapi import describe, problems
from api.paging import PaymentQuery
from api.reasons import check_reason
from api.requests import invalid, parse, parse_query, read_body
from models.errors import Conflict, NotFound, Problem
from models.ids import new_id, payment_workflow_id
from models.merchant import Caller, Role
from models.money import Money
from models.payment import (
    CAPTURED,
    PAYMENT_ENDS,
    Cancellation,
    Capture,
    LateSuccessPolicy,
    PaymentState,
    PaymentStatus,
)
from models.search import PaymentSearch
from models.views import RecordedOrder
from storage.apps import read_app
from storage.payment_search import search_payments
from storage.payments import read_order, read_payment, record_order

router = APIRouter(prefix="/v1/payments", tags=["payments"])

_READERS = (Role.APP, Role.OPS, Role.FINANCE, Role.ADMIN)

_ORDER_EXAMPLE = {
    "order_no": "A-2026-0001",
    "merchant_id": "mer_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "amount": 1999,
    "currency": "CNY",
    "method": "alipay_qr",
    "subject": "Two tickets",
    "expires_in": 900,
}


class CapturePayment(Body):
    amount: Amount | None = Field(
        default=None, description="minor units to take of what is held; the rest is released"
    )


class CancelPayment(Body):
    reason: Annotated[FreeText, Field(max_length=200)] | None = None


def _is_payment_id(value: str) -> str:
    if not is_id("pay", value):
        raise NotFound("there is no such payment")
    return value


@router.post(
    "",
    status_code=201,
    response_model=PaymentAnswer,
    responses={
        200: {"model": PaymentAnswer, "description": "the same order was sent before"},
        202: {"model": PaymentAnswer, "description": "on disk; how it started is not known yet"},
        **problems(400, 404, 409, 422),
    },
    openapi_extra=describe(body=NewPayment, example=_ORDER_EXAMPLE, idempotent=True),
)
async def create_payment(request: Request, deps: Deps) -> Response:
    """Order a payment.

    201 with what the payer has to do next; 200 for the same order again; 202 when the channel's
    answer is not known in time (look again with GET, or wait for the event). The same `order_no`
    with another body is 409 `order-conflict`.
    """
    raw = await read_body(request)
    # The claim of an Idempotency-Key and the order stand or fall together; alone, the order is one
    # statement.
    session = deps.session if "idempotency-key" in request.headers else deps.one_write
    async with session(request, "record order", Role.APP) as (connection, caller):
        body = parse(NewPayment, raw)
        method = method_of(body, deps)
        mark = fingerprint(body, request.url.path)
        app_id = _app_of(caller)
        mine = await claim_key(connection, request, app_id=app_id, mark=mark, deps=deps)
        if mine is not None and mine.replay is not None:
            return mine.replay
        policy = await _app_rules(connection, body, app_id)
        order = order_of(body, method, deps, app_id=app_id, policy=policy, mark=mark)
        recorded = await record_order(connection, order, request_id=request_id_of(request))
        if recorded.order.fingerprint != mark:
            raise OrderConflict(
                "this order_no was used with another body",
                location=f"/v1/payments/{recorded.order.payment_id}",
            )
    response = await _initiate(deps, recorded)
    if mine is not None:
        await keep_answer(deps, mine, response, object_id=recorded.order.payment_id)
    return response


@router.get(
    "",
    response_model=PaymentList,
    responses=problems(404, 422),
    openapi_extra=describe(query=PaymentQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Payments, newest first: an app's own; with the roles ops, finance and admin all.

    With filters a page may be short and have a `next_cursor` still: only so many payments are
    looked at for one page, and what is older comes with the next.
    """
    async with deps.session(request, "list payments", *_READERS) as (connection, caller):
        query = parse_query(PaymentQuery, request)
        page = await search_payments(
            connection, _search(query, caller), limit=query.limit, cursor=query.cursor
        )
    items = tuple(
        payment_detail(view, run_url=deps.run_url(payment_workflow_id(view.id)))
        for view in page.payments
    )
    return as_json(PaymentList(items=items, next_cursor=page.next_cursor))


@router.get("/{payment_id}", response_model=PaymentDetail, responses=problems(404))
async def get_payment(payment_id: str, request: Request, deps: Deps) -> Response:
    """One payment as it stands, from our own books."""
    async with deps.session(request, "read payment", *_READERS) as (connection, caller):
        view = await read_payment(connection, _is_payment_id(payment_id), app_id=caller.app_id)
    if view is None:
        raise NotFound("there is no such payment")
    return as_json(payment_detail(view, run_url=deps.run_url(payment_workflow_id(view.id))))


@router.post(
    "/{payment_id}/capture",
    response_model=PaymentAnswer,
    responses={
        202: {"model": PaymentAnswer, "description": "asked for; the end is not known yet"},
        **problems(400, 404, 409, 422),
    },
    openapi_extra=describe(body=CapturePayment, example={"amount": 1500}),
)
async def capture(payment_id: str, request: Request, deps: Deps) -> Response:
    """Take what is held, or part of it; the rest is released. Once per payment.

    200 with the end: `succeeded`, or `partially_captured` for a part. The same amount again gives
    the same answer. 202 when the channel has not confirmed in time. 409 `invalid-state` when
    nothing is held, or another amount was captured.
    """
    raw = await read_body(request)
    async with deps.session(request, "capture payment", Role.APP) as (connection, caller):
        body = parse(CapturePayment, raw)
        recorded = await read_order(connection, _is_payment_id(payment_id))
        if recorded is None or recorded.order.app_id != caller.app_id:
            raise NotFound("there is no such payment")
    money = _to_capture(recorded, body)
    if recorded.state.status in PAYMENT_ENDS:
        return _captured(deps, recorded, recorded.state, money)
    command = Capture(command_id=new_id("cmd"), requested_by=caller.key_id, money=money)
    state = await dispatch.capture_payment(
        deps.client, recorded.order, command, within=deps.options.initiation_timeout
    )
    if state is None:  # not known in time, or the run had just ended
        async with deps.session(request, "read payment", Role.APP) as (connection, _):
            recorded = await read_order(connection, payment_id) or recorded
        if recorded.state.status not in PAYMENT_ENDS:
            return _answer(deps, recorded, recorded.state, status_code=202)
    return _captured(deps, recorded, state or recorded.state, money)


@router.post(
    "/{payment_id}/cancel",
    response_model=PaymentAnswer,
    responses={
        202: {"model": PaymentAnswer, "description": "asked for; the end is not known yet"},
        **problems(400, 404, 409, 422),
    },
    openapi_extra=describe(body=CancelPayment, example={"reason": "the buyer changed their mind"}),
)
async def cancel(payment_id: str, request: Request, deps: Deps) -> Response:
    """Close a payment at its channel, so that it can no longer be paid; release what is held.

    Its app, or ops, who have to say why. 200 with the end: `canceled`, or `succeeded` when the
    payer was faster. 202 when the channel has not confirmed in time. 409 `invalid-state` for a
    payment that ended otherwise before.
    """
    raw = await read_body(request)
    async with deps.session(request, "cancel payment", Role.APP, Role.OPS) as (connection, caller):
        body = parse(CancelPayment, raw)
        check_reason(caller, body.reason)
        recorded = await read_order(connection, _is_payment_id(payment_id))
        if recorded is None or caller.app_id not in (None, recorded.order.app_id):
            raise NotFound("there is no such payment")
    if recorded.state.status in PAYMENT_ENDS:
        return _already_ended(deps, recorded)
    reason = body.reason or ""
    if caller.app_id is None:  # a payment's timeline has no other place for who it was
        reason = f"{reason} (by {caller.key_id})"
    command = Cancellation(command_id=new_id("cmd"), requested_by=caller.key_id, reason=reason)
    state = await dispatch.cancel_payment(
        deps.client, recorded.order, command, within=deps.options.initiation_timeout
    )
    return _answer(deps, recorded, state or recorded.state, status_code=200 if state else 202)


@router.get("/{payment_id}/explain", response_model=Explanation, responses=problems(404))
async def explain_payment(payment_id: str, request: Request, deps: Deps) -> Response:
    """What we sent, what came back, why it stands where it stands, and what happens next."""
    return as_json(await explain(request, deps, _is_payment_id(payment_id), _READERS))


def _search(query: PaymentQuery, caller: Caller) -> PaymentSearch:
    """What to look for. Raises NotFound for an app that names another."""
    if caller.app_id is not None and query.app_id not in (None, caller.app_id):
        raise NotFound("there is no such app")
    return PaymentSearch(
        number=query.q,
        app_id=caller.app_id or query.app_id,
        merchant_id=query.merchant_id,
        status=query.status,
        order_no=query.order_no,
        method=query.method,
        channel=query.channel,
        amount_minor=query.amount,
        created_from=query.created_from,
        created_to=query.created_to,
    )


async def _initiate(deps: ApiDependencies, recorded: RecordedOrder) -> Response:
    first = 201 if recorded.is_new else 200
    if recorded.state.status is not PaymentStatus.CREATED:
        return _answer(deps, recorded, recorded.state, status_code=first)
    result = await dispatch.start_payment(
        deps.client, recorded.order, within=deps.options.initiation_timeout
    )
    if result is None:
        return _answer(deps, recorded, recorded.state, status_code=202)
    return _answer(deps, recorded, result.state, status_code=first)


def _answer(
    deps: ApiDependencies, recorded: RecordedOrder, state: PaymentState, *, status_code: int
) -> Response:
    payment_id = recorded.order.payment_id
    run_url = deps.run_url(payment_workflow_id(payment_id))
    return as_json(
        payment_answer(recorded, state, run_url=run_url),
        status_code=status_code,
        location=f"/v1/payments/{payment_id}",
    )


def _already_ended(deps: ApiDependencies, recorded: RecordedOrder) -> Response:
    status = recorded.state.status
    if status is PaymentStatus.CANCELED:
        return _answer(deps, recorded, recorded.state, status_code=200)
    raise Conflict(f"the payment is {status} already", code="invalid-state")


def _to_capture(recorded: RecordedOrder, body: CapturePayment) -> Money:
    """What to take. Only what was held can be: `capture_before` says that it was."""
    order = recorded.order
    if recorded.state.capture_before is None:
        detail = f"the payment is {recorded.state.status}: nothing is held"
        raise Conflict(detail, code="invalid-state")
    if body.amount is None:
        return order.money
    if body.amount > order.money.amount_minor:
        detail = f"{order.money.amount_minor} is held"
        raise invalid(Problem(pointer="#/amount", code="too-large", detail=detail))
    return Money(amount_minor=body.amount, currency=order.money.currency)


def _captured(
    deps: ApiDependencies, recorded: RecordedOrder, state: PaymentState, money: Money
) -> Response:
    if state.captured_minor == money.amount_minor and state.status in CAPTURED:
        return _answer(deps, recorded, state, status_code=200)
    taken = f", {state.captured_minor} captured" if state.captured_minor else ""
    raise Conflict(f"the payment is {state.status}{taken}", code="invalid-state")


def _app_of(caller: Caller) -> str:
    if caller.app_id is None:
        raise NotFound("there is no such app")
    return caller.app_id


async def _app_rules(connection: AsyncConnection, body: NewPayment, app_id: str) -> str:
    """What the app said once for all its orders: where payers may return to, and late money.

    Nothing is read for an order that says all of it, as most do.
    """
    if body.late_success is not None and body.method is not None:
        return body.late_success
    app = await read_app(connection, app_id)
    check_return_url(body, app)
    return body.late_success or (app.late_success if app else LateSuccessPolicy.ASK)
