"""A refund: money given back after capture, under a number of ours that never changes."""

from datetime import datetime
from enum import StrEnum

from models.channel import Exchange, Frozen
from models.money import Money
from models.payment import Attempt, Evidence, Failure


class RefundStatus(StrEnum):
    PENDING_APPROVAL = "pending_approval"
    REJECTED = "rejected"
    PENDING = "pending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    MANUAL_REVIEW = "manual_review"


class RefundFunding(StrEnum):
    """Whose money goes back: the merchant's, or late money that waits in suspense."""

    MERCHANT = "merchant"
    SUSPENSE = "suspense"


class RefundOrder(Frozen):
    """What is to be given back: the input of `RefundWorkflow`, and the row written before it.

    `refund_serial` is the number the channel sees, for ever the same for this refund. `attempt` is
    the one that took the money.
    """

    refund_id: str
    refund_serial: str
    payment_id: str
    app_id: str
    merchant_id: str
    refund_no: str
    money: Money
    paid: Money
    method: str
    attempt: Attempt
    funding: RefundFunding
    reason: str
    requested_by: str
    needs_approval: bool
    fingerprint: str
    created_at: datetime


class RefundState(Frozen):
    """Where a refund stands. `version` is the CAS token; `notified` counts its notifications."""

    status: RefundStatus
    version: int
    notified: int = 0
    failure: Failure | None = None


class RefundTransition(Frozen):
    """One move of a refund, because of `evidence`."""

    refund_id: str
    before: RefundState
    after: RefundState
    evidence: Evidence
    at: datetime


class RefundMove(Frozen):
    """A move to be written down with what shows it and the callbacks it answers.

    `decided_by` is the second person's key, for the move that a decision makes.
    """

    order: RefundOrder
    transition: RefundTransition
    decided_by: str | None = None
    exchange: Exchange | None = None
    callback_ids: tuple[str, ...] = ()


class RecordedRefund(Frozen):
    """A refund as it stands on disk. `is_new` says whether this call wrote it."""

    order: RefundOrder
    state: RefundState
    is_new: bool


class Decision(Frozen):
    """What a second person says about a refund that needs approval."""

    command_id: str
    decided_by: str
    is_approved: bool
    reason: str = ""


class RefundInitiation(Frozen):
    """Argument of the `initiate` update; the fingerprint guards against another body."""

    fingerprint: str


class RefundView(Frozen):
    """One refund for its app."""

    id: str
    app_id: str
    payment_id: str
    refund_no: str
    refund_serial: str
    amount: int
    currency: str
    reason: str
    status: RefundStatus
    version: int
    failure: Failure | None
    funding: RefundFunding
    requested_by: str
    needs_approval: bool
    decided_by: str | None
    created_at: datetime
    updated_at: datetime
    succeeded_at: datetime | None
