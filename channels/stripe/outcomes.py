"""What an intent or a refund says about the money.

Where an intent stands is read from its `status` alone; words of events and errors come second.
"""

from datetime import UTC, datetime

from channels.http import NotSent
from channels.stripe import errors
from channels.stripe.amounts import money_of
from channels.stripe.answers import Given, Intent, Refund, Refused
from channels.stripe.errors import Meaning
from channels.stripe.parameters import StripeParameters
from models.channel import (
    Approved,
    CaptureRequest,
    Declined,
    NextAction,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    RefundRequest,
    Unknown,
)

# The card was refused, and whoever holds the client secret may try another one on the same intent.
REFUSED_ONCE = "requires_payment_method"
CANCELED = "canceled"
HELD = "requires_capture"
TAKEN = "succeeded"


def outcome_of(intent: Intent, *, paid_at: datetime | None = None) -> Outcome:
    """The outcome an intent tells.

    On a payment with manual capture `money` is what is held, and after the capture what was taken
    of it: all that was held, or a part.
    """
    match intent.status:
        case "succeeded":
            return _approved(intent, intent.amount_received, paid_at)
        case "requires_capture" if intent.capture_method == "manual":
            return _approved(intent, intent.amount_capturable, paid_at, held=True)
        case "requires_action" | "requires_confirmation" | "processing":
            return Pending(
                detail=intent.status.replace("_", " "),
                channel_reference=intent.id,
                next_action=_next_action(intent),
            )
        case "requires_payment_method":
            error = intent.last_payment_error
            return Unknown(
                detail="the card was refused, but the intent is still open",
                channel_code=error.channel_code if error else "",
            )
        case "canceled":
            return closed(intent)
        case other:
            return Unknown(detail=f"unlisted status {other[:64]!r}", channel_code=other[:64])


def closed(intent: Intent) -> Declined:
    """A canceled intent can never be paid. Had its card been refused, that is what ended it."""
    refusal = intent.last_payment_error and errors.card_decline(intent.last_payment_error)
    if refusal:
        return refusal
    reason = intent.cancellation_reason or ""
    return Declined(
        code=Meaning.CLOSED.value, detail="canceled", channel_code=f"canceled {reason}".strip()
    )


def refund_outcome(refund: Refund) -> Outcome:
    """The outcome a refund tells. One that succeeded may still fail when the bank sends it back."""
    match refund.status:
        case "succeeded":
            try:
                money = money_of(refund.amount, refund.currency)
            except ValueError as error:
                return Unknown(detail=f"the refunded amount cannot be read: {error}"[:400])
            return Approved(channel_reference=refund.id, money=money)
        case "pending" | "requires_action":
            return Pending(detail=refund.status, channel_reference=refund.id)
        case "failed":
            reason = refund.failure_reason or "unknown"
            return Declined(
                code=Meaning.REFUSED.value,
                detail=f"the refund failed: {reason}"[:200],
                channel_code=reason[:200],
            )
        case "canceled":
            return Declined(
                code=Meaning.CLOSED.value, detail="the refund was canceled", channel_code=CANCELED
            )
        case other:
            return Unknown(detail=f"unlisted refund status {other!r}"[:200])


def paid(intent: Intent, request: PayRequest, parameters: StripeParameters) -> Outcome:
    """The outcome of a request to pay that Stripe took."""
    stranger = mismatch(intent, request, parameters)
    if stranger:
        return stranger
    if intent.capture_method != request.capture_method:
        return Unknown(detail=f"the intent's capture is {intent.capture_method[:64]}")
    if intent.status == REFUSED_ONCE:
        return _never_left(intent)
    return outcome_of(intent, paid_at=instant(intent.created))


def payment_refused(refused: Refused, request: PayRequest, parameters: StripeParameters) -> Outcome:
    """The outcome of a request to pay that Stripe refused.

    With an intent in the error the intent is asked first: it may stand for more than the error.
    """
    intent = refused.error.payment_intent
    if refused.error.type == "idempotency_error" or refused.status in errors.SAY_NOTHING:
        return errors.unsettled(refused)
    if intent is not None:
        stranger = mismatch(intent, request, parameters)
        if stranger:
            return stranger
        if intent.status not in {REFUSED_ONCE, CANCELED}:
            return errors.unsettled(refused)
    if refused.status == errors.CARD_REFUSED:
        return errors.card_decline(refused.error) or errors.unsettled(refused)
    return errors.payment_refused(refused)


def canceled(
    said: Given[Intent] | Refused | NotSent | Unknown,
    request: QueryRequest,
    parameters: StripeParameters,
) -> Outcome:
    """The outcome of a cancel: Declined with `closed`, or Unknown, for the query to settle."""
    match said:
        case Given(value=intent):
            return _closed_on_request(intent, request, parameters)
        case Refused(error=error) if error.code in errors.UNEXPECTED_STATE and error.payment_intent:
            return _closed_on_request(error.payment_intent, request, parameters)
        case Refused():
            return errors.unsettled(said)
        case unanswered:
            return silent(unanswered)


