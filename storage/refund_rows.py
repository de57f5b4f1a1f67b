"""Rows of refunds as models."""

from sqlalchemy import RowMapping, Select, func, select

from models.channel import Route
from models.money import Money
from models.payment import Attempt, AttemptStatus, Failure
from models.refund import RefundFunding, RefundOrder, RefundState, RefundStatus, RefundView
from models.tables.payments import ATTEMPT, PAYMENT
from models.tables.refunds import REFUND

# A refund with what its order says of the payment and of the attempt that took the money.
ORDER_QUERY: Select[tuple[object, ...]] = (
    select(
        REFUND,
        PAYMENT.c.merchant_id,
        ATTEMPT.c.method,
        func.coalesce(PAYMENT.c.captured_minor, PAYMENT.c.amount_minor).label("paid_minor"),
        ATTEMPT.c.number.label("attempt_number"),
        ATTEMPT.c.method.label("attempt_method"),
        ATTEMPT.c.serial.label("attempt_serial"),
        ATTEMPT.c.channel.label("attempt_channel"),
        ATTEMPT.c.account_id.label("attempt_account_id"),
        ATTEMPT.c.account_version.label("attempt_account_version"),
        ATTEMPT.c.fee_bps.label("attempt_fee_bps"),
        ATTEMPT.c.status.label("attempt_status"),
        ATTEMPT.c.amount_minor.label("attempt_amount_minor"),
        ATTEMPT.c.currency.label("attempt_currency"),
        ATTEMPT.c.channel_reference.label("attempt_channel_reference"),
    )
    .join(PAYMENT, PAYMENT.c.id == REFUND.c.payment_id)
    .join(ATTEMPT, ATTEMPT.c.id == REFUND.c.attempt_id)
)


def to_refund_order(row: RowMapping) -> RefundOrder:
    """From a row of `ORDER_QUERY`, or one with the same names."""
    return RefundOrder(
        refund_id=row["id"],
        refund_serial=row["refund_serial"],
        payment_id=row["payment_id"],
        app_id=row["app_id"],
        merchant_id=row["merchant_id"],
        refund_no=row["refund_no"],
        money=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        paid=Money(amount_minor=row["paid_minor"], currency=row["currency"]),
        method=row["method"],
        attempt=_to_attempt(row),
        funding=RefundFunding(row["funding"]),
        reason=row["reason"],
        requested_by=row["requested_by"],
        needs_approval=row["needs_approval"],
        fingerprint=row["fingerprint"],
        created_at=row["created_at"],
    )


def to_refund_state(row: RowMapping) -> RefundState:
    return RefundState(
        status=RefundStatus(row["status"]),
        version=row["version"],
        notified=row["notified"],
        failure=_to_failure(row),
    )


def to_refund_view(row: RowMapping) -> RefundView:
    return RefundView(
        id=row["id"],
        app_id=row["app_id"],
        payment_id=row["payment_id"],
        refund_no=row["refund_no"],
        refund_serial=row["refund_serial"],
        amount=row["amount_minor"],
        currency=row["currency"],
        reason=row["reason"],
        status=RefundStatus(row["status"]),
        version=row["version"],
        failure=_to_failure(row),
        funding=RefundFunding(row["funding"]),
        requested_by=row["requested_by"],
        needs_approval=row["needs_approval"],
        decided_by=row["decided_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        succeeded_at=row["succeeded_at"],
    )


def _to_attempt(row: RowMapping) -> Attempt:
    return Attempt(
        id=row["attempt_id"],
        payment_id=row["payment_id"],
        number=row["attempt_number"],
        method=row["attempt_method"],
        serial=row["attempt_serial"],
        route=Route(
            channel=row["attempt_channel"],
            account_id=row["attempt_account_id"],
            account_version=row["attempt_account_version"],
            fee_bps=row["attempt_fee_bps"],
        ),
        status=AttemptStatus(row["attempt_status"]),
        money=Money(amount_minor=row["attempt_amount_minor"], currency=row["attempt_currency"]),
        channel_reference=row["attempt_channel_reference"],
    )


def _to_failure(row: RowMapping) -> Failure | None:
    if row["failure_code"] is None:
        return None
    return Failure(code=row["failure_code"], detail=row["failure_detail"])
