"""Rows of payments and attempts as models."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, ColumnElement, RowMapping, and_, cast, func, select
from sqlalchemy.sql import Select

from models.channel import NextAction, Route
from models.money import Money
from models.payment import (
    Attempt,
    AttemptStatus,
    Failure,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
)
from models.refund import RefundStatus
from models.tables.payments import ATTEMPT, PAYMENT
from models.tables.refunds import REFUND
from models.views import PaymentView

NEXT_ACTION: TypeAdapter[NextAction] = TypeAdapter(NextAction)

_LATER = ATTEMPT.alias("later")
_LAST_ATTEMPT: ColumnElement[bool] = and_(
    ATTEMPT.c.payment_id == PAYMENT.c.id,
    ~select(_LATER.c.id)
    .where(_LATER.c.payment_id == ATTEMPT.c.payment_id, _LATER.c.number > ATTEMPT.c.number)
    .exists(),
)

# What came twice and went back is no refund of the sale.
_PAID_TWICE = ATTEMPT.alias("paid_twice")
_REFUNDED = (
    select(cast(func.coalesce(func.sum(REFUND.c.amount_minor), 0), BigInteger))
    .where(
        REFUND.c.payment_id == PAYMENT.c.id,
        REFUND.c.status == RefundStatus.SUCCEEDED,
        ~select(_PAID_TWICE.c.id)
        .where(_PAID_TWICE.c.id == REFUND.c.attempt_id, _PAID_TWICE.c.surplus)
        .exists(),
    )
    .scalar_subquery()
)

# A payment with the attempt that was tried last, and how much of it went back.
VIEW_QUERY: Select[tuple[object, ...]] = select(
    PAYMENT,
    ATTEMPT.c.channel.label("attempt_channel"),
    ATTEMPT.c.method.label("attempt_method"),
    ATTEMPT.c.account_id.label("attempt_account_id"),
    ATTEMPT.c.serial.label("attempt_serial"),
    ATTEMPT.c.channel_reference.label("attempt_channel_reference"),
    _REFUNDED.label("amount_refunded"),
).select_from(PAYMENT.outerjoin(ATTEMPT, _LAST_ATTEMPT))


def to_order(row: RowMapping) -> PaymentOrder:
    return PaymentOrder(
        payment_id=row["id"],
        app_id=row["app_id"],
        merchant_id=row["merchant_id"],
        order_no=row["order_no"],
        money=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        method=row["method"],
        subject=row["subject"],
        capture_method=row["capture_method"],
        capture_within=row["capture_within"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        initiate_by=row["initiate_by"],
        late_success=LateSuccessPolicy(row["late_success"]),
        fingerprint=row["fingerprint"],
        return_url=row["return_url"],
        payer_code=row["payer_code"],
        checkout_token=row["checkout_token"],
    )


def to_state(row: RowMapping) -> PaymentState:
    return PaymentState(
        status=PaymentStatus(row["status"]),
        version=row["version"],
        notified=row["notified"],
        attempt_status=AttemptStatus(row["attempt_status"]) if row["attempt_status"] else None,
        failure=_to_failure(row),
        next_action=_to_next_action(row["next_action"]),
        captured_minor=row["captured_minor"],
        capture_before=row["capture_before"],
    )


def to_view(row: RowMapping) -> PaymentView:
    state = to_state(row)
    return PaymentView(
        id=row["id"],
        app_id=row["app_id"],
        merchant_id=row["merchant_id"],
        order_no=row["order_no"],
        amount=row["amount_minor"],
        currency=row["currency"],
        method=row["method"] or row["attempt_method"],
        subject=row["subject"],
        status=state.status,
        version=state.version,
        attempt_status=state.attempt_status,
        channel=row["attempt_channel"],
        channel_account_id=row["attempt_account_id"],
        serial=row["attempt_serial"],
        channel_reference=row["attempt_channel_reference"],
        next_action=state.next_action,
        failure=state.failure,
        return_url=row["return_url"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        succeeded_at=row["succeeded_at"],
        capture_method=row["capture_method"],
        amount_captured=row["captured_minor"] or 0,
        capture_before=row["capture_before"],
        amount_refunded=row["amount_refunded"],
    )


def to_attempt(row: RowMapping) -> Attempt:
    return Attempt(
        id=row["id"],
        payment_id=row["payment_id"],
        number=row["number"],
        method=row["method"],
        serial=row["serial"],
        route=Route(
            channel=row["channel"],
            account_id=row["account_id"],
            account_version=row["account_version"],
            fee_bps=row["fee_bps"],
        ),
        status=AttemptStatus(row["status"]),
        money=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        channel_reference=row["channel_reference"],
        surplus=row["surplus"],
    )


def _to_failure(row: RowMapping) -> Failure | None:
    if row["failure_code"] is None:
        return None
    return Failure(code=row["failure_code"], detail=row["failure_detail"])


def _to_next_action(stored: Mapping[str, Any] | None) -> NextAction | None:
    return None if stored is None else NEXT_ACTION.validate_python(stored)
