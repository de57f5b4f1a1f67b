"""One repair of one discrepancy.

What its own run can book is handed to that run as evidence, and waited for. All else is an entry of
ours, or the decision to make none: a second person has to approve it.
"""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.repairs import RepairActivities
from models.reconciliation import RepairAction, RepairDecision, RepairOrder
from models.reconciliation_steps import DecisionStep, RepairEnd
from workflows import options


@workflow.defn
class RepairWorkflow:
    """See the module. Id `repair/dis_…`; another run only after the one before has ended."""

    @workflow.init
    def __init__(self, order: RepairOrder) -> None:
        self._order = order
        self._decision: RepairDecision | None = None
        self._end: RepairEnd | None = None

    @workflow.run
    async def run(self, order: RepairOrder) -> RepairEnd:
        """Bring the repair to its end and return that."""
        if order.action is RepairAction.BOOK:
            self._end = await self._book()
        else:
            self._end = await self._with_a_second_person()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._end

    # ---- messages: they record, `run` decides ----------------------------------------------------

    @workflow.update
    async def decide(self, decision: RepairDecision) -> RepairEnd:
        """A second person approves or rejects; answers with what came of it."""
        self._decision = self._decision or decision
        await workflow.wait_condition(lambda: self._end is not None)
        return self._end or self._open_again("it has not ended")

    @decide.validator
    def _second_person(self, decision: RepairDecision) -> None:
        if self._order.action is RepairAction.BOOK or self._decision or self._end:
            raise ApplicationError("the repair waits for no decision", type="InvalidState")
        if decision.decided_by == self._order.discrepancy.proposed_by:
            raise ApplicationError("somebody else has to decide", type="SamePerson")

    # ---- the process -----------------------------------------------------------------------------

    async def _book(self) -> RepairEnd:
        """Give the line to the payment's or refund's own run, and see it booked."""
        handover = await workflow.execute_activity_method(
            RepairActivities.hand_over,
            self._order,
            summary="hand the line to its own run",
            **options.BOOKS,
        )
        if handover.refusal:
            return self._open_again(handover.refusal)
        workflow.set_current_details("the statement is with the payment's own run")
        try:
            end = await workflow.execute_activity_method(
                RepairActivities.await_booked,
                handover,
                summary="wait until it is booked",
                **options.AWAIT_BOOKED,
            )
        except ActivityError:
            return self._open_again("its own run has not booked it within a day")
        return await self._carry_out() if end.is_resolved else end

    async def _with_a_second_person(self) -> RepairEnd:
        """Wait for approval, then book and resolve in one step."""
        workflow.set_current_details(
            f"**{self._order.action}** waits for a second person's approval"
        )
        await workflow.wait_condition(lambda: self._decision is not None)
        decision = self._decision
        if decision is None:
            return self._open_again("nobody decided")
        try:
            await workflow.execute_activity_method(
                RepairActivities.record_decision,
                DecisionStep(order=self._order, decision=decision),
                summary="approved" if decision.is_approved else "rejected",
                **options.BOOKS,
            )
        except ActivityError as error:
            return self._open_again(str(error.cause))
        if not decision.is_approved:
            return self._open_again(f"rejected: {decision.reason}")
        return await self._carry_out()

    async def _carry_out(self) -> RepairEnd:
        return await workflow.execute_activity_method(
            RepairActivities.carry_out,
            self._order,
            summary=f"book {self._order.action}",
            **options.BOOKS,
        )

    def _open_again(self, detail: str) -> RepairEnd:
        return RepairEnd(
            discrepancy_id=self._order.discrepancy.id, is_resolved=False, detail=detail
        )
