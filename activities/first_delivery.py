"""The first try to deliver a notification, right after its payment was settled.

The settling worker already has the event in hand, so it tries at once, in the background and
bounded. Whatever it does not manage is due in the outbox, and the app's NotificationWorkflow takes
over (docs/decisions/003).
"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta

from activities.webhook import WebhookSender
from domain.notifications import wait_before_retry
from models.errors import Unavailable
from models.notification import DeliveryResult, Endpoint, Notification
from observability import metrics
from observability.logs import logger
from storage import apps, notifications
from storage.database import Database
from storage.vault import Vault

_log = logger(__name__)

# So many at once; more wait in the outbox instead of in memory.
_UNDER_WAY_MAX = 64
# An endpoint changes rarely; a change reaches this process within this time.
_ENDPOINT_FRESH_SECONDS = 5.0


class FirstDelivery:
    """Delivers in the background of the process that settles. Losing it loses nothing."""

    def __init__(self, database: Database, vault: Vault, sender: WebhookSender) -> None:
        self._database = database
        self._vault = vault
        self._sender = sender
        self._under_way: dict[asyncio.Task[None], Notification] = {}
        self._endpoints: dict[str, tuple[float, Endpoint | None]] = {}
        self._jitter = random.Random()  # noqa: S311  # spreads load, guards nothing

    def offer(self, notification: Notification) -> bool:
        """Start the first try, unless too many are under way."""
        if len(self._under_way) >= _UNDER_WAY_MAX:
            return False
        task = asyncio.create_task(self._deliver(notification))
        self._under_way[task] = notification
        task.add_done_callback(self._under_way.pop)
        return True

    async def drain(self) -> None:
        """Wait for what is under way; called when the worker shuts down."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _deliver(self, notification: Notification) -> None:
        try:
            endpoint = await self._endpoint_of(notification.app_id)
            if endpoint is None or not await self._is_next(notification):
                return
            result = await self._sender.send(endpoint, notification)
            await self._record(notification, result)
        except Unavailable as error:
            _log.warning("first delivery not recorded; it stays due", error=error.detail)

    async def _is_next(self, notification: Notification) -> bool:
        """Whether every earlier event of its object was delivered; those under way are awaited."""
        if notification.sequence == 1:
            return True
        earlier = [
            task
            for task, other in self._under_way.items()
            if other.object_id == notification.object_id and other.sequence < notification.sequence
        ]
        await asyncio.gather(*earlier, return_exceptions=True)
        async with self._database.transaction("read order of events") as connection:
            return await notifications.is_next(connection, notification.id)

    async def _record(self, notification: Notification, result: DeliveryResult) -> None:
        metrics.NOTIFICATIONS.labels("delivered" if result.delivered else "failed").inc()
        now = datetime.now(UTC)
        async with self._database.statement("record delivery") as connection:
            await notifications.record_delivery(
                connection,
                notification_id=notification.id,
                result=result,
                next_attempt_at=None if result.delivered else now + self._wait(result),
                now=now,
            )

    def _wait(self, result: DeliveryResult) -> timedelta:
        asked = result.retry_after_seconds
        return wait_before_retry(
            1, retry_after=timedelta(seconds=asked) if asked else None, jitter=self._jitter
        )

    async def _endpoint_of(self, app_id: str) -> Endpoint | None:
        fresh_until, endpoint = self._endpoints.get(app_id, (0.0, None))
        if time.monotonic() < fresh_until:
            return endpoint
        async with self._database.transaction("read endpoint") as connection:
            endpoint = await apps.read_endpoint(connection, self._vault, app_id)
        self._endpoints[app_id] = (time.monotonic() + _ENDPOINT_FRESH_SECONDS, endpoint)
        return endpoint
