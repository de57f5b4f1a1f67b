"""What happens by the clock: every account's day is reconciled on the next morning.

Schedules live in Temporal. They are made and brought up to date from the accounts, again and again;
what an operator paused stays paused.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from api.dispatch import RPC_TIMEOUT
from channels.base import Reconciling
from channels.registry import ChannelRegistry
from models.channel import ChannelAccount, Frozen
from models.errors import Unavailable
from models.ids import CHECK_SCHEDULE, schedule_id
from observability.logs import logger
from storage.channel_accounts import list_channel_accounts
from storage.database import Database
from workflows.check import CheckWorkflow
from workflows.queues import RECONCILIATION
from workflows.reconciliation_schedule import ScheduledReconciliationWorkflow

_log = logger(__name__)

# By the channel's clock. Alipay's statements are made by nine, others' earlier; one that is late is
# waited for.
_RECONCILE_AT = time(10, 30)
# After an outage, days as far back as this are made up for, one after the other.
_CATCH_UP = timedelta(days=7)
# A look around that was missed is worth nothing: the next one sees the same.
_CHECK_CATCH_UP = timedelta(seconds=10)
_PAGE = 500
_LOOK_EVERY_SECONDS = 60.0


class ScheduleView(Frozen):
    """One schedule as Temporal has it."""

    id: str
    paused: bool
    next_at: datetime | None


@dataclass
class Schedules:
    """Keeps the schedules in step with the accounts. Any number of processes may do so."""

    database: Database
    client: Client
    registry: ChannelRegistry
    check_every: timedelta
    _applied: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Make schedules for new accounts until cancelled. A round that fails is logged."""
        while True:
            try:
                await self.apply_new()
            except (Unavailable, RPCError) as error:
                _log.warning("schedules_postponed", reason=str(error))
            except Exception:  # nothing may end this loop: a new account would never be reconciled
                _log.exception("schedules_failed")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def apply(self) -> tuple[str, ...]:
        """Make every schedule, or bring it up to date; their ids. Harmless twice."""
        self._applied.clear()
        return await self.apply_new()

    async def apply_new(self) -> tuple[str, ...]:
        """The same for what this process has not applied yet; reads accounts, and little else."""
        wanted = {CHECK_SCHEDULE: self._check()}
        known = {name: self.registry.get(name) for name in self.registry.names()}
        for account in await self._accounts():
            channel = known.get(account.channel)
            if channel is not None and isinstance(channel, Reconciling):
                timezone = channel.capabilities.timezone
                wanted[schedule_id(account.id)] = _every_day(account, timezone)
        new = {name: schedule for name, schedule in wanted.items() if name not in self._applied}
        for name, schedule in new.items():
            await self._put(name, schedule)
            self._applied.add(name)
        return tuple(new)

    async def listed(self) -> tuple[ScheduleView, ...]:
        """What Temporal has; a schedule just made may take a moment to be seen."""
        found = []
        async for one in await self.client.list_schedules():
            coming = one.info.next_action_times if one.info else ()
            paused = bool(one.schedule and one.schedule.state.paused)
            found.append(
                ScheduleView(id=one.id, paused=paused, next_at=coming[0] if coming else None)
            )
        return tuple(sorted(found, key=lambda view: view.id))

    async def _accounts(self) -> list[ChannelAccount]:
        accounts: list[ChannelAccount] = []
        while True:
            async with self.database.transaction("list channel accounts") as connection:
                page = await list_channel_accounts(
                    connection,
                    app_id=None,
                    merchant_id=None,
                    limit=_PAGE,
                    after=accounts[-1].id if accounts else None,
                )
            accounts += page
            if len(page) < _PAGE:
                return accounts

    async def _put(self, name: str, schedule: Schedule) -> None:
        try:
            await self.client.create_schedule(name, schedule, rpc_timeout=RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:

            def updated(now: ScheduleUpdateInput) -> ScheduleUpdate:
                schedule.state = now.description.schedule.state
                return ScheduleUpdate(schedule=schedule)

            handle = self.client.get_schedule_handle(name)
            await handle.update(updated, rpc_timeout=RPC_TIMEOUT)

    def _check(self) -> Schedule:
        return Schedule(
            action=ScheduleActionStartWorkflow(
                CheckWorkflow.run, id=CHECK_SCHEDULE, task_queue=RECONCILIATION
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=self.check_every)]),
            policy=SchedulePolicy(
                overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CHECK_CATCH_UP
            ),
        )


def _every_day(account: ChannelAccount, timezone: str) -> Schedule:
    """Days wait for each other: a skipped one would be missing, and carries go from day to day."""
    at = ScheduleCalendarSpec(
        hour=[ScheduleRange(_RECONCILE_AT.hour)],
        minute=[ScheduleRange(_RECONCILE_AT.minute)],
        comment=f"the day before, of {account.channel}",
    )
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ScheduledReconciliationWorkflow.run,
            account.id,
            id=f"scheduled-{schedule_id(account.id)}",
            task_queue=RECONCILIATION,
        ),
        spec=ScheduleSpec(calendars=[at], time_zone_name=timezone),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ALL, catchup_window=_CATCH_UP),
    )
