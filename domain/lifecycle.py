"""How a payment may move. Pure: a state and what happened in, the next state out.

The only rules workflow code calls, since they change together with the workflow.
"""

from datetime import datetime

from models.channel import Approved, Declined, NextAction, NotAttempted, Outcome, Pending, Unknown
from models.errors import InvariantBroken
from models.money import Money
from models.payment import (
    CAPTURED,
    PAYMENT_ENDS,
    AttemptStatus,
    Failure,
    PaymentState,
    PaymentStatus,
)

# How adapters say that a serial takes no money any more because it was closed, not refused.
CLOSED_CODES = frozenset({"closed", "expired", "switched"})
# We closed it ourselves, because the payer at the cash desk chose another method.
SWITCHED = "switched"

_EXPIRED = Failure(code="expired", detail="the payer did not pay in time")
_CANCELED = Failure(code="canceled", detail="canceled on request")

# What an app is told of: every end, that money is held for it, and that a person has to look.
_TOLD = PAYMENT_ENDS | {PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.REVIEW}

_WAITING: frozenset[PaymentStatus] = frozenset(
    {
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.REQUIRES_CAPTURE,
        PaymentStatus.PROCESSING,
        PaymentStatus.REVIEW,
    }
)
_ONWARDS = _WAITING | PAYMENT_ENDS

# From where to where. A status may also stay where it is when only its attempt moves.
_MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.CREATED: _ONWARDS,
    PaymentStatus.REQUIRES_ACTION: _ONWARDS,
    PaymentStatus.PROCESSING: _ONWARDS,
    PaymentStatus.REVIEW: _ONWARDS,
    # Money that is held is captured or given up; the payer is not asked again.
    PaymentStatus.REQUIRES_CAPTURE: _ONWARDS - {PaymentStatus.REQUIRES_ACTION},
    # The one way out of an end: money that arrived late and was accepted.
    PaymentStatus.FAILED: CAPTURED,
    PaymentStatus.CANCELED: CAPTURED,
    PaymentStatus.EXPIRED: CAPTURED,
    PaymentStatus.SUCCEEDED: frozenset(),
    PaymentStatus.PARTIALLY_CAPTURED: frozenset(),
}


def is_end(status: PaymentStatus) -> bool:
    """Whether a payment in this status waits for nothing any more."""
    return status in PAYMENT_ENDS


def created() -> PaymentState:
    """The state of an order that was only written down."""
    return PaymentState(status=PaymentStatus.CREATED, version=1)


def move(
    state: PaymentState,
    status: PaymentStatus,
    *,
    attempt_status: AttemptStatus | None = None,
    failure: Failure | None = None,
    next_action: NextAction | None = None,
    captured_minor: int | None = None,
) -> PaymentState:
    """The next state. Raises InvariantBroken for a move that no payment may make."""
    if status is not state.status and status not in _MOVES.get(state.status, frozenset()):
        raise InvariantBroken(f"a {state.status} payment cannot become {status}")
    return PaymentState(
        status=status,
        version=state.version + 1,
        notified=state.notified + (status in _TOLD and status is not state.status),
        attempt_status=attempt_status or state.attempt_status,
        failure=failure,
        next_action=next_action,
        captured_minor=captured_minor or state.captured_minor,
        capture_before=state.capture_before,
    )


def differs(before: PaymentState, after: PaymentState) -> bool:
    """Whether a move changes anything but its own number."""
    return before.model_copy(update={"version": after.version}) != after


def refused(state: PaymentState, failure: Failure) -> PaymentState:
    """After a verdict said no: nothing was sent anywhere."""
    return move(state, PaymentStatus.FAILED, failure=failure)


def answered(state: PaymentState, outcome: Outcome) -> PaymentState:
    """After the channel answered, by whatever road: answer, callback or query."""
    match outcome:
        case Approved(money=money, held=is_held):
            if is_held:
                raise InvariantBroken("money that is held is not taken")
            return captured(state, money, ordered=money)
        case Declined(code=code, detail=detail):
            return move(
                state,
                PaymentStatus.FAILED,
                attempt_status=AttemptStatus.FAILED,
                failure=Failure(code=code, detail=detail),
            )
        case Pending(next_action=None):
            return move(
                state,
                PaymentStatus.PROCESSING
                if state.next_action is None
                else PaymentStatus.REQUIRES_ACTION,
                attempt_status=AttemptStatus.PENDING,
                next_action=state.next_action,
            )
        case Pending(next_action=action):
            return move(
                state,
                PaymentStatus.REQUIRES_ACTION,
                attempt_status=AttemptStatus.PENDING,
                next_action=action,
            )
        case Unknown():
            return move(state, PaymentStatus.PROCESSING, attempt_status=AttemptStatus.UNKNOWN)
        case NotAttempted(detail=detail):
            return move(
                state,
                PaymentStatus.FAILED,
                attempt_status=AttemptStatus.NOT_SENT,
                failure=Failure(code="channel_unreachable", detail=detail),
            )


