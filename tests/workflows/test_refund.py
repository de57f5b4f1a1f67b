"""The course of a refund, each way it can go."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from engine.sandbox import sandbox_runner
from models import ids
from models.channel import (
    Answer,
    Approved,
    ChannelEvent,
    Declined,
    NotAttempted,
    Outcome,
    Pending,
    Unknown,
)
from models.money import Money
from models.refund import (
    Decision,
    RefundFunding,
    RefundInitiation,
    RefundMove,
    RefundOrder,
    RefundState,
    RefundStatus,
)
from models.steps import RefundStep
from tests.factories import an_attempt, an_order
from workflows.queues import channel_queue
from workflows.refund import ROUNDS_BEFORE_REVIEW, RefundWorkflow

BACK = Money(amount_minor=500, currency="CNY")
REFUNDED = Approved(channel_reference="2026", money=BACK)


@dataclass
class Script:
    """What the channel answers, in turn (the last repeats), and what was done."""

    refund: Sequence[Outcome] = field(default_factory=lambda: [REFUNDED])
    query: Sequence[Outcome] = field(default_factory=lambda: [Pending()])
    told: list[str] = field(default_factory=list)
    numbers: set[str] = field(default_factory=set)
    moves: list[RefundMove] = field(default_factory=list)
    # What happens while a move to this status is booked, the first time.
    meanwhile: dict[RefundStatus, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    @property
    def statuses(self) -> list[str]:
        return [move.transition.after.status.value for move in self.moves]


class ScriptedSteps:
    """Stands in for the activities, by their names."""

    def __init__(self) -> None:
        self.script = Script()

    @activity.defn
    async def refund(self, step: RefundStep) -> Answer:
        self.script.numbers.add(step.request.refund_serial)
        return self._next("refund", self.script.refund)

    @activity.defn
    async def query_refund(self, step: RefundStep) -> Answer:
        return self._next("query", self.script.query)

    @activity.defn
    async def book_refund(self, move: RefundMove) -> None:
        self.script.moves.append(move)
        event = self.script.meanwhile.pop(move.transition.after.status, None)
        if event is not None:
            await event()

    def _next(self, name: str, answers: Sequence[Outcome]) -> Answer:
        asked_before = self.script.told.count(name)
        self.script.told.append(name)
        return Answer(outcome=answers[min(asked_before, len(answers) - 1)])


@dataclass
class Desk:
    """Starts refunds the way the API does, and plays the channel and the second person."""

    env: WorkflowEnvironment
    queue: str
    channel: str
    steps: ScriptedSteps

    @property
    def script(self) -> Script:
        return self.steps.script

    def order(self, *, needs_approval: bool = False) -> RefundOrder:
        payment = an_order()
        attempt = an_attempt(payment)
        route = attempt.route.model_copy(update={"channel": self.channel})
        refund_id = ids.new_id("ref")
        return RefundOrder(
            refund_id=refund_id,
            refund_serial=ids.refund_serial(refund_id),
            payment_id=payment.payment_id,
            app_id=payment.app_id,
            merchant_id=payment.merchant_id,
            refund_no="R-1",
            money=BACK,
            paid=payment.money,
            method=payment.method,
            attempt=attempt.model_copy(update={"route": route}),
            funding=RefundFunding.MERCHANT,
            reason="",
            requested_by="key_1",
            needs_approval=needs_approval,
            fingerprint="f",
            created_at=datetime.now(UTC),
        )

    async def start(
        self, order: RefundOrder | None = None
    ) -> WorkflowHandle[RefundWorkflow, RefundState]:
        order = order or self.order()
        return await self.env.client.start_workflow(
            RefundWorkflow.run,
            order,
            id=ids.refund_workflow_id(order.refund_id),
            task_queue=self.queue,
        )

    async def initiated(self, handle: WorkflowHandle[Any, Any]) -> RefundState:
        return await handle.execute_update(
            RefundWorkflow.initiate, RefundInitiation(fingerprint="f")
        )

    async def decide(
        self, handle: WorkflowHandle[Any, Any], *, approve: bool, by: str = "key_2"
    ) -> RefundState:
        decision = Decision(command_id="cmd_1", decided_by=by, is_approved=approve, reason="why")
        return await handle.execute_update(RefundWorkflow.decide, decision)

    async def tell(
        self, handle: WorkflowHandle[Any, Any], outcome: Outcome, *, callback_id: str = "cb_1"
    ) -> None:
        event = ChannelEvent(
            callback_id=callback_id,
            serial=handle.id.removeprefix("refund/ref_"),
            outcome=outcome,
            received_at=datetime.now(UTC),
        )
        await handle.signal(RefundWorkflow.channel_event, event)


@pytest.fixture(scope="module")
async def _served(skipping_env: WorkflowEnvironment) -> AsyncIterator[Desk]:
    name = uuid.uuid4().hex[:8]
    desk = Desk(skipping_env, f"refunds-{name}", f"bank-{name}", ScriptedSteps())
    async with (
        Worker(
            skipping_env.client,
            task_queue=desk.queue,
            workflows=[RefundWorkflow],
            activities=[desk.steps.book_refund],
            workflow_runner=sandbox_runner(),
        ),
        Worker(
            skipping_env.client,
            task_queue=channel_queue(desk.channel),
            activities=[desk.steps.refund, desk.steps.query_refund],
        ),
    ):
        yield desk


@pytest.fixture
def desk(_served: Desk) -> Desk:
    _served.steps.script = Script()
    return _served


async def test_a_refund_is_set_aside_sent_and_booked(desk: Desk) -> None:
    handle = await desk.start()

    state = await handle.result()

    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.statuses == ["pending", "succeeded"]


async def test_a_refund_the_channel_refuses_fails_with_its_reason(desk: Desk) -> None:
    desk.script.refund = [Declined(code="refused", detail="too old")]

    state = await (await desk.start()).result()

    assert state.status is RefundStatus.FAILED
    assert state.failure is not None
    assert state.failure.detail == "too old"


async def test_an_unknown_refund_is_settled_by_query(desk: Desk) -> None:
    desk.script.refund = [Unknown(detail="no answer")]
    desk.script.query = [REFUNDED]
    handle = await desk.start()

    await desk.env.fast_forward(handle, timedelta(seconds=15))
    state = await handle.result()

    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.statuses == ["pending", "unknown", "succeeded"]
    assert desk.script.told == ["refund", "query"]


async def test_a_refund_the_channel_does_not_know_is_sent_again_under_the_same_number(
    desk: Desk,
) -> None:
    desk.script.refund = [Unknown(detail="no answer"), REFUNDED]
    desk.script.query = [Unknown(detail="not there")]
    handle = await desk.start()

    await desk.env.fast_forward(handle, timedelta(seconds=15))
    state = await handle.result()

    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.told == ["refund", "query", "refund"]
    assert len(desk.script.numbers) == 1


async def test_after_an_unknown_try_an_unreached_channel_is_still_unknown(desk: Desk) -> None:
    desk.script.refund = [Unknown(detail="no answer"), NotAttempted(detail="refused")]
    desk.script.query = [Unknown(detail="not reached"), REFUNDED]
    handle = await desk.start()

    await desk.env.fast_forward(handle, timedelta(minutes=1))
    state = await handle.result()

    assert state.status is RefundStatus.SUCCEEDED
    assert "pending" not in desk.script.statuses[1:]


async def test_a_refund_that_is_pending_is_settled_by_a_callback(desk: Desk) -> None:
    desk.script.refund = [Pending()]
    handle = await desk.start()
    first = await desk.initiated(handle)

    await desk.tell(handle, REFUNDED)
    state = await handle.result()

    assert first.status is RefundStatus.PENDING
    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.moves[-1].callback_ids == ("cb_1",)


async def test_what_stays_unknown_goes_to_a_person_and_is_never_failed(desk: Desk) -> None:
    desk.script.refund = [Unknown(detail="no answer")]
    desk.script.query = [Unknown(detail="still nothing")] * ROUNDS_BEFORE_REVIEW + [REFUNDED]
    handle = await desk.start()

    await desk.env.fast_forward(handle, timedelta(days=4))
    state = await handle.result()

    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.statuses == ["pending", "unknown", "manual_review", "succeeded"]
    assert state.notified == 2


async def test_a_large_refund_waits_for_a_second_person(desk: Desk) -> None:
    handle = await desk.start(desk.order(needs_approval=True))
    first = await desk.initiated(handle)
    told_before = list(desk.script.told)

    approved = await desk.decide(handle, approve=True)
    state = await handle.result()

    assert first.status is RefundStatus.PENDING_APPROVAL
    assert told_before == []
    assert approved.status in {RefundStatus.PENDING, RefundStatus.SUCCEEDED}
    assert state.status is RefundStatus.SUCCEEDED
    assert desk.script.moves[0].decided_by == "key_2"


async def test_a_rejected_refund_moves_nothing(desk: Desk) -> None:
    handle = await desk.start(desk.order(needs_approval=True))

    state = await desk.decide(handle, approve=False)
    await handle.result()

    assert state.status is RefundStatus.REJECTED
    assert desk.script.told == []
    assert desk.script.statuses == ["rejected"]


async def test_nobody_approves_their_own_refund(desk: Desk) -> None:
    handle = await desk.start(desk.order(needs_approval=True))

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await desk.decide(handle, approve=True, by="key_1")

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "SamePerson"
    await handle.terminate()


async def test_paid_news_while_a_failure_is_booked_does_not_make_a_second_decision(
    desk: Desk,
) -> None:
    desk.script.refund = [Pending()]
    handle = await desk.start()
    await desk.initiated(handle)
    desk.script.meanwhile[RefundStatus.FAILED] = lambda: desk.tell(
        handle, REFUNDED, callback_id="cb_2"
    )

    await desk.tell(handle, Declined(code="refused", detail="no"), callback_id="cb_1")
    await handle.result()

    assert desk.script.statuses == ["pending", "failed"]
    assert desk.script.moves[-1].callback_ids == ("cb_1",)
