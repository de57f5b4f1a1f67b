"""The outbox. `payments.settle` fills it; here rows are handed out in order, and ticked off."""

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, Select, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.notification import DeliveryResult, Notification, NotificationStatus
from models.tables.apps import APP
from models.tables.notifications import NOTIFICATION
from storage.paging import Cursor

_EARLIER = NOTIFICATION.alias("earlier")

# An object's next notification: nothing older of the same object is still to be delivered.
_IS_HEAD = (NOTIFICATION.c.status == NotificationStatus.DUE) & ~(
    select(_EARLIER.c.id)
    .where(
        _EARLIER.c.object_id == NOTIFICATION.c.object_id,
        _EARLIER.c.status == NotificationStatus.DUE,
        _EARLIER.c.sequence < NOTIFICATION.c.sequence,
    )
    .exists()
)


async def read_due(
    connection: AsyncConnection, *, app_id: str, now: datetime, limit: int
) -> tuple[Notification, ...]:
    """What may be delivered to an app now: at most one for each object, the longest due first."""
    query = (
        _of_app(app_id)
        .where(_IS_HEAD, NOTIFICATION.c.next_attempt_at <= now)
        .order_by(NOTIFICATION.c.next_attempt_at, NOTIFICATION.c.id)
        .limit(limit)
    )
    return _to_notifications(await connection.execute(query))


async def is_next(connection: AsyncConnection, notification_id: str) -> bool:
    """Whether nothing older of the same object is still to be delivered."""
    query = select(NOTIFICATION.c.id).where(NOTIFICATION.c.id == notification_id, _IS_HEAD)
    return await connection.scalar(query) is not None


async def next_due_at(connection: AsyncConnection, *, app_id: str) -> datetime | None:
    """When the next delivery to an app may be tried; None when nothing is undelivered."""
    due_at: datetime | None = await connection.scalar(
        select(func.min(NOTIFICATION.c.next_attempt_at)).where(
            NOTIFICATION.c.app_id == app_id, _IS_HEAD
        )
    )
    return due_at


async def record_delivery(
    connection: AsyncConnection,
    *,
    notification_id: str,
    result: DeliveryResult,
    next_attempt_at: datetime | None,
    now: datetime,
) -> None:
    """Count a try. After a failure it stays due; a late failure does not undo a delivery."""
    delivered = result.delivered
    await connection.execute(
        update(NOTIFICATION)
        .where(
            NOTIFICATION.c.id == notification_id, NOTIFICATION.c.status == NotificationStatus.DUE
        )
        .values(
            status=NotificationStatus.DELIVERED if delivered else NotificationStatus.DUE,
            attempts=NOTIFICATION.c.attempts + 1,
            next_attempt_at=None
            if delivered
            else func.coalesce(next_attempt_at, NOTIFICATION.c.next_attempt_at),
            delivered_at=now if delivered else None,
            last_error=None if delivered else (result.error or f"status {result.status_code}"),
        )
    )


async def apps_with_overdue(
    connection: AsyncConnection, *, now: datetime, limit: int
) -> tuple[str, ...]:
    """Apps with something to deliver that want notifications and are not paused."""
    overdue = (
        select(NOTIFICATION.c.id)
        .where(
            NOTIFICATION.c.app_id == APP.c.id,
            NOTIFICATION.c.status == NotificationStatus.DUE,
            NOTIFICATION.c.next_attempt_at <= now,
        )
        .exists()
    )
    rows = await connection.execute(
        select(APP.c.id)
        .where(APP.c.webhook_url.is_not(None), APP.c.webhook_paused_at.is_(None), overdue)
        .order_by(APP.c.id)
        .limit(limit)
    )
    return tuple(rows.scalars())


async def list_notifications(
    connection: AsyncConnection,
    *,
    app_id: str | None,
    object_id: str | None,
    status: NotificationStatus | None,
    limit: int,
    cursor: str | None,
) -> tuple[tuple[Notification, ...], str | None]:
    """One page, newest first, and the next cursor. Raises InvalidRequest for a bad one."""
    created_at, identifier = NOTIFICATION.c.created_at, NOTIFICATION.c.id
    query = _of_app(app_id).order_by(created_at.desc(), identifier.desc()).limit(limit + 1)
    if object_id is not None:
        query = query.where(NOTIFICATION.c.object_id == object_id)
    if status is not None:
        query = query.where(NOTIFICATION.c.status == status)
    if cursor is not None:
        last = Cursor.parse(cursor)
        query = query.where(tuple_(created_at, identifier) < (last.created_at, last.id))
    found = _to_notifications(await connection.execute(query))
    if len(found) <= limit:
        return found, None
    end = found[limit - 1]
    return found[:limit], str(Cursor(created_at=end.created_at, id=end.id))


async def read_notification(
    connection: AsyncConnection, notification_id: str, *, app_id: str | None
) -> Notification | None:
    """One notification; `app_id` None looks in every app."""
    query = _of_app(app_id).where(NOTIFICATION.c.id == notification_id)
    found = _to_notifications(await connection.execute(query))
    return found[0] if found else None


async def redeliver(
    connection: AsyncConnection, *, notification_id: str, now: datetime
) -> Notification | None:
    """Make a notification due again, delivered or not; None when there is no such one."""
    result = await connection.execute(
        update(NOTIFICATION)
        .where(NOTIFICATION.c.id == notification_id)
        .values(status=NotificationStatus.DUE, next_attempt_at=now, delivered_at=None)
        .returning(*NOTIFICATION.c)
    )
    found = _to_notifications(result)
    return found[0] if found else None


async def redeliver_window(
    connection: AsyncConnection, *, app_id: str, since: datetime, until: datetime, now: datetime
) -> int:
    """Make everything of an app made from `since` up to before `until` due again. How many."""
    result = await connection.execute(
        update(NOTIFICATION)
        .where(
            NOTIFICATION.c.app_id == app_id,
            NOTIFICATION.c.created_at >= since,
            NOTIFICATION.c.created_at < until,
        )
        .values(status=NotificationStatus.DUE, next_attempt_at=now, delivered_at=None)
    )
    return result.rowcount


def _of_app(app_id: str | None) -> Select[tuple[object, ...]]:
    query = select(NOTIFICATION)
    return query if app_id is None else query.where(NOTIFICATION.c.app_id == app_id)


def _to_notifications(result: CursorResult[Any]) -> tuple[Notification, ...]:
    return tuple(Notification.model_validate(dict(row)) for row in result.mappings())
