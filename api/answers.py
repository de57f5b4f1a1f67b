"""What the API answers with: the public shape of each object, apart from how we keep it."""

import json
from datetime import datetime
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from models.channel import Certificate, ChannelAccount, NextAction
from models.merchant import App, Merchant
from models.notification import Notification
from models.payment import Failure, PaymentState
from models.refund import RecordedRefund, RefundState, RefundView
from models.views import (
    AttemptView,
    JournalLine,
    PaymentView,
    RecordedOrder,
    TimelineEntry,
)


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Links(Answer):
    """`run`: the payment's run in Temporal UI."""

    run: str | None = None


class PaymentAnswer(Answer):
    """A payment as the answer to a command knows it: where it stands, and what to do next."""

    id: str
    object: Literal["payment"] = "payment"
    order_no: str
    merchant_id: str
    amount: int = Field(description="in minor units")
    currency: str
    method: str | None = Field(
        description="the payer's choice where the order leaves it open; null until there is one"
    )
    subject: str
    status: str
    capture_method: str
    amount_captured: int = Field(description="in minor units; 0 while nothing was taken")
    capture_before: datetime | None = Field(description="when money that is held is released")
    next_action: NextAction | None
    failure: Failure | None
    created_at: datetime
    expires_at: datetime
    links: Links


class PaymentDetail(PaymentAnswer):
    """A payment as it is kept: also which channel has it, and since when it stands there."""

    app_id: str
    channel: str | None
    channel_account_id: str | None
    channel_reference: str | None
    serial: str | None = Field(description="the order number the channel knows it by")
    attempt_status: str | None = Field(description="where its last attempt stands")
    return_url: str | None
    updated_at: datetime
    succeeded_at: datetime | None
    amount_refunded: int = Field(description="in minor units, of refunds that succeeded")


class PaymentList(Answer):
    object: Literal["list"] = "list"
    items: tuple[PaymentDetail, ...]
    next_cursor: str | None


class RefundAnswer(Answer):
    """A refund as the answer to a command knows it."""

    id: str
    object: Literal["refund"] = "refund"
    payment_id: str
    refund_no: str
    amount: int = Field(description="in minor units")
    currency: str
    reason: str
    status: str
    needs_approval: bool = Field(description="whether a second person has to decide on it")
    failure: Failure | None
    created_at: datetime
    links: Links


class RefundDetail(RefundAnswer):
    """A refund as it is kept: also who asked for it, and who decided."""

    app_id: str
    refund_serial: str = Field(description="the refund number the channel knows it by")
    funding: str = Field(description="whose money goes back: the merchant's, or late money held")
    requested_by: str = Field(description="the id of the key that asked for it")
    decided_by: str | None = Field(description="the id of the key that approved or rejected it")
    updated_at: datetime
    succeeded_at: datetime | None


class RefundList(Answer):
    object: Literal["list"] = "list"
    items: tuple[RefundDetail, ...]
    next_cursor: str | None


class AppAnswer(Answer):
    id: str
    object: Literal["app"] = "app"
    name: str
    status: str
    webhook_url: str | None
    webhook_paused_at: datetime | None
    late_success: str
    payment_limit_minor: int | None
    refund_approval_above: int | None = Field(
        description="larger refunds wait for a second person; null is never"
    )
    return_urls: tuple[str, ...] = Field(
        description="where the cash desk may send payers back to, and what lies under it"
    )
    version: int = Field(description="rises with every change of what is here, but for the pause")
    created_at: datetime


class NewAppAnswer(AppAnswer):
    """`api_key` and `webhook_secret` are shown in this answer and never again."""

    api_key: str
    webhook_secret: str


class AppList(Answer):
    object: Literal["list"] = "list"
    items: tuple[AppAnswer, ...]
    next_cursor: str | None


class MerchantAnswer(Merchant):
    object: Literal["merchant"] = "merchant"


class MerchantList(Answer):
    object: Literal["list"] = "list"
    items: tuple[MerchantAnswer, ...]
    next_cursor: str | None


class CertificateAnswer(Certificate):
    warning: Literal["expiring", "expired"] | None


class ChannelAccountAnswer(ChannelAccount):
    """`parameters` are the public ones; secrets are never returned."""

    object: Literal["channel_account"] = "channel_account"
    certificates: tuple[CertificateAnswer, ...]


class ChannelAccountList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ChannelAccountAnswer, ...]
    next_cursor: str | None


