"""How a refund may move. Pure, and called by workflow code, since it changes together with it."""

from models.channel import Approved, Declined, NotAttempted, Outcome, Pending, Unknown
from models.errors import InvariantBroken
from models.payment import Failure
from models.refund import RefundOrder, RefundState, RefundStatus

_ENDS = frozenset(
    {
        RefundStatus.SUCCEEDED,
        RefundStatus.FAILED,
        RefundStatus.REJECTED,
        RefundStatus.CANCELED,
    }
)
_UNDER_WAY = frozenset({RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.MANUAL_REVIEW})

_MOVES: dict[RefundStatus, frozenset[RefundStatus]] = {
    RefundStatus.PENDING_APPROVAL: frozenset({RefundStatus.PENDING, RefundStatus.REJECTED}),
    **{status: _UNDER_WAY | {RefundStatus.SUCCEEDED, RefundStatus.FAILED} for status in _UNDER_WAY},
}
# What an app is told of: every end, and that a person has to look.
_TOLD = _ENDS | {RefundStatus.MANUAL_REVIEW}


def is_end(status: RefundStatus) -> bool:
    return status in _ENDS


def created(order: RefundOrder) -> RefundState:
    """The state of a refund that was only written down."""
    status = RefundStatus.PENDING_APPROVAL if order.needs_approval else RefundStatus.PENDING
    return RefundState(status=status, version=1)


def accepted(state: RefundState) -> RefundState:
    """Nothing stands in its way: the money is set aside, the channel will be asked."""
    return _move(state, RefundStatus.PENDING)


def rejected(state: RefundState, reason: str) -> RefundState:
    """The second person said no; nothing was set aside."""
    return _move(state, RefundStatus.REJECTED, Failure(code="rejected", detail=reason))


def needs_review(state: RefundState) -> RefundState:
    """Every road to an answer was tried: a person looks, and evidence may still arrive."""
    return _move(state, RefundStatus.MANUAL_REVIEW)


def answered(state: RefundState, outcome: Outcome) -> RefundState:
    """After the channel answered, by whatever road. A refund not sent yet is still pending."""
    match outcome:
        case Approved():
            return _move(state, RefundStatus.SUCCEEDED)
        case Declined(code=code, detail=detail):
            return _move(state, RefundStatus.FAILED, Failure(code=code, detail=detail))
        case Pending() | NotAttempted():
            return _move(state, RefundStatus.PENDING)
        case Unknown():
            return _move(state, RefundStatus.UNKNOWN)


def differs(before: RefundState, after: RefundState) -> bool:
    """Whether a move changes anything but its own number."""
    return before.model_copy(update={"version": after.version}) != after


def _move(state: RefundState, status: RefundStatus, failure: Failure | None = None) -> RefundState:
    if status is not state.status and status not in _MOVES.get(state.status, frozenset()):
        raise InvariantBroken(f"a {state.status} refund cannot become {status}")
    return RefundState(
        status=status,
        version=state.version + 1,
        notified=state.notified + (status in _TOLD and status is not state.status),
        failure=failure,
    )
