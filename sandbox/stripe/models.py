"""What Stripe keeps: intents, charges, refunds, balance transactions, events. Amounts are minor."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class IntentStatus(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Kind(StrEnum):
    """What happened to an object."""

    CREATED = "created"
    REPEATED = "repeated"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    CHALLENGED = "challenged"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    PROCESSING = "processing"
    CANCELED = "canceled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    COMPLETED = "completed"
    EXPIRED = "expired"


class Record(BaseModel):
    """An object that belongs to an account and to one merchant's order."""

    model_config = ConfigDict(frozen=True)

    id: str
    account_id: str
    order_no: str
    created_at: datetime


class PaymentFailure(BaseModel):
    """Why a payment was not made. `method` is the payment method that was tried."""

    model_config = ConfigDict(frozen=True)

    code: str
    decline_code: str | None
    message: str
    card: str
    method: str
    charge: str | None
    type: str = "card_error"


class Intent(Record):
    """A payment from its creation to its end. `card` is the test method's own name."""

    amount: int
    currency: str
    status: IntentStatus
    capture_method: str
    automatic_methods: str | None
    method_types: tuple[str, ...]
    metadata: dict[str, str]
    description: str | None
    statement_descriptor: str | None
    return_url: str | None
    client_secret: str
    card: str | None = None
    method: str | None = None
    charge: str | None = None
    challenge: str | None = None
    failure: PaymentFailure | None = None
    amount_capturable: int = 0
    amount_received: int = 0
    canceled_at: datetime | None = None
    cancellation_reason: str | None = None
    paid_at: datetime | None = None
    settles_at: datetime | None = None
    requests: int = 1
    authorizations: int = 0
    executions: int = 0

    @property
    def intent(self) -> str:
        return self.id

    @property
    def trade_no(self) -> str:
        return self.id

    @property
    def out_trade_no(self) -> str:
        return self.order_no


class SessionStatus(StrEnum):
    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


class Session(Record):
    """A visit to Stripe's own page. Its intent is made when the payer first tries a card."""

    amount: int
    currency: str
    product: str
    status: SessionStatus
    success_url: str
    cancel_url: str | None
    client_reference: str | None
    metadata: dict[str, str]
    intent_metadata: dict[str, str]
    description: str | None
    code: str
    expires_at: datetime
    intent: str = ""

    @property
    def trade_no(self) -> str:
        return self.id

    @property
    def out_trade_no(self) -> str:
        return self.order_no


class Charge(Record):
    """One try to take the money: held, then captured; or failed."""

    intent: str
    amount: int
    currency: str
    status: str
    card: str
    method: str
    metadata: dict[str, str]
    description: str | None
    authenticated: bool
    captured: bool = False
    amount_captured: int = 0
    amount_refunded: int = 0
    posting: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    decline_code: str | None = None
    settles_at: datetime | None = None


class Refund(Record):
    """Money given back. `ends_as` is what it becomes at `settles_at`."""

    intent: str
    charge: str
    amount: int
    currency: str
    status: RefundStatus
    reason: str | None
    metadata: dict[str, str]
    posting: str | None = None
    failure_posting: str | None = None
    failure_reason: str | None = None
    settles_at: datetime | None = None
    requests: int = 1
    ends_as: RefundStatus | None = None

    @property
    def stands(self) -> bool:
        return self.status is not RefundStatus.FAILED


class Posting(Record):
    """A balance transaction: `amount` less `fee` is what it changes the balance by."""

    intent: str
    type: str
    source: str
    amount: int
    fee: int
    currency: str
    available_at: datetime

    @property
    def net(self) -> int:
        return self.amount - self.fee


class StripeEvent(Record):
    """News of an object. `content` is that object as it was then, as JSON."""

    intent: str
    type: str
    content: str
    request_id: str | None
    idempotency_key: str | None
    told: bool


class SavedAnswer(BaseModel):
    """What a request with an idempotency key was answered; `fingerprint` is of its parameters."""

    model_config = ConfigDict(frozen=True)

    account_id: str
    key: str
    fingerprint: str
    status: int
    body: str
    request_id: str
    made: str | None


class Origin(BaseModel):
    """The request that caused something; none when it was the payer or the passing of time."""

    model_config = ConfigDict(frozen=True)

    request_id: str | None = None
    idempotency_key: str | None = None


NOBODY = Origin()
