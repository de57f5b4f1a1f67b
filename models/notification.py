"""News for apps: what we send, in which order, and how it went."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from models.channel import Frozen


class NotificationStatus(StrEnum):
    DUE = "due"
    DELIVERED = "delivered"


class Notification(Frozen):
    """One event for one app. `sequence` counts per object from 1, without gaps.

    `body` is the exact text that is signed and sent; it never changes, however often it is sent.
    """

    id: str
    app_id: str
    object_id: str
    sequence: int
    type: str
    body: str
    created_at: datetime
    status: NotificationStatus = NotificationStatus.DUE
    attempts: int = 0
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_error: str | None = None


class Endpoint(Frozen):
    """Where an app wants its notifications, and the secrets to sign them with."""

    app_id: str
    url: str
    secrets: tuple[bytes, ...] = Field(repr=False)


# Of what is due to one app so many are looked at: a queue that long is judged, not counted.
DUE_COUNTED_TO = 1_000


class EndpointState(Frozen):
    """How notifying one app goes. Of its address only the host: the rest may hold a secret."""

    app_id: str
    app_name: str
    is_set: bool = Field(description="whether the app wants notifications at all")
    host: str | None
    paused_at: datetime | None = Field(description="nothing is sent since; it is kept, in order")
    due: int = Field(description=f"not delivered yet; counted to {DUE_COUNTED_TO}")
    at_least: bool = Field(description="there are more than were counted")
    oldest_due_at: datetime | None = Field(description="since when the oldest of them waits")
    next_attempt_at: datetime | None
    tries: int = Field(description="of the one that was tried most often")
    last_error: str | None
    last_delivered_at: datetime | None


class DeliveryResult(Frozen):
    """How one try went. `gone` is the endpoint's 410: it wants no more."""

    delivered: bool
    status_code: int | None = None
    error: str | None = None
    retry_after_seconds: int | None = None
    gone: bool = False


class EventBody(Frozen):
    """The Standard Webhooks payload: type, timestamp, data, and our sequence number."""

    id: str
    type: str
    timestamp: datetime
    sequence: int
    data: dict[str, Any]


class NotificationRun(Frozen):
    """Input of `NotificationWorkflow`: whose notifications it looks after."""

    app_id: str
    paused: bool = False
