"""Query strings of lists: bounded pages, opaque cursors."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.fields import BusinessDay, Identifier, OrderNumber
from models.ages import AgeClass
from models.notification import NotificationStatus
from models.payment import PaymentStatus
from models.reconciliation import DiscrepancyClass, DiscrepancyStatus, ReconciliationStatus
from models.refund import RefundStatus

PAGE_MAX = 100  # keeps an answer under a few hundred kilobytes

Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]
Cursor = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[0-9A-Za-z_=+/|:.-]+$")]


class PageQuery(BaseModel):
    """`limit` items after `cursor`, which is the `next_cursor` of the page before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Limit = 20
    cursor: Cursor | None = None


class PaymentQuery(PageQuery):
    status: PaymentStatus | None = None
    order_no: OrderNumber | None = None


class RefundQuery(PageQuery):
    payment_id: Identifier | None = None
    status: RefundStatus | None = None


class EventQuery(PageQuery):
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
