"""What the steps of a payment take: one model for each activity."""

from models.channel import (
    CaptureRequest,
    Exchange,
    Frozen,
    PayRequest,
    QueryRequest,
    RefundRequest,
    Route,
)
from models.errors import InvariantBroken
from models.money import Money
from models.payment import Attempt, PaymentOrder, Transition
from models.refund import RefundOrder


class PrepareStep(Frozen):
    """Decide on attempt `number`, leaving out the accounts already tried in vain.

    The order names the method, also where the payer chose it.
    """

    order: PaymentOrder
    number: int
    tried_account_ids: tuple[str, ...] = ()


class PayStep(Frozen):
    """Send one attempt to its channel. `repeat_safe`: a lost answer may be asked for again."""

    route: Route
    request: PayRequest
    repeat_safe: bool


class QueryStep(Frozen):
    """Ask a channel about one attempt. `until_known`: keep asking while the answer is unknown."""

    route: Route
    request: QueryRequest
    until_known: bool = False


class CaptureStep(Frozen):
    """Take part or all of what a channel holds."""

    route: Route
    request: CaptureRequest


class RecordStep(Frozen):
    """Write down a move that is not an end: status, attempt, and the exchange that shows it."""

    transition: Transition
    attempt: Attempt | None
    exchange: Exchange | None = None


class RefundStep(Frozen):
    """Send or ask about one refund at the channel that took the money."""

    route: Route
    request: RefundRequest


class LateCase(Frozen):
    """What a late callback is about, as it stands on disk."""

    order: PaymentOrder
    attempt: Attempt


class DeliveryRound(Frozen):
    """What one round of deliveries for an app left: seconds until the next, or nothing to do."""

    next_in_seconds: float | None = None
    paused: bool = False
    delivered: int = 0
    failed: int = 0


def refund_step(order: RefundOrder) -> RefundStep:
    request = RefundRequest(
        payment_id=order.payment_id,
        refund_id=order.refund_id,
        refund_serial=order.refund_serial,
        serial=order.attempt.serial,
        channel_reference=order.attempt.channel_reference,
        money=order.money,
        paid=order.paid,
        reason=order.reason,
    )
    return RefundStep(route=order.attempt.route, request=request)


def method_of(order: PaymentOrder, attempt: Attempt) -> str:
    """The method an attempt is made with."""
    method = attempt.method or order.method
    if method is None:
        raise InvariantBroken(f"the attempt {attempt.id} has no method")
    return method


def query_of(order: PaymentOrder, attempt: Attempt) -> QueryRequest:
    return QueryRequest(
        payment_id=order.payment_id,
        serial=attempt.serial,
        method=method_of(order, attempt),
        money=order.money,
        expires_at=order.expires_at,
        channel_reference=attempt.channel_reference,
        capture_method=order.capture_method,
    )


def capture_of(
    order: PaymentOrder, attempt: Attempt, money: Money, *, notify_url: str
) -> CaptureRequest:
    return CaptureRequest(
        payment_id=order.payment_id,
        serial=attempt.serial,
        method=method_of(order, attempt),
        subject=order.subject,
        notify_url=notify_url,
        channel_reference=attempt.channel_reference,
        money=money,
        authorized=order.money,
    )