def captured(intent: Intent, request: CaptureRequest, parameters: StripeParameters) -> Outcome:
    """The outcome of a capture: exactly what was asked for was taken, or we do not know."""
    stranger = mismatch(intent, request, parameters)
    if stranger:
        return stranger
    if intent.status == HELD:
        return Unknown(detail="still held, not captured")
    outcome = outcome_of(intent)
    if isinstance(outcome, Approved) and outcome.money != request.money:
        return Unknown(detail=f"captured were {outcome.money}, we asked for {request.money}")
    return outcome


def capture_refused(
    refused: Refused, request: CaptureRequest, parameters: StripeParameters
) -> Outcome:
    """The outcome of a refused capture. A second one finds the first one's work: that counts."""
    intent = refused.error.payment_intent
    if refused.error.code not in errors.UNEXPECTED_STATE:
        return errors.request_refused(refused, errors.CAPTURES)
    return captured(intent, request, parameters) if intent else errors.unsettled(refused)


def refunded(refund: Refund, request: RefundRequest) -> Outcome:
    """The outcome of the refund we asked for, if this is that one."""
    if refund.number != request.refund_serial:
        return Unknown(detail=f"the answer is about refund {refund.number[:64]!r}, not ours")
    try:
        money = money_of(refund.amount, refund.currency)
    except ValueError as error:
        return Unknown(detail=f"the refunded amount cannot be read: {error}"[:400])
    if money != request.money:
        return Unknown(detail=f"the refund names {money}, we asked for {request.money}")
    return refund_outcome(refund)


def silent(unanswered: NotSent | Unknown) -> Unknown:
    """After a question that was not answered: nothing is known."""
    if isinstance(unanswered, NotSent):
        return Unknown(detail=f"not sent: {unanswered.detail}")
    return unanswered


def not_asked(unanswered: NotSent | Unknown) -> Outcome:
    """After a question before the request proper was not answered, so that it was not made."""
    if isinstance(unanswered, NotSent):
        return NotAttempted(detail=unanswered.detail)
    return unanswered


def mismatch(
    intent: Intent,
    request: PayRequest | QueryRequest | CaptureRequest,
    parameters: StripeParameters,
) -> Unknown | None:
    """Why an answer about `intent` is not about what we asked for; None when it is."""
    if intent.order != request.serial:
        return Unknown(detail=f"the answer is about {intent.order[:64]!r}, not what we asked for")
    if intent.livemode != parameters.is_live:
        return Unknown(detail="the answer is of the other mode, test or live")
    asked = request.authorized if isinstance(request, CaptureRequest) else request.money
    try:
        named = money_of(intent.amount, intent.currency)
    except ValueError as error:
        return Unknown(detail=f"the amount cannot be read: {error}"[:400])
    return None if named == asked else Unknown(detail=f"it names {named}, we asked for {asked}")


def instant(seconds: int) -> datetime | None:
    """Unix time as an instant; None for a number that is no time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _approved(
    intent: Intent, amount: int, paid_at: datetime | None, *, held: bool = False
) -> Outcome:
    """Approved for all of what was asked; less only where less may have been captured."""
    part_of_hold = intent.capture_method == "manual" and not held and 0 < amount < intent.amount
    if amount != intent.amount and not part_of_hold:
        return Unknown(detail=f"{intent.status}, but {amount} of {intent.amount} minor units")
    try:
        money = money_of(amount, intent.currency)
    except ValueError as error:
        return Unknown(detail=f"{intent.status}, but the amount cannot be read: {error}"[:400])
    return Approved(channel_reference=intent.id, money=money, paid_at=paid_at, held=held)


def _next_action(intent: Intent) -> NextAction | None:
    """Where the payer goes. Another kind of step cannot happen, since we send only addresses."""
    step = intent.next_action
    return Redirect(url=step.redirect_to_url.url) if step and step.redirect_to_url else None


def _never_left(intent: Intent) -> Outcome:
    """The card was refused while nobody but us knew of the intent, so nobody can confirm it."""
    error = intent.last_payment_error
    declined = errors.card_decline(error) if error else None
    return declined or outcome_of(intent)


def _closed_on_request(
    intent: Intent, request: QueryRequest, parameters: StripeParameters
) -> Outcome:
    stranger = mismatch(intent, request, parameters)
    if stranger:
        return stranger
    if intent.status != CANCELED:
        return Unknown(detail=f"not canceled but {intent.status}"[:200])
    return Declined(code=Meaning.CLOSED.value, detail="canceled", channel_code=CANCELED)
