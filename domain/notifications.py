"""What an app is told, and how long we wait before telling it again."""

import random
from datetime import datetime, timedelta

from models.notification import EventBody, Notification
from models.payment import PaymentOrder, PaymentState, PaymentStatus, Transition
from models.refund import RefundMove, RefundOrder, RefundState

# Dense at first, because a payer may be standing at a till; then for a little over three days.
# Source: Standard Webhooks 1.0.0, "Retries", with steps of our own below five minutes.
BACKOFF = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 15, 30, 60, 180, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
# An endpoint that took nothing for this long is paused: what waits for it is kept, not dropped.
PAUSE_AFTER = timedelta(hours=76)

# Money for a payment that stays closed; the note says what becomes of it.
LATE_SUCCESS = "payment.late_success"

_TOLD: dict[PaymentStatus, str] = {
    PaymentStatus.REQUIRES_CAPTURE: "payment.requires_capture",
    PaymentStatus.PARTIALLY_CAPTURED: "payment.partially_captured",
    PaymentStatus.SUCCEEDED: "payment.succeeded",
    PaymentStatus.FAILED: "payment.failed",
    PaymentStatus.CANCELED: "payment.canceled",
    PaymentStatus.EXPIRED: "payment.expired",
    PaymentStatus.REVIEW: "payment.review",
}


def event_type_of(status: PaymentStatus) -> str | None:
    """The event for reaching `status`, or None when an app need not hear of it."""
    return _TOLD.get(status)


def payment_event(
    order: PaymentOrder, transition: Transition, *, event_type: str, note: str | None = None
) -> Notification:
    """The event of one move. Its id comes from the payment and its number, so twice is the same."""
    sequence = transition.after.notified
    event_id = f"ntf_{order.payment_id.removeprefix('pay_')}{sequence:02d}"
    body = EventBody(
        id=event_id,
        type=event_type,
        timestamp=transition.at,
        sequence=sequence,
        data=_payment_picture(order, transition.after, note),
    )
    return Notification(
        id=event_id,
        app_id=order.app_id,
        object_id=order.payment_id,
        sequence=sequence,
        type=event_type,
        body=body.model_dump_json(),
        created_at=transition.at,
    )


def refund_event(move: RefundMove) -> Notification | None:
    """The event of one move of a refund, if an app is told of it at all."""
    order, transition = move.order, move.transition
    if transition.after.notified == transition.before.notified:
        return None
    sequence = transition.after.notified
    body = EventBody(
        id=f"ntf_{order.refund_serial}{sequence:02d}",
        type=f"refund.{transition.after.status.value}",
        timestamp=transition.at,
        sequence=sequence,
        data=_refund_picture(order, transition.after),
    )
    return Notification(
        id=body.id,
        app_id=order.app_id,
        object_id=order.refund_id,
        sequence=sequence,
        type=body.type,
        body=body.model_dump_json(),
        created_at=transition.at,
    )


def wait_before_retry(
    attempts: int, *, retry_after: timedelta | None, jitter: random.Random
) -> timedelta:
    """How long to wait after `attempts` failures: the next step, up to a tenth more, at random.

    A receiver's Retry-After is honoured when it asks for more than that, up to a day.
    """
    step = BACKOFF[min(attempts, len(BACKOFF)) - 1]
    spread = step * (1 + jitter.random() / 10)
    return max(spread, min(retry_after, timedelta(days=1))) if retry_after else spread


def should_pause(oldest_created_at: datetime, now: datetime) -> bool:
    """Whether an endpoint has been failing for so long that trying on helps nobody."""
    return now - oldest_created_at > PAUSE_AFTER


def _refund_picture(
    order: RefundOrder, state: RefundState
) -> dict[str, str | int | dict[str, str] | None]:
    return {
        "id": order.refund_id,
        "object": "refund",
        "refund_no": order.refund_no,
        "payment_id": order.payment_id,
        "amount": order.money.amount_minor,
        "currency": order.money.currency,
        "status": state.status.value,
        "failure": state.failure.model_dump() if state.failure else None,
    }


def _payment_picture(
    order: PaymentOrder, state: PaymentState, note: str | None
) -> dict[str, str | int | dict[str, str] | None]:
    return {
        "id": order.payment_id,
        "object": "payment",
        "order_no": order.order_no,
        "merchant_id": order.merchant_id,
        "amount": order.money.amount_minor,
        "currency": order.money.currency,
        "amount_captured": state.captured_minor or 0,
        "method": order.method,
        "status": state.status.value,
        "failure": state.failure.model_dump() if state.failure else None,
        "note": note,
    }
