"""The course of a reconciliation and of a repair, where time or a second message decides."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from engine.sandbox import sandbox_runner
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
from tests.workflows.conftest import keep_histories
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


@pytest.fixture(scope="module")
async def _served(skipping_env: WorkflowEnvironment) -> AsyncIterator[Desk]:
    desk = Desk(skipping_env, f"days-{uuid.uuid4().hex[:8]}", ScriptedSteps())
    steps = desk.steps
    async with Worker(
        skipping_env.client,
        task_queue=desk.queue,
        workflows=[ReconciliationWorkflow, RepairWorkflow],
        activities=[
            steps.begin,
            steps.fetch_statement,
            steps.compare,
            steps.book_channel_fees,
            steps.automatic_repairs,
            steps.finish,
            steps.fail,
            steps.hand_over,
            steps.await_booked,
            steps.record_decision,
            steps.carry_out,
        ],
        workflow_runner=sandbox_runner(),
    ):
        yield desk


@pytest.fixture
async def desk(request: pytest.FixtureRequest, _served: Desk) -> AsyncIterator[Desk]:
    _served.steps.script = Script()
    _served.started.clear()
    yield _served
    await keep_histories(request.node.name, _served.started)


async def test_a_day_is_fetched_compared_its_fees_booked_and_finished(desk: Desk) -> None:
    end = await (await desk.start()).result()

    assert (end.status, end.repaired) == (ReconciliationStatus.BALANCED, 0)
    assert desk.script.compared == [FETCHED]
    assert desk.script.told == ["begin", "fees of run 1"]


async def test_a_statement_that_is_made_hours_later_is_waited_for(desk: Desk) -> None:
    desk.script.statement_from_try = 6
    handle = await desk.start()

    await desk.env.fast_forward(handle, timedelta(hours=3))
    end = await handle.result()
    history = await handle.fetch_history()

    assert end.status is ReconciliationStatus.BALANCED
    # Begin, fetch, compare, fees, repairs, finish: tries in vain are not in it.
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    assert [event.event_type for event in history.events].count(scheduled) == 6


async def test_a_statement_that_never_comes_is_missing_after_two_days(desk: Desk) -> None:
    desk.script.statement_from_try = 10**6
    desk.script.retry_after = timedelta(hours=23)
    handle = await desk.start()

    ended_early = not await desk.env.fast_forward(handle, timedelta(hours=46))
    await desk.env.fast_forward(handle, timedelta(hours=3))
    end = await handle.result()

    assert not ended_early
    assert (end.status, end.code) == (ReconciliationStatus.FAILED, "statement-missing")
    assert [step.code for step in desk.script.failures] == ["statement-missing"]
    assert desk.script.compared == []


@pytest.mark.parametrize("code", ["channel-misconfigured", "statement-missing"])
async def test_a_channel_that_refuses_ends_the_run_with_its_reason(desk: Desk, code: str) -> None:
    desk.script.fetch_refusal = code

    end = await (await desk.start()).result()

    assert (end.status, end.code, end.detail) == ("failed", code, "the steps say no")


async def test_a_statement_that_is_not_right_books_nothing(desk: Desk) -> None:
    desk.script.compare_refusal = "statement-wrong-totals"

    end = await (await desk.start()).result()

    assert (end.status, end.code) == (ReconciliationStatus.FAILED, "statement-wrong-totals")
    assert desk.script.told == ["begin"]


async def test_an_upload_is_used_instead_of_waiting(desk: Desk) -> None:
    desk.script.statement_from_try = 10**6
    handle = await desk.start()

    await handle.signal(ReconciliationWorkflow.use_statement, UPLOADED)
    await handle.result()

    assert desk.script.compared == [UPLOADED]


async def test_an_upload_that_comes_while_comparing_is_compared_next(desk: Desk) -> None:
    handle = await desk.start()
    desk.script.meanwhile = lambda: handle.signal(ReconciliationWorkflow.use_statement, UPLOADED)

    await handle.result()

    assert desk.script.compared == [FETCHED, UPLOADED]
    assert desk.script.told == ["begin", "fees of run 1", "begin", "fees of run 2"]


async def test_an_order_that_comes_after_comparing_makes_another_run(desk: Desk) -> None:
    handle = await desk.start()
    desk.script.meanwhile = lambda: handle.signal(ReconciliationWorkflow.order_again)

    await handle.result()

    assert desk.script.compared == [FETCHED, FETCHED]


async def test_an_order_that_comes_before_comparing_joins_the_run(desk: Desk) -> None:
    desk.script.statement_from_try = 2
    handle = await desk.start()

    await handle.signal(ReconciliationWorkflow.order_again)
    await handle.result()

    assert desk.script.compared == [FETCHED]


async def test_a_day_that_is_signed_off_is_left_alone(desk: Desk) -> None:
    desk.script.is_signed_off = True

    end = await (await desk.start()).result()

    assert end.status is ReconciliationStatus.SIGNED_OFF
    assert (desk.script.compared, desk.script.failures) == ([], [])


async def test_repairs_by_evidence_are_made_and_counted(desk: Desk) -> None:
    desk.script.repairs = tuple(a_repair() for _ in range(3))

    end = await (await desk.start()).result()

    assert (end.repaired, end.repairs_under_way) == (3, 0)
    assert len(desk.script.carried_out) == 3


async def test_a_repair_that_is_under_way_is_not_begun_again(desk: Desk) -> None:
    repair = await desk.repair(RepairAction.SUSPENSE)
    described = await repair.describe()
    desk.script.repairs = (a_repair(id=described.id.removeprefix("repair/")),)

    end = await (await desk.start()).result()
    await desk.decide(repair, approve=True)

    assert (end.repaired, end.repairs_under_way) == (0, 0)
    assert [order.action for order in desk.script.carried_out] == [RepairAction.SUSPENSE]


async def test_evidence_its_run_never_books_leaves_the_discrepancy_open(desk: Desk) -> None:
    desk.script.booked_from_try = 10**6
    desk.script.retry_after = timedelta(hours=11)
    handle = await desk.repair(RepairAction.BOOK)

    await desk.env.fast_forward(handle, timedelta(hours=25))
    end = await handle.result()

    assert not end.is_resolved
    assert desk.script.carried_out == []


async def test_evidence_that_fits_no_run_leaves_the_discrepancy_open(desk: Desk) -> None:
    desk.script.refusal = "it fits nothing of ours"

    end = await (await desk.repair(RepairAction.BOOK)).result()

    assert (end.is_resolved, end.detail) == (False, "it fits nothing of ours")
    assert desk.script.carried_out == []


@pytest.mark.parametrize("approve", [True, False])
async def test_a_second_person_decides_on_a_repair(desk: Desk, approve: bool) -> None:
    handle = await desk.repair(RepairAction.SUSPENSE)

    end = await desk.decide(handle, approve=approve)

    assert end.is_resolved is approve
    assert [step.decision.is_approved for step in desk.script.decisions] == [approve]
    assert len(desk.script.carried_out) == int(approve)


async def test_nobody_approves_their_own_repair(desk: Desk) -> None:
    handle = await desk.repair(RepairAction.SUSPENSE)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await desk.decide(handle, approve=True, by="key_1")

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "SamePerson"
    await handle.terminate()


async def test_a_repair_by_evidence_waits_for_nobodys_word(desk: Desk) -> None:
    desk.script.booked_from_try = 10**6
    handle = await desk.repair(RepairAction.BOOK)

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await desk.decide(handle, approve=True)

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "InvalidState"
    await handle.terminate()
