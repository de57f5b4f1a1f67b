"""A payment and its attempts: what they are. How they may move is in `domain.lifecycle`."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from models.channel import CaptureMethod, Exchange, Frozen, NextAction, Route
from models.money import AmountMinor, Money


class PaymentStatus(StrEnum):
    """Stripe's words where it has them, so that developers need not learn new ones."""

    CREATED = "created"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    PARTIALLY_CAPTURED = "partially_captured"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REVIEW = "review"


# A payment in one of these waits for nothing any more.
PAYMENT_ENDS: frozenset[PaymentStatus] = frozenset(
    {
        PaymentStatus.SUCCEEDED,
        PaymentStatus.PARTIALLY_CAPTURED,
        PaymentStatus.FAILED,
        PaymentStatus.CANCELED,
        PaymentStatus.EXPIRED,
    }
)
# It ended with money of the payer's in our books.
CAPTURED: frozenset[PaymentStatus] = frozenset(
    {PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_CAPTURED}
)


class AttemptStatus(StrEnum):
    STARTED = "started"
    PENDING = "pending"
    AUTHORIZED = "authorized"
    CHARGED = "charged"
    FAILED = "failed"
    VOIDED = "voided"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class EvidenceKind(StrEnum):
    """What moved a status. Nothing else may."""

    ORDER = "order"
    VERDICT = "verdict"
    ANSWER = "answer"
    CALLBACK = "callback"
    QUERY = "query"
    STATEMENT = "statement"
    COMMAND = "command"
    TIMER = "timer"


class Evidence(Frozen):
    """Why a status moved: the kind, and the id of the callback, verdict or command behind it."""

    kind: EvidenceKind
    reference: str = ""
    detail: str = ""


class LateSuccessPolicy(StrEnum):
    """What to do with money that arrives after we closed a payment."""

    ACCEPT = "accept"
    REFUND = "refund"
    ASK = "ask"


class Failure(Frozen):
    """Why a payment ended without money, in words an app may act on and show."""

    code: str
    detail: str


class PaymentOrder(Frozen):
    """What an app ordered: the input of `PaymentWorkflow`, and the row written before it starts.

    `initiate_by` is the last moment at which starting is still what the payer expects: after an
    outage an older order expires without the channel hearing of it. `capture_within` is how many
    seconds the app wants money held at most, with manual capture; None is as long as the channel
    holds it for sure. Without a `method` the payer chooses one at our cash desk, whose address ends
    in `checkout_token`.
    """

    payment_id: str
    app_id: str
    merchant_id: str
    order_no: str
    money: Money
    method: str | None
    subject: str
    capture_method: CaptureMethod = "automatic"
    capture_within: int | None = None
    created_at: datetime
    expires_at: datetime
    initiate_by: datetime
    late_success: LateSuccessPolicy
    fingerprint: str
    return_url: str | None = None
    payer_code: str | None = Field(default=None, repr=False)
    checkout_token: str | None = Field(default=None, repr=False)


class Attempt(Frozen):
    """One try on one channel under one serial, by one method.

    `method` is None in runs from before payers could choose: there it is the order's. `surplus`:
    it took money although another attempt of the payment had, so all of it goes back.
    """

    id: str
    payment_id: str
    number: int
    method: str | None = None
    serial: str
    route: Route
    status: AttemptStatus
    money: Money
    channel_reference: str | None = None
    surplus: bool = False


class Verdict(Frozen):
    """One decision as it was taken: by which rule version, with which result, for which reasons."""

    step: Literal["validation", "risk", "routing"]
    accepted: bool
    rule_version: str
    reasons: tuple[str, ...] = ()


class Preparation(Frozen):
    """What was decided before the channel is called: three verdicts, and the reserved attempt.

    `refusal` is set instead of `attempt` when a verdict says no. `query_after` are the seconds of
    silence before each query (the last repeats), `find_out_within` how many seconds an unknown
    outcome is queried before it is closed, `hold_within` how many seconds money is held before it
    is released: recorded here, so that a changed setting does not change the course of a payment
    under way. `return_url` is where the payer's browser goes after the channel, and for a payment
    without a method the address of its cash desk.
    """

    verdicts: tuple[Verdict, ...]
    attempt: Attempt | None = None
    refusal: Failure | None = None
    repeat_safe: bool = False
    notify_url: str = ""
    return_url: str | None = None
    query_after: tuple[float, ...] = (30,)
    find_out_within: float = 600
    hold_within: float = 0


class PaymentState(Frozen):
    """Where a payment stands. `version` rises by one with every move and is the CAS token.

    `notified` counts the notifications so far: the next one's sequence number is one more.
    `captured_minor` is what was taken; `capture_before` is when money that is held is released.
    """

    status: PaymentStatus
    version: int
    notified: int = 0
    attempt_status: AttemptStatus | None = None
    failure: Failure | None = None
    next_action: NextAction | None = None
    captured_minor: AmountMinor | None = None
    capture_before: datetime | None = None


class Transition(Frozen):
    """One move of a payment, as recorded: from `before` to `after` because of `evidence`."""

    payment_id: str
    before: PaymentState
    after: PaymentState
    evidence: Evidence
    at: datetime


class InitiationResult(Frozen):
    """What the API answers with: the state right after the first channel call."""

    payment_id: str
    state: PaymentState


class Initiation(Frozen):
    """Argument of the `initiate` update; the fingerprint guards against another body."""

    fingerprint: str


class Cancellation(Frozen):
    """A command to cancel a payment. `command_id` is its evidence, `requested_by` the key id."""

    command_id: str
    requested_by: str
    reason: str = ""


class Choice(Frozen):
    """The method a payer chose at the cash desk, for the attempt with this number."""

    method: str
    number: int


class Capture(Frozen):
    """A command to take `money` of what is held; the rest is released."""

    command_id: str
    requested_by: str
    money: Money


class Settlement(Frozen):
    """A payment's end, to be booked in one transaction: status, ledger entries, notification.

    `callback_ids` are the callbacks this end answers. `exchange` is the call that showed it.
    """

    order: PaymentOrder
    attempt: Attempt | None
    transition: Transition
    callback_ids: tuple[str, ...] = ()
    exchange: Exchange | None = None


class Progress(Frozen):
    """What a running payment is doing and what it will do next, for operators."""

    status: PaymentStatus
    doing: str
    next_step: str
    next_step_at: datetime | None = None


class LateSuccess(Frozen):
    """Money that arrived for a payment that was already closed: input of `LateSuccessWorkflow`.

    `held`: the payer let it be set aside, and it was not taken. `source`: who told us.
    """

    payment_id: str
    attempt_id: str
    callback_id: str
    policy: LateSuccessPolicy
    money: Money
    channel_reference: str
    held: bool = False
    source: Literal["callback", "statement"] = "callback"
