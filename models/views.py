"""What the API shows, as storage reads it: finished pictures, one per question."""

from datetime import datetime
from enum import StrEnum

from models.channel import CaptureMethod, Frozen, NextAction
from models.money import AmountMinor, CurrencyCode
from models.payment import AttemptStatus, Failure, PaymentOrder, PaymentState, PaymentStatus


class RecordedOrder(Frozen):
    """An order as it stands on disk. `is_new` says whether this call wrote it."""

    order: PaymentOrder
    state: PaymentState
    is_new: bool


class PaymentView(Frozen):
    """One payment for its app."""

    id: str
    app_id: str
    merchant_id: str
    order_no: str
    amount: AmountMinor
    currency: CurrencyCode
    method: str | None
    subject: str
    status: PaymentStatus
    version: int
    attempt_status: AttemptStatus | None
    channel: str | None
    channel_account_id: str | None
    serial: str | None
    channel_reference: str | None
    next_action: NextAction | None
    failure: Failure | None
    return_url: str | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    succeeded_at: datetime | None
    capture_method: CaptureMethod = "automatic"
    amount_captured: AmountMinor = 0
    capture_before: datetime | None = None
    amount_refunded: AmountMinor = 0


class Page(Frozen):
    """One page of a list, newest first. `next_cursor` is None on the last one."""

    payments: tuple[PaymentView, ...]
    next_cursor: str | None


class TimelineKind(StrEnum):
    ORDER = "order"
    VERDICT = "verdict"
    REFUND = "refund"
    STATUS = "status"
    EXCHANGE = "exchange"
    CALLBACK = "callback"
    LEDGER = "ledger"
    NOTIFICATION = "notification"


class TimelineEntry(Frozen):
    """One thing that happened to a payment, for `explain`. `detail` holds nothing secret."""

    at: datetime
    kind: TimelineKind
    summary: str
    detail: dict[str, str | int | bool | None]


class AttemptView(Frozen):
    """One try of a payment at one channel, as it stands."""

    number: int
    method: str
    channel: str
    channel_account_id: str
    serial: str
    channel_reference: str | None
    status: AttemptStatus
    amount: AmountMinor
    currency: CurrencyCode
    amount_charged: AmountMinor | None
    surplus: bool  # it took money although another attempt had, so all of it goes back
    charged_at: datetime | None
    created_at: datetime
    updated_at: datetime


class JournalLine(Frozen):
    """One ledger entry of a payment: debit above zero, credit below."""

    ledger_transaction_id: str
    event_type: str
    occurred_at: datetime
    account: str
    amount_minor: int
    currency: CurrencyCode


class CallbackMatch(StrEnum):
    """What became of a callback that verified."""

    MATCHED = "matched"
    DUPLICATE = "duplicate"
    PARKED = "parked"
    DISPUTED = "disputed"


class KeptCallback(Frozen):
    """A callback on disk. `payment_id` is None when no serial of ours fits (parked).

    `refund_id` is set when it is about a refund of that payment. DISPUTED: it names a payment or
    refund of ours but another amount or currency.
    """

    id: str
    match: CallbackMatch
    payment_id: str | None
    received_at: datetime
    expected: str = ""
    handled: bool = False
    refund_id: str | None = None


class IdempotencyRecord(Frozen):
    """What is stored under an Idempotency-Key."""

    fingerprint: str
    done: bool
    status_code: int | None
    body: bytes | None
    object_id: str | None
    lease_expired: bool
