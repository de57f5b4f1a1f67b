"""One account's business day: the channel's statement against our books.

The statement is fetched (asked for until it is made) or uploaded, kept, loaded and compared as one
step, what the channel took is booked, and what a payment's own run can mend is handed to it. The
run carries references and counts, so its history is short however long the statement is.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ChildWorkflowHandle, ParentClosePolicy

from activities.reconciliation import ReconciliationActivities
from engine.search_attributes import of_day
from models.ids import repair_workflow_id
from models.reconciliation import (
    ReconciliationStatus,
    RepairOrder,
    RunResult,
    StatementFacts,
)
from models.reconciliation_steps import (
    CompareStep,
    FailStep,
    FeesStep,
    ReconciliationEnd,
    ReconciliationRun,
    RepairEnd,
)
from workflows import options
from workflows.repair import RepairWorkflow

# Repairs by evidence take seconds. Those that need longer go on without this run.
_REPAIRS_WITHIN = timedelta(seconds=30)
_MISSING = "statement-missing"


@workflow.defn
class ReconciliationWorkflow:
    """See the module. Id `recon/acc_…/<day>`; the day again is another run of the same id."""

    @workflow.init
    def __init__(self, run: ReconciliationRun) -> None:
        self._order = run.order
        self._uploaded = run.statement
        self._ordered_again = False

    @workflow.run
    async def run(self, run: ReconciliationRun) -> ReconciliationEnd:
        """Reconcile the day; again if that was ordered after the statement was looked at."""
        self._ordered_again = False
        end = await self._reconcile()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._ordered_again or self._uploaded is not None:
            workflow.continue_as_new(ReconciliationRun(order=self._order, statement=self._uploaded))
        return end

    @workflow.signal
    def order_again(self) -> None:
        """Somebody wants the day as it is from now on: a run that has compared it already is old.

        Comes with every order, and so with the one that starts this run.
        """
        self._ordered_again = True

    @workflow.signal
    def use_statement(self, statement: StatementFacts) -> None:
        """A statement was uploaded: it is used instead of one that is still waited for."""
        self._uploaded = statement

    # ---- the process -----------------------------------------------------------------------------

    async def _reconcile(self) -> ReconciliationEnd:
        try:
            number = await self._begin()
        except ActivityError as error:
            return self._ended(ReconciliationStatus.SIGNED_OFF, detail=_words_of(error))
        try:
            statement = await self._statement()
            result = await self._compare(statement)
        except ActivityError as error:
            return await self._fail(error)
        await self._book_channel_fees(number, result)
        repaired, under_way = await self._repair()
        return await self._finish(repaired, under_way)

    async def _begin(self) -> int:
        return await workflow.execute_activity_method(
            ReconciliationActivities.begin, self._order, summary="begin a run", **options.BOOKS
        )

    async def _statement(self) -> StatementFacts:
        """The statement that was uploaded, or else the channel's, once it is made."""
        workflow.set_current_details(f"waits for the statement of {self._order.business_day}")
        if self._uploaded is None:
            fetching = workflow.start_activity_method(
                ReconciliationActivities.fetch_statement,
                self._order,
                summary=f"statement of {self._order.business_day}",
                **options.FETCH_STATEMENT,
            )
            await workflow.wait_condition(lambda: fetching.done() or self._uploaded is not None)
            if self._uploaded is None:
                return await fetching
            fetching.cancel()
        statement, self._uploaded = self._uploaded, None
        return statement

    async def _compare(self, statement: StatementFacts) -> RunResult:
        workflow.set_current_details("compares line by line")
        self._ordered_again = False
        return await workflow.execute_activity_method(
            ReconciliationActivities.compare,
            CompareStep(order=self._order, statement=statement),
            summary=f"compare {statement.sha256[:12] or 'an empty day'}",
            **options.COMPARE_STATEMENT,
        )

    async def _book_channel_fees(self, number: int, result: RunResult) -> None:
        await workflow.execute_activity_method(
            ReconciliationActivities.book_channel_fees,
            FeesStep(order=self._order, run=number, result=result, at=workflow.now()),
            summary="book what the channel took",
            **options.BOOKS,
        )

    async def _repair(self) -> tuple[int, int]:
        """Begin what can be mended by evidence; how many are mended soon, and how many later."""
        orders = await workflow.execute_activity_method(
            ReconciliationActivities.automatic_repairs,
            self._order,
            summary="what can be repaired by evidence",
            **options.BOOKS,
        )
        begun = await asyncio.gather(*(_begin_repair(order) for order in orders))
        repairs = [repair for repair in begun if repair is not None]
        workflow.set_current_details(f"{len(repairs)} repairs are with the payments' own runs")
        with suppress(TimeoutError):  # they go on, and each ends its own discrepancy
            await workflow.wait_condition(
                lambda: all(repair.done() for repair in repairs), timeout=_REPAIRS_WITHIN
            )
        ended = [await _is_resolved(repair) for repair in repairs if repair.done()]
        return sum(ended), len(repairs) - len(ended)

    async def _finish(self, repaired: int, under_way: int) -> ReconciliationEnd:
        status = await workflow.execute_activity_method(
            ReconciliationActivities.finish, self._order, summary="finish", **options.BOOKS
        )
        return self._ended(status, repaired=repaired, under_way=under_way)

    async def _fail(self, error: ActivityError) -> ReconciliationEnd:
        """Say why there is no result. Nothing of this run is in the books."""
        code, detail = _code_of(error), _words_of(error)
        await workflow.execute_activity_method(
            ReconciliationActivities.fail,
            FailStep(order=self._order, code=code, detail=detail),
            summary=code,
            **options.BOOKS,
        )
        return self._ended(ReconciliationStatus.FAILED, code=code, detail=detail)

    def _ended(
        self,
        status: ReconciliationStatus,
        *,
        code: str = "",
        detail: str = "",
        repaired: int = 0,
        under_way: int = 0,
    ) -> ReconciliationEnd:
        workflow.set_current_details(f"**{status}** {code} {detail}".strip())
        return ReconciliationEnd(
            reconciliation_id=self._order.reconciliation_id,
            status=status,
            code=code,
            detail=detail,
            repaired=repaired,
            repairs_under_way=under_way,
        )


async def _begin_repair(
    order: RepairOrder,
) -> ChildWorkflowHandle[RepairWorkflow, RepairEnd] | None:
    """A run of its own, that outlives this one; None when there is one already."""
    found = order.discrepancy
    try:
        return await workflow.start_child_workflow(
            RepairWorkflow.run,
            order,
            id=repair_workflow_id(found.id),
            parent_close_policy=ParentClosePolicy.ABANDON,
            search_attributes=of_day(app_id=found.app_id, channel=found.channel),
            static_summary=f"{order.action} {found.kind} {found.serial}",
        )
    except WorkflowAlreadyStartedError:
        return None


async def _is_resolved(repair: ChildWorkflowHandle[RepairWorkflow, RepairEnd]) -> bool:
    try:
        return (await repair).is_resolved
    except ChildWorkflowError:  # it was terminated; its discrepancy is open, and says so
        return False


def _code_of(error: ActivityError) -> str:
    """The refusal's own code; when trying came to its end, the statement is missing."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.non_retryable and cause.type:
        return cause.type
    return _MISSING


def _words_of(error: ActivityError) -> str:
    return str(error.cause.message if isinstance(error.cause, ApplicationError) else error.cause)
