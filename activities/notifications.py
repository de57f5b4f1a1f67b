"""Rounds of deliveries for one app: what is due, in order for each object."""

import random
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.webhook import WebhookSender
from domain.notifications import should_pause, wait_before_retry
from models.notification import DeliveryResult, Endpoint, Notification, NotificationRun
from models.steps import DeliveryRound
from observability import metrics
from observability.logs import logger
from storage import apps, notifications
from storage.database import Database
from storage.vault import Vault

_log = logger(__name__)

# One round: enough to empty a backlog quickly, few enough to stay far inside the deadline even
# when every single delivery runs into its own (10 x 15 s).
_ROUND_MAX = 10


class NotificationActivities:
    """Delivers what the first try did not, until the endpoint takes it or is paused."""

    def __init__(self, database: Database, vault: Vault, sender: WebhookSender) -> None:
        self._database = database
        self._vault = vault
        self._sender = sender
        self._jitter = random.Random()  # noqa: S311  # spreads load, guards nothing

    @activity.defn
    async def deliver_due(self, run: NotificationRun) -> DeliveryRound:
        """Try what is due now, one after the other, and say when the next is due."""
        now = datetime.now(UTC)
        async with self._database.transaction("read due notifications") as connection:
            endpoint = await apps.read_endpoint(connection, self._vault, run.app_id)
            due = await notifications.read_due(
                connection, app_id=run.app_id, now=now, limit=_ROUND_MAX
            )
        if endpoint is None:
            return DeliveryRound()
        delivered = 0
        for notification in due:
            activity.heartbeat(notification.id)
            result = await self._sender.send(endpoint, notification)
            if await self._record(endpoint, notification, result):
                return DeliveryRound(paused=True, delivered=delivered, failed=1)
            delivered += result.delivered
        return await self._what_is_left(run.app_id, delivered, len(due) - delivered)

    async def _record(
        self, endpoint: Endpoint, notification: Notification, result: DeliveryResult
    ) -> bool:
        """Write one try down; True when the endpoint was paused because of it."""
        metrics.NOTIFICATIONS.labels("delivered" if result.delivered else "failed").inc()
        now = datetime.now(UTC)
        pause = not result.delivered and (result.gone or should_pause(notification.created_at, now))
        async with self._database.transaction("record delivery") as connection:
            await notifications.record_delivery(
                connection,
                notification_id=notification.id,
                result=result,
                next_attempt_at=(
                    None if result.delivered else now + self._wait(notification, result)
                ),
                now=now,
            )
            if pause:
                await apps.set_webhook_paused(connection, endpoint.app_id, now)
        if pause:
            _log.error("webhook endpoint paused; its events are kept", app_id=endpoint.app_id)
        return pause

    async def _what_is_left(self, app_id: str, delivered: int, failed: int) -> DeliveryRound:
        async with self._database.transaction("read next due") as connection:
            next_due_at = await notifications.next_due_at(connection, app_id=app_id)
        if next_due_at is None:
            return DeliveryRound(delivered=delivered, failed=failed)
        seconds = max(0.0, (next_due_at - datetime.now(UTC)).total_seconds())
        return DeliveryRound(next_in_seconds=seconds, delivered=delivered, failed=failed)

    def _wait(self, notification: Notification, result: DeliveryResult) -> timedelta:
        asked = result.retry_after_seconds
        return wait_before_retry(
            notification.attempts + 1,
            retry_after=timedelta(seconds=asked) if asked else None,
            jitter=self._jitter,
        )
