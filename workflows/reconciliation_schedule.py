"""What a schedule starts: the reconciliation of the day before its own time."""

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from activities.reconciliation import ReconciliationActivities
from engine.search_attributes import of_day
from models.ids import reconciliation_workflow_id
from models.reconciliation_steps import ReconciliationRun, ScheduledDay
from workflows import options
from workflows.reconciliation import ReconciliationWorkflow

# The days of one account go in order, since one looks for what another carried. A statement that is
# late holds the next day up no longer than this.
_NEXT_DAY_AFTER = timedelta(hours=12)
_SCHEDULED_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn
class ScheduledReconciliationWorkflow:
    """One run for each scheduled instant of an account; a backfill makes the days it names."""

    @workflow.run
    async def run(self, account_id: str) -> str:
        """Reconcile the day and wait for it; returns the reconciliation's id.

        The instant the schedule meant is what counts: it may be carried out hours or days later.
        """
        info = workflow.info()
        meant_for = info.typed_search_attributes.get(_SCHEDULED_AT) or info.workflow_start_time
        order = await workflow.execute_activity_method(
            ReconciliationActivities.open_day,
            ScheduledDay(account_id=account_id, scheduled_at=meant_for),
            summary=f"the day before {meant_for:%Y-%m-%d %H:%M} UTC",
            **options.BOOKS,
        )
        with suppress(WorkflowAlreadyStartedError, TimeoutError):
            day = await workflow.start_child_workflow(
                ReconciliationWorkflow.run,
                ReconciliationRun(order=order),
                id=reconciliation_workflow_id(order.account_id, order.business_day),
                parent_close_policy=ParentClosePolicy.ABANDON,
                search_attributes=of_day(app_id=order.app_id, channel=order.channel),
                static_summary=f"{order.channel} {order.business_day}",
            )
            await workflow.wait_condition(day.done, timeout=_NEXT_DAY_AFTER)
        return order.reconciliation_id
