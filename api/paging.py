"""Query strings of lists: bounded pages, opaque cursors."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.fields import (
    BusinessDay,
    Identifier,
    Instant,
    OrderNumber,
    no_card_identifier,
    visible_ascii,
)
from models.ages import AgeClass
from models.money import AMOUNT_MAX_MINOR
from models.notification import NotificationStatus
from models.payment import PaymentStatus
from models.reconciliation import DiscrepancyClass, DiscrepancyStatus, ReconciliationStatus
from models.refund import RefundStatus
from models.search import CallbackQueue

PAGE_MAX = 100  # keeps an answer under a few hundred kilobytes

AmountOfQuery = Annotated[int, Field(gt=0, le=AMOUNT_MAX_MINOR)]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]
Cursor = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[0-9A-Za-z_=+/|:.-]+$")]


class PageQuery(BaseModel):
    """`limit` items after `cursor`, which is the `next_cursor` of the page before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Limit = 20
    cursor: Cursor | None = None


# Any number of a payment. A channel's own may be longer than ours.
AnyNumber = Annotated[
    str,
    Field(min_length=1, max_length=128),
    AfterValidator(visible_ascii),
    AfterValidator(no_card_identifier),
]


class PaymentQuery(PageQuery):
    q: AnyNumber | None = Field(
        default=None,
        description="a payment's id, order number, serial or channel reference; a refund's id",
    )
    status: PaymentStatus | None = None
    order_no: OrderNumber | None = None
    method: Identifier | None = Field(default=None, description="of any of its attempts")
    channel: Identifier | None = Field(default=None, description="of any of its attempts")
    merchant_id: Identifier | None = None
    app_id: Identifier | None = Field(default=None, description="an app's own key needs none")
    amount: AmountOfQuery | None = Field(default=None, description="ordered, in minor units")
    created_from: Instant | None = None
    created_to: Instant | None = Field(default=None, description="before this instant")


class CallbackQuery(PageQuery):
    match: CallbackQueue = Field(
        description="parked: fits nothing of ours; disputed: of another amount; unanswered: no run "
        "has answered it for minutes; rejected: did not verify, of the last day"
    )
    account_id: Identifier | None = None


class RefundQuery(PageQuery):
    payment_id: Identifier | None = None
    status: RefundStatus | None = None


class EventQuery(PageQuery):
    app_id: Identifier | None = Field(default=None, description="an app's own key needs none")
    object_id: Identifier | None = None
    status: NotificationStatus | None = None


class ChannelAccountQuery(PageQuery):
    merchant_id: Identifier | None = None


class ReconciliationQuery(PageQuery):
    account_id: Identifier | None = None
    business_day: BusinessDay | None = None
    status: ReconciliationStatus | None = None


class DayDiscrepancyQuery(PageQuery):
    class_: DiscrepancyClass | None = Field(default=None, alias="class")
    status: DiscrepancyStatus | None = None


class DiscrepancyQuery(DayDiscrepancyQuery):
    account_id: Identifier | None = None
    payment_id: Identifier | None = None
    age: AgeClass | None = Field(
        default=None, description="only what is not resolved, by days since its own day"
    )


class StatementQuery(BaseModel):
    """Whose statement of which day an uploaded file is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_id: Identifier
    business_day: BusinessDay


def next_after(ids: tuple[str, ...], limit: int) -> str | None:
    """The cursor after a full page of things listed by id; a short page is the last one."""
    return ids[-1] if len(ids) == limit else None
