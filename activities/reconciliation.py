"""The steps of a reconciliation. Each may run twice: what it did before changes nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.accounts import AccountReader
from activities.beating import beating
from channels.base import Account, Reconciling
from channels.registry import ChannelRegistry
from domain.repair_postings import channel_fee_transaction
from models.channel import ChannelAccount, Route
from models.errors import ChannelMisconfigured, InvariantBroken
from models.ids import new_id
from models.reconciliation import (
    MatchingRules,
    ReconciliationOrder,
    ReconciliationStatus,
    RepairAction,
    RepairOrder,
    RunResult,
    StatementAvailability,
    StatementFacts,
    StatementSource,
)
from models.reconciliation_steps import CompareStep, FailStep, FeesStep, ScheduledDay
from observability import metrics
from storage import discrepancies, reconciliation
from storage.channel_accounts import read_channel_account
from storage.channel_fees import booked_channel_fees
from storage.database import Database
from storage.ledger import post
from storage.statement_files import StatementFiles
from storage.statement_run import StatementRun, load_and_classify

NOT_YET = "statement-not-yet"

# More repairs than this in one run are no accident of single payments: a wrong statement must not
# set off hundreds. The next run of the day takes the next ones, after somebody has looked.
_REPAIRS_MAX = 100


class ReconciliationActivities:
    """Runs on the queue of reconciliation, which nothing else waits for."""

    def __init__(
        self,
        database: Database,
        accounts: AccountReader,
        registry: ChannelRegistry,
        files: StatementFiles,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._registry = registry
        self._files = files

    @activity.defn
    async def open_day(self, day: ScheduledDay) -> ReconciliationOrder:
        """Write down the day that a schedule is about: the one before, by the channel's clock."""
        account = await self._channel_account(day.account_id)
        timezone = self._registry.get(account.channel).capabilities.timezone
        today = day.scheduled_at.astimezone(ZoneInfo(timezone)).date()
        order = ReconciliationOrder(
            reconciliation_id=new_id("rec"),
            account_id=account.id,
            app_id=account.app_id,
            channel=account.channel,
            business_day=today - timedelta(days=1),
            timezone=timezone,
            requested_by="schedule",
        )
        async with self._database.transaction("record reconciliation") as connection:
            recorded = await reconciliation.record_reconciliation(connection, order, now=_now())
        return recorded.order

    @activity.defn
    async def begin(self, order: ReconciliationOrder) -> int:
        """Count the run. A day that is signed off is not run again: Conflict `invalid-state`."""
        async with self._database.transaction("begin reconciliation") as connection:
            return await reconciliation.begin_run(connection, order.reconciliation_id)

    @activity.defn
    async def fetch_statement(self, order: ReconciliationOrder) -> StatementFacts:
        """Get the channel's statement and keep it. One that is not made yet is asked for again."""
        channel, account = await self._reconciling(order)
        day = order.business_day
        async with beating("fetching the statement"):
            with self._files.draft(order.account_id, day) as draft:
                found = await channel.fetch_statement(account, day, draft.path, _now())
                if found is StatementAvailability.FETCHED:
                    return await asyncio.to_thread(
                        self._files.keep, draft, order.account_id, day, StatementSource.FETCHED
                    )
        if found is StatementAvailability.EMPTY:
            return StatementFacts(source=StatementSource.EMPTY)
        raise ApplicationError(
            f"the statement of {day} is not made yet",
            type=NOT_YET,
            category=ApplicationErrorCategory.BENIGN,
        )

    @activity.defn
    async def compare(self, step: CompareStep) -> RunResult:
        """Load the statement and compare it with our books: all of it, or nothing is changed."""
        order, facts = step.order, step.statement
        channel, account = await self._reconciling(order)
        rules = MatchingRules(
            channel_fee_bps=(await self._channel_account(order.account_id)).channel_fee_bps
        )
        statement = None
        if facts.source is not StatementSource.EMPTY:
            path = self._files.path_of(order.account_id, order.business_day, facts.sha256)
            statement = channel.read_statement(account, order.business_day, path)
        run = StatementRun(order=order, facts=facts, rules=rules, statement=statement, now=_now())
        async with beating("comparing line by line") as progress:
            result = await asyncio.to_thread(
                load_and_classify, self._database.url, run, progress.reach
            )
        for class_, count in result.classes.items():
            metrics.DISCREPANCIES.labels(order.channel, class_).inc(count)
        return result

    @activity.defn
    async def book_channel_fees(self, step: FeesStep) -> None:
        """Book what the channel took that day; of a corrected statement, the difference."""
        order = step.order
        async with self._database.transaction("book channel fees") as connection:
            booked = await booked_channel_fees(connection, order.account_id, order.business_day)
            transaction = channel_fee_transaction(step, booked)
            if transaction is not None:
                await post(connection, transaction)

    @activity.defn
    async def automatic_repairs(self, order: ReconciliationOrder) -> tuple[RepairOrder, ...]:
        """What a payment's or refund's own run can mend, given the statement as evidence."""
        async with self._database.transaction("read automatic repairs") as connection:
            found = await discrepancies.bookable(
                connection, order.reconciliation_id, limit=_REPAIRS_MAX
            )
        return tuple(RepairOrder(discrepancy=one, action=RepairAction.BOOK) for one in found)

    @activity.defn
    async def finish(self, order: ReconciliationOrder) -> ReconciliationStatus:
        """Say whether the day balances, after what was repaired of it."""
        async with self._database.transaction("finish reconciliation") as connection:
            await discrepancies.resettle(connection, order.reconciliation_id)
            recorded = await reconciliation.read_order(connection, order.reconciliation_id)
        if recorded is None:
            raise InvariantBroken(f"{order.reconciliation_id} was there when it began")
        metrics.RECONCILIATIONS.labels(order.channel, recorded.status).inc()
        return recorded.status

    @activity.defn
    async def fail(self, step: FailStep) -> None:
        """Say why there is no result this time; an earlier one stays."""
        async with self._database.transaction("fail reconciliation") as connection:
            await reconciliation.fail_run(
                connection,
                step.order.reconciliation_id,
                code=step.code,
                detail=step.detail,
                now=_now(),
            )
        metrics.RECONCILIATIONS.labels(step.order.channel, ReconciliationStatus.FAILED).inc()

    async def _reconciling(self, order: ReconciliationOrder) -> tuple[Reconciling, Account]:
        channel = self._registry.get(order.channel)
        if not isinstance(channel, Reconciling):
            raise ChannelMisconfigured(f"{order.channel} has no statements")
        account = await self._channel_account(order.account_id)
        route = Route(
            channel=account.channel, account_id=account.id, account_version=account.version
        )
        return channel, await self._accounts.account_of(route)

    async def _channel_account(self, account_id: str) -> ChannelAccount:
        async with self._database.transaction("read channel account") as connection:
            account = await read_channel_account(connection, account_id, app_id=None)
        if account is None:
            raise ChannelMisconfigured(f"channel account {account_id} does not exist")
        return account


def _now() -> datetime:
    return datetime.now(UTC)
