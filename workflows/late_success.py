"""Money that arrived after we closed a payment: accepted, to be refunded, or asked about.

The app is told exactly once. Money that is to go back waits in suspense until its refund is done.
"""

from contextlib import suppress

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from activities.ledger import LedgerActivities
from activities.records import RecordActivities
from activities.refunds import RefundActivities
from models.channel import Approved, Declined, Unknown
from models.ids import refund_workflow_id
from models.payment import LateSuccess, LateSuccessPolicy, PaymentState
from models.steps import LateCase
from workflows import channel_calls, held_money, options
from workflows.findings import Finding
from workflows.refund import RefundWorkflow


@workflow.defn
class LateSuccessWorkflow:
    """One run for each late callback, id `late/pay_…/cb_…`; money booked once changes nothing."""

    @workflow.run
    async def run(self, late: LateSuccess) -> PaymentState | None:
        """Book the money by the app's policy; None when there is none, or it was booked before."""
        workflow.set_current_details(f"{late.money} came late; the app's policy is {late.policy}")
        case = await workflow.execute_local_activity_method(
            RecordActivities.read_late_case, late, **options.OUR_RECORDS
        )
        finding = await channel_calls.second_opinion(case.order, case.attempt)
        if finding.is_held:
            finding = await self._release(case)
        if isinstance(finding.outcome, Declined):
            await workflow.execute_local_activity_method(
                LedgerActivities.dismiss_late, late, **options.OUR_RECORDS
            )
            return None
        if isinstance(finding.outcome, Approved):
            late = late.model_copy(update={"money": finding.outcome.money})
        state = await workflow.execute_local_activity_method(
            LedgerActivities.settle_late,
            late,
            **options.OUR_RECORDS,
            summary=f"{late.policy} {late.money}",
        )
        if late.policy is LateSuccessPolicy.REFUND:
            await self._give_back(late)
        return state

    async def _release(self, case: LateCase) -> Finding:
        """Give up money that was set aside for a payment that was over: nobody wants it."""
        pauses = iter(held_money.ASK_AGAIN_AFTER)
        pause = next(pauses)
        while True:
            told = await channel_calls.release(case.order, case.attempt)
            finding = await channel_calls.second_opinion(case.order, case.attempt)
            if finding.is_final and not finding.is_held:
                return finding
            if isinstance(finding.outcome, Unknown) and isinstance(told.outcome, Declined):
                return told
            await workflow.sleep(pause, summary="before releasing it again")
            pause = next(pauses, pause)

    async def _give_back(self, late: LateSuccess) -> None:
        """Start the refund of money that waits in suspense; it goes on without this run."""
        order = await workflow.execute_local_activity_method(
            RefundActivities.order_late_refund, late, **options.OUR_RECORDS
        )
        if order is None:
            return
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                RefundWorkflow.run,
                order,
                id=refund_workflow_id(order.refund_id),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=ParentClosePolicy.ABANDON,
                static_summary=f"{order.money} back, late",
            )