class MethodAnswer(Answer):
    name: str
    title: str
    needs_payer_code: bool


class ChannelAnswer(Answer):
    """A channel we can use. `parameters_schema` is what an account at it must bring."""

    object: Literal["channel"] = "channel"
    name: str
    methods: tuple[MethodAnswer, ...]
    operations: tuple[str, ...]
    currencies: tuple[str, ...]
    amount_min: int
    amount_max: int
    expires_in_max: int
    parameters_schema: dict[str, Any]


class ChannelList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ChannelAnswer, ...]


class EventAnswer(Answer):
    """One notification: what it says, and how its delivery went."""

    id: str
    object: Literal["event"] = "event"
    type: str
    app_id: str
    object_id: str
    sequence: int = Field(description="counts per object from 1, without gaps")
    status: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None
    payload: dict[str, Any] = Field(description="what is signed and sent")


class EventList(Answer):
    object: Literal["list"] = "list"
    items: tuple[EventAnswer, ...]
    next_cursor: str | None


class Replayed(Answer):
    """How many notifications of the window are due again."""

    object: Literal["replay"] = "replay"
    redelivered: int


class NextStep(Answer):
    """What happens next with a payment, as its run sees it."""

    doing: str
    next_step: str
    next_step_at: datetime | None


class Explanation(Answer):
    """Everything that happened to a payment, in order, and what comes next."""

    object: Literal["explanation"] = "explanation"
    payment: PaymentDetail
    attempts: tuple[AttemptView, ...]
    ledger_entries: tuple[JournalLine, ...] = Field(description="debit above zero, credit below")
    timeline: tuple[TimelineEntry, ...]
    next: NextStep
    run_url: str | None


def payment_answer(
    recorded: RecordedOrder, state: PaymentState, *, run_url: str | None
) -> PaymentAnswer:
    """A payment from its order and a state that is known without another read."""
    order = recorded.order
    return PaymentAnswer(
        id=order.payment_id,
        order_no=order.order_no,
        merchant_id=order.merchant_id,
        amount=order.money.amount_minor,
        currency=order.money.currency,
        method=order.method,
        subject=order.subject,
        status=state.status,
        capture_method=order.capture_method,
        amount_captured=state.captured_minor or 0,
        capture_before=state.capture_before,
        next_action=state.next_action,
        failure=state.failure,
        created_at=order.created_at,
        expires_at=order.expires_at,
        links=Links(run=run_url),
    )


def payment_detail(view: PaymentView, *, run_url: str | None) -> PaymentDetail:
    """A payment as storage shows it, without what is only ours."""
    shown = view.model_dump(exclude={"version", "next_action", "failure"})
    return PaymentDetail(
        **shown, next_action=view.next_action, failure=view.failure, links=Links(run=run_url)
    )


def refund_answer(
    recorded: RecordedRefund, state: RefundState, *, run_url: str | None
) -> RefundAnswer:
    """A refund from its order and a state that is known without another read."""
    order = recorded.order
    return RefundAnswer(
        id=order.refund_id,
        payment_id=order.payment_id,
        refund_no=order.refund_no,
        amount=order.money.amount_minor,
        currency=order.money.currency,
        reason=order.reason,
        status=state.status,
        needs_approval=order.needs_approval,
        failure=state.failure,
        created_at=order.created_at,
        links=Links(run=run_url),
    )


def refund_detail(view: RefundView, *, run_url: str | None) -> RefundDetail:
    """A refund as storage shows it, without what is only ours."""
    shown = view.model_dump(exclude={"version", "failure"})
    return RefundDetail(**shown, failure=view.failure, links=Links(run=run_url))


def app_answer(app: App) -> AppAnswer:
    return AppAnswer.model_validate(app_fields(app))


def app_fields(app: App) -> dict[str, Any]:
    """An app as its answers show it."""
    shown = app.model_dump(exclude={"refund_approval_above_minor"})
    return shown | {"refund_approval_above": app.refund_approval_above_minor}


def event_answer(notification: Notification) -> EventAnswer:
    shown = notification.model_dump(exclude={"body"})
    return EventAnswer(**shown, payload=json.loads(notification.body))


def as_json(answer: BaseModel, *, status_code: int = 200, location: str | None = None) -> Response:
    """`answer` as the response, byte for byte what an idempotent repeat would be given."""
    return Response(
        answer.model_dump_json(),
        status_code=status_code,
        media_type="application/json",
        headers={"location": location} if location else None,
    )
