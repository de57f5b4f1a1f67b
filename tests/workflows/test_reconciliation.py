"""The course of a reconciliation and of a repair, where time or a second message decides."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from engine.sandbox import sandbox_runner
from models.reconciliation import (
    ReconciliationStatus,
    RepairAction,
)
from tests.workflows.conftest import keep_histories
from tests.workflows.days import FETCHED, UPLOADED, Desk, Script, ScriptedSteps, a_repair
from workflows.reconciliation import ReconciliationWorkflow
from workflows.repair import RepairWorkflow


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
