"""What ops look for: payments by anything they have in hand, and what waits for somebody."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from models.channel import Frozen
from models.money import CurrencyCode
from models.payment import PaymentStatus
from models.statistics import Waiting


class PaymentSearch(Frozen):
    """Every field that is not None narrows it down. `number` is any number of a payment."""

    number: str | None = None
    app_id: str | None = None
    merchant_id: str | None = None
    status: PaymentStatus | None = None
    order_no: str | None = None
    method: str | None = None
    channel: str | None = None
    amount_minor: int | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


class PaymentQueue(StrEnum):
    """Payments that do not go on as they should."""

    UNKNOWN = "unknown"
    REVIEW = "review"
    LATE = "late"


class CallbackQueue(StrEnum):
    """Callbacks that somebody should look at."""

    PARKED = "parked"
    DISPUTED = "disputed"
    UNANSWERED = "unanswered"
    REJECTED = "rejected"


class Queues(Frozen):
    """How many wait in each queue, and since when the oldest does."""

    unknown: Waiting = Field(
        description="payments whose outcome the channel has not told; their runs go on asking"
    )
    review: Waiting = Field(description="payments a person has to look at")
    late: Waiting = Field(description="money that came after the end and awaits a decision")
    parked: Waiting = Field(description="callbacks that verified and fit nothing of ours")
    disputed: Waiting = Field(description="callbacks of another amount than ours, not answered yet")
    unanswered: Waiting = Field(description="callbacks that no run has answered for minutes")
    rejected: Waiting = Field(description="messages of the last day that did not verify")


class CallbackSummary(Frozen):
    """A message from a channel, without its body: that may hold what is nobody's business."""

    id: str
    channel: str
    channel_account_id: str
    match: Literal["matched", "parked", "disputed", "rejected"]
    about: str | None = Field(description="payment or refund; null for a rejected one")
    serial: str | None
    channel_event_id: str | None
    channel_reference: str | None
    source: str | None = Field(description="callback, or the statement's line that stands for one")
    outcome: str | None = Field(description="approved, declined, pending, unknown")
    amount: int | None = Field(description="in minor units, as the channel names it")
    currency: CurrencyCode | None
    expected_amount: int | None = Field(description="ours, where the two are not the same")
    expected_currency: CurrencyCode | None
    payment_id: str | None
    refund_id: str | None
    reason: str | None = Field(description="why it was rejected")
    received_at: datetime
    handled_at: datetime | None


class CallbackView(CallbackSummary):
    """One message with what can be said about its envelope."""

    reads: int = Field(description="how often it was handed on again")
    outcome_detail: dict[str, Any] | None = Field(description="what the channel said, in our words")
    headers: dict[str, str | None] = Field(
        description="all names; values only of those that tell nothing secret"
    )
    body_bytes: int
    body_sha256: str = Field(description="of what was kept, to compare with the channel's own log")
