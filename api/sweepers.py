"""Picks up what a crash left behind: what was not started, callbacks and events not handed on.

Everything it does is what the API does anyway, and harmless twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from api.clock import utc_now
from api.dispatch import (
    Delivery,
    deliver_callback,
    start_unstarted,
    wake_notifications,
    without_dispute,
)
from api.reconciliation_dispatch import start_reconciliation
from api.refund_dispatch import deliver_refund_callback, start_unstarted_refund
from models.errors import Unavailable
from models.payment import PaymentOrder
from models.reconciliation import ReconciliationOrder
from models.refund import RefundOrder
from observability.logs import logger
from observability.metrics import SWEPT, WAITING
from storage.callbacks import (
    UnhandledCallback,
    parked_callbacks,
    rematch_parked,
    unhandled_callbacks,
)
from storage.database import Database
from storage.ledger_totals import keep_adding
from storage.notifications import apps_with_overdue
from storage.payments import unstarted_orders
from storage.reconciliation import unstarted_reconciliations
from storage.refunds import unstarted_refunds
from storage.statistics import keep_counting
from storage.turns import take_turn

_log = logger(__name__)

# The API itself is at work on anything younger.
_GRACE = timedelta(seconds=10)
_INTERVAL = timedelta(seconds=5)
_BATCH = 200  # of each kind and round; the next round takes the rest
# While Temporal is away, trying the rest of a round costs a timeout each and helps nobody.
_AWAY = frozenset(
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED}
)

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """How often to look, and how old a thing must be before it counts as left behind."""

    interval: timedelta = _INTERVAL
    grace: timedelta = _GRACE


@dataclass(frozen=True)
class _Found:
    orders: tuple[PaymentOrder, ...] = ()
    refunds: tuple[RefundOrder, ...] = ()
    callbacks: tuple[UnhandledCallback, ...] = ()
    apps: tuple[str, ...] = ()
    days: tuple[ReconciliationOrder, ...] = ()


@dataclass
class Sweeper:
    """One round every `timing.interval`. Any number of processes may run one; they take turns."""

    database: Database
    client: Client
    clock: Callable[[], datetime] = utc_now
    timing: Timing = field(default_factory=Timing)

    async def run(self) -> None:
        """Sweep until cancelled. A round that fails is logged, and the next one comes."""
        while True:
            try:
                await self.sweep_once()
            except Exception:  # nothing may end this loop: not PostgreSQL, not Temporal, no bug
                _log.exception("sweep_failed")
            await asyncio.sleep(self.timing.interval.total_seconds())

    async def sweep_once(self) -> None:
        """One round; nothing when another process is looking at this moment."""
        found = await self._look()
        await self._each("order", found.orders, self._start)
        await self._each("refund", found.refunds, self._start_refund)
        await self._each("callback", found.callbacks, self._deliver)
        await self._each("app", found.apps, self._wake)
        await self._each("reconciliation", found.days, self._reconcile)
        await self._count()

    async def _look(self) -> _Found:
        now = self.clock()
        before = now - self.timing.grace
        async with self.database.transaction("sweep") as connection:
            if not await take_turn(connection, "sweep"):
                return _Found()
            rematched = await rematch_parked(connection, limit=_BATCH)
            found = _Found(
                orders=await unstarted_orders(connection, created_before=before, limit=_BATCH),
                refunds=await unstarted_refunds(connection, created_before=before, limit=_BATCH),
                callbacks=await unhandled_callbacks(
                    connection, received_before=before, limit=_BATCH
                ),
                apps=await apps_with_overdue(connection, now=now, limit=_BATCH),
                days=await unstarted_reconciliations(
                    connection, created_before=before, limit=_BATCH
                ),
            )
            parked = len(await parked_callbacks(connection, limit=_BATCH))
        SWEPT.labels("parked").inc(rematched)
        WAITING.labels("order").set(len(found.orders))
        WAITING.labels("refund").set(len(found.refunds))
        WAITING.labels("callback").set(len(found.callbacks))
        WAITING.labels("app").set(len(found.apps))
        WAITING.labels("reconciliation").set(len(found.days))
        WAITING.labels("parked").set(parked)
        return found

    async def _count(self) -> None:
        """Keep the figures of the start page, and the balances, up with what happened."""
        async with self.database.transaction("statistics") as connection:
            await keep_counting(connection, now=self.clock())
        async with self.database.transaction("ledger totals") as connection:
            await keep_adding(connection)

    async def _start(self, order: PaymentOrder) -> bool:
        return await start_unstarted(self.client, order)

    async def _start_refund(self, order: RefundOrder) -> bool:
        return await start_unstarted_refund(self.client, order)

    async def _deliver(self, callback: UnhandledCallback) -> bool:
        business_id = callback.kept.refund_id or callback.kept.payment_id
        if business_id is None:
            return False
        deliver = deliver_refund_callback if callback.kept.refund_id else deliver_callback
        event = without_dispute(callback.kept, callback.event)
        delivery = await deliver(self.client, self.database, business_id, event, now=self.clock())
        return delivery is not Delivery.POSTPONED

    async def _wake(self, app_id: str) -> bool:
        await wake_notifications(self.client, app_id)
        return True

    async def _reconcile(self, order: ReconciliationOrder) -> bool:
        try:
            await start_reconciliation(self.client, order)
        except Unavailable:
            return False
        return True

    async def _each(
        self, kind: str, items: tuple[T, ...], act: Callable[[T], Awaitable[bool]]
    ) -> None:
        """Act on every item; one that fails does not keep the others from their turn."""
        for item in items:
            try:
                if await act(item):
                    SWEPT.labels(kind).inc()
            except RPCError as error:
                _log.warning("sweep_item_failed", kind=kind, status=error.status.name)
                if error.status in _AWAY:
                    return
