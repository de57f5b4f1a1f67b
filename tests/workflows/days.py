"""Days and repairs whose steps follow a script."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import WorkflowEnvironment

from models import ids
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyStatus,
    DiscrepancyView,
    LineKind,
    MatchingRules,
    ReconciliationOrder,
    ReconciliationStatus,
    RepairAction,
    RepairDecision,
    RepairOrder,
    RunResult,
    StatementFacts,
    StatementSource,
)
from models.reconciliation_steps import (
    CompareStep,
    DecisionStep,
    FailStep,
    FeesStep,
    Handover,
    ReconciliationEnd,
    ReconciliationRun,
    RepairEnd,
)
from workflows.reconciliation import ReconciliationWorkflow
from workflows.repair import RepairWorkflow

FETCHED = StatementFacts(source=StatementSource.FETCHED, sha256="a" * 64, bytes=10)
UPLOADED = StatementFacts(source=StatementSource.UPLOADED, sha256="b" * 64, bytes=20)


@dataclass
class Script:
    """What the steps do, and what was told of them."""

    statement_from_try: int = 1
    fetch_refusal: str = ""
    compare_refusal: str = ""
    is_signed_off: bool = False
    repairs: tuple[RepairOrder, ...] = ()
    booked_from_try: int = 1
    refusal: str = ""
    # Instead of many short pauses, each of which takes a moment to be skipped.
    retry_after: timedelta | None = None
    told: list[str] = field(default_factory=list)
    compared: list[StatementFacts] = field(default_factory=list)
    failures: list[FailStep] = field(default_factory=list)
    decisions: list[DecisionStep] = field(default_factory=list)
    carried_out: list[RepairOrder] = field(default_factory=list)
    # What happens while the statement is compared, the first time.
    meanwhile: Callable[[], Awaitable[None]] | None = None


class ScriptedSteps:
    """Stands in for the activities, by their names."""

    def __init__(self) -> None:
        self.script = Script()

    @activity.defn
    async def begin(self, order: ReconciliationOrder) -> int:
        if self.script.is_signed_off:
            raise _refusal("invalid-state")
        self.script.told.append("begin")
        return self.script.told.count("begin")

    @activity.defn
    async def fetch_statement(self, order: ReconciliationOrder) -> StatementFacts:
        if self.script.fetch_refusal:
            raise _refusal(self.script.fetch_refusal)
        if activity.info().attempt < self.script.statement_from_try:
            raise _not_yet(self.script.retry_after)
        return FETCHED

    @activity.defn
    async def compare(self, step: CompareStep) -> RunResult:
        self.script.compared.append(step.statement)
        event, self.script.meanwhile = self.script.meanwhile, None
        if event is not None:
            await event()
        if self.script.compare_refusal:
            raise _refusal(self.script.compare_refusal)
        return RunResult(
            lines=1, matched=1, totals=(), classes={}, rules=MatchingRules(), seconds=0.1
        )

    @activity.defn
    async def book_channel_fees(self, step: FeesStep) -> None:
        self.script.told.append(f"fees of run {step.run}")

    @activity.defn
    async def automatic_repairs(self, order: ReconciliationOrder) -> tuple[RepairOrder, ...]:
        return self.script.repairs

    @activity.defn
    async def finish(self, order: ReconciliationOrder) -> ReconciliationStatus:
        return ReconciliationStatus.BALANCED

    @activity.defn
    async def fail(self, step: FailStep) -> None:
        self.script.failures.append(step)

    @activity.defn
    async def hand_over(self, order: RepairOrder) -> Handover:
        return Handover(order=order, callback_id="cb_1", refusal=self.script.refusal)

    @activity.defn
    async def await_booked(self, handover: Handover) -> RepairEnd:
        if activity.info().attempt < self.script.booked_from_try:
            raise _not_yet(self.script.retry_after)
        return RepairEnd(discrepancy_id=handover.order.discrepancy.id, is_resolved=True)

    @activity.defn
    async def record_decision(self, step: DecisionStep) -> None:
        self.script.decisions.append(step)

    @activity.defn
    async def carry_out(self, order: RepairOrder) -> RepairEnd:
        self.script.carried_out.append(order)
        return RepairEnd(discrepancy_id=order.discrepancy.id, is_resolved=True)


@dataclass
class Desk:
    """Starts days and repairs the way the API does."""

    env: WorkflowEnvironment
    queue: str
    steps: ScriptedSteps
    started: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @property
    def script(self) -> Script:
        return self.steps.script

    async def start(self) -> WorkflowHandle[Any, ReconciliationEnd]:
        account_id = ids.new_id("acc")
        order = ReconciliationOrder(
            reconciliation_id=ids.new_id("rec"),
            account_id=account_id,
            app_id="app_1",
            channel="bank",
            business_day=date(2026, 11, 20),
            timezone="Asia/Shanghai",
            requested_by="key_1",
        )
        handle = await self.env.client.start_workflow(
            ReconciliationWorkflow.run,
            ReconciliationRun(order=order),
            id=ids.reconciliation_workflow_id(account_id, order.business_day),
            task_queue=self.queue,
            start_signal="order_again",
        )
        self.started.append(handle)
        return handle

    async def repair(self, action: RepairAction) -> WorkflowHandle[Any, RepairEnd]:
        order = a_repair(action)
        handle = await self.env.client.start_workflow(
            RepairWorkflow.run,
            order,
            id=ids.repair_workflow_id(order.discrepancy.id),
            task_queue=self.queue,
        )
        self.started.append(handle)
        return handle

    async def decide(
        self, handle: WorkflowHandle[Any, Any], *, approve: bool, by: str = "key_2"
    ) -> RepairEnd:
        decision = RepairDecision(decided_by=by, is_approved=approve, reason="looked at it")
        return await handle.execute_update(RepairWorkflow.decide, decision)


def a_repair(action: RepairAction = RepairAction.BOOK, **changes: Any) -> RepairOrder:
    now = datetime.now(UTC)
    found = DiscrepancyView(
        id=ids.new_id("dis"),
        reconciliation_id="rec_1",
        account_id="acc_1",
        app_id="app_1",
        channel="bank",
        business_day=date(2026, 11, 20),
        class_=DiscrepancyClass.STATUS_DIFF,
        kind=LineKind.PAYMENT,
        serial="01",
        refund_serial="",
        channel_reference="r",
        payment_id="pay_1",
        refund_id=None,
        currency="CNY",
        line_minor=700,
        ours_minor=None,
        fee_minor=0,
        occurred_at=now,
        detail="ours is pending",
        status=DiscrepancyStatus.AWAITING_APPROVAL,
        version=2,
        resolution=None,
        action=action,
        reason="looked at it",
        proposed_by="key_1",
        decided_by=None,
        created_at=now,
        updated_at=now,
    )
    return RepairOrder(discrepancy=found.model_copy(update=changes), action=action)


def _refusal(code: str) -> ApplicationError:
    return ApplicationError("the steps say no", type=code, non_retryable=True)


def _not_yet(retry_after: timedelta | None) -> ApplicationError:
    return ApplicationError(
        "not yet", next_retry_delay=retry_after, category=ApplicationErrorCategory.BENIGN
    )