def at_the_desk(state: PaymentState, desk: NextAction) -> PaymentState:
    """Once the cash desk is open: the payer chooses how to pay."""
    return move(state, PaymentStatus.REQUIRES_ACTION, next_action=desk)


def back_at_the_desk(
    state: PaymentState, outcome: Declined | NotAttempted, desk: NextAction
) -> PaymentState:
    """After an attempt ended without money and the payer may choose again."""
    match outcome:
        case Declined(code=code) if code == SWITCHED:
            attempt_status, failure = AttemptStatus.VOIDED, None
        case Declined(code=code, detail=detail):
            was_closed = code in CLOSED_CODES
            attempt_status = AttemptStatus.VOIDED if was_closed else AttemptStatus.FAILED
            failure = Failure(code=code, detail=detail)
        case NotAttempted(detail=detail):
            attempt_status = AttemptStatus.NOT_SENT
            failure = Failure(code="channel_unreachable", detail=detail)
    return move(
        state,
        PaymentStatus.REQUIRES_ACTION,
        attempt_status=attempt_status,
        failure=failure,
        next_action=desk,
    )


def refused_at_the_desk(state: PaymentState, refusal: Failure, desk: NextAction) -> PaymentState:
    """After nothing could take the method that the payer chose: there may be others."""
    return move(state, PaymentStatus.REQUIRES_ACTION, failure=refusal, next_action=desk)


def left_the_desk(state: PaymentState, *, is_canceled: bool) -> PaymentState:
    """After the app cancelled, or time ran out, while no attempt was under way."""
    if is_canceled:
        return move(state, PaymentStatus.CANCELED, failure=_CANCELED)
    return move(state, PaymentStatus.EXPIRED, failure=_EXPIRED)


def held(state: PaymentState, *, until: datetime) -> PaymentState:
    """After the payer let the money be set aside: it waits to be captured, or to be released."""
    after = move(state, PaymentStatus.REQUIRES_CAPTURE, attempt_status=AttemptStatus.AUTHORIZED)
    return after.model_copy(update={"capture_before": until})


def captured(state: PaymentState, money: Money, *, ordered: Money) -> PaymentState:
    """After `money` was taken; of a payment that was held first perhaps less than was ordered."""
    whole = money.amount_minor == ordered.amount_minor
    return move(
        state,
        PaymentStatus.SUCCEEDED if whole else PaymentStatus.PARTIALLY_CAPTURED,
        attempt_status=AttemptStatus.CHARGED,
        captured_minor=money.amount_minor,
    )


def ended(
    state: PaymentState,
    outcome: Outcome,
    *,
    ordered: Money,
    is_overdue: bool,
    is_canceled: bool,
) -> PaymentState:
    """The end that a final outcome means: a serial that was closed is canceled or expired."""
    if isinstance(outcome, Approved) and outcome.money != ordered:
        return captured(state, outcome.money, ordered=ordered)
    if isinstance(outcome, Declined) and outcome.code in CLOSED_CODES:
        if is_canceled:
            return canceled(state)
        if is_overdue:
            return expired(state)
    return answered(state, outcome)


def not_sent(state: PaymentState) -> PaymentState:
    """After a channel was certainly not reached, while another route may still be tried."""
    return move(state, PaymentStatus.PROCESSING, attempt_status=AttemptStatus.NOT_SENT)


def expired(state: PaymentState) -> PaymentState:
    """After the payer's time ran out and the channel confirmed that it closed the serial."""
    return move(
        state,
        PaymentStatus.EXPIRED,
        attempt_status=AttemptStatus.EXPIRED if state.attempt_status else None,
        failure=_EXPIRED,
    )


def canceled(state: PaymentState) -> PaymentState:
    """After the app cancelled and the channel confirmed that it closed the serial."""
    return move(
        state,
        PaymentStatus.CANCELED,
        attempt_status=AttemptStatus.VOIDED if state.attempt_status else None,
        failure=_CANCELED,
    )


def needs_review(state: PaymentState) -> PaymentState:
    """After every road to an answer was tried: a person looks, and evidence may still arrive."""
    return move(state, PaymentStatus.REVIEW, attempt_status=AttemptStatus.UNKNOWN)


def kept_late(state: PaymentState, money: Money) -> PaymentState:
    """After money arrived for a closed payment that stays closed: a refund or a person decides."""
    after = move(
        state,
        state.status,
        attempt_status=AttemptStatus.CHARGED,
        failure=state.failure,
        captured_minor=money.amount_minor,
    )
    return after.model_copy(update={"notified": state.notified + 1})


def paid_twice(state: PaymentState) -> PaymentState:
    """After another attempt of a payment that has its money took money too: that goes back."""
    after = move(state, state.status, attempt_status=AttemptStatus.CHARGED)
    return after.model_copy(update={"notified": state.notified + 1})


def accepted_late(state: PaymentState, money: Money, *, ordered: Money) -> PaymentState:
    """After money arrived for a closed payment and the app's policy is to take it."""
    return captured(state, money, ordered=ordered)
