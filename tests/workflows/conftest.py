"""A time-skipping Temporal server, and payments whose steps follow a script.

The steps themselves are tested where they touch something real; here only the order of events is.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.common import (
    SearchAttributeKey,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment
from temporalio.worker import Worker

from devstack.temporal_server import temporal_binary
from engine import search_attributes
from engine.client import data_converter
from engine.sandbox import sandbox_runner
from models import ids
from models.channel import (
    Answer,
    Approved,
    ChannelEvent,
    Outcome,
    Pending,
    Route,
    ShowQrCode,
    Unknown,
)
from models.errors import ChannelUnavailable
from models.money import Money
from models.payment import (
    Attempt,
    AttemptStatus,
    Cancellation,
    Failure,
    Initiation,
    InitiationResult,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
    Preparation,
    Settlement,
    Verdict,
)
from models.steps import CaptureStep, PayStep, PrepareStep, QueryStep, RecordStep
from workflows.payment import PaymentWorkflow
from workflows.queues import channel_queue

HISTORIES = Path(__file__).parent.parent / "replay" / "histories"
KEYS = {"k1": b"1" * 32}
DESK = "https://pay.example/checkout/token"
PRICE = Money(amount_minor=1999, currency="CNY")


def approved(money: Money = PRICE) -> Approved:
    return Approved(channel_reference="2026112022001", money=money)


def shows_qr() -> Pending:
    code = ShowQrCode(content="https://qr.example/1", expires_at=_soon())
    return Pending(next_action=code)


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=15)


@dataclass
class Script:
    """What each step answers, in turn (the last answer repeats), and what the steps were told."""

    pay: Sequence[Outcome] = field(default_factory=lambda: [shows_qr()])
    query: Sequence[Outcome] = field(default_factory=lambda: [Pending()])
    close: Sequence[Outcome] = field(default_factory=lambda: [Unknown(detail="scripted")])
    capture: Sequence[Outcome] = field(default_factory=lambda: [Unknown(detail="scripted")])
    void: Sequence[Outcome] = field(default_factory=lambda: [Unknown(detail="scripted")])
    refusal: Failure | None = None
    accounts: int = 1
    repeat_safe: bool = True
    told: list[str] = field(default_factory=list)
    sent: list[PayStep] = field(default_factory=list)
    captures: list[CaptureStep] = field(default_factory=list)
    records: list[RecordStep] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    fail_settle_times: int = 0
    # What happens while a step runs, the first time it does.
    meanwhile: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def happens(self, step: str) -> None:
        event = self.meanwhile.pop(step, None)
        if event is not None:
            await event()

    def answer(self, step: str, answers: Sequence[Outcome]) -> Outcome:
        asked_before = self.told.count(step)
        self.told.append(step)
        return answers[min(asked_before, len(answers) - 1)]


class ScriptedSteps:
    """Stands in for the activities, by their names."""

    def __init__(self, channel: str) -> None:
        self.script = Script()
        self._channel = channel

    @activity.defn
    async def prepare_attempt(self, step: PrepareStep) -> Preparation:
        verdict = Verdict(step="routing", accepted=True, rule_version="test")
        if self.script.refusal or step.number > self.script.accounts:
            refusal = self.script.refusal or Failure(code="no_route", detail="none left")
            return Preparation(verdicts=(verdict,), refusal=refusal)
        payment_id = step.order.payment_id
        attempt = Attempt(
            id=ids.attempt_id(payment_id, step.number),
            payment_id=payment_id,
            number=step.number,
            method=step.order.method,
            serial=ids.serial(payment_id, step.number),
            route=Route(channel=self._channel, account_id=f"acc_{step.number}", account_version=1),
            status=AttemptStatus.STARTED,
            money=step.order.money,
        )
        return Preparation(
            verdicts=(verdict,),
            attempt=attempt,
            repeat_safe=self.script.repeat_safe,
            notify_url="https://pay.example/callbacks",
            query_after=(30, 60, 120),
            find_out_within=60,
            hold_within=7 * 24 * 3600,
        )

    @activity.defn
    async def open_cash_desk(self, order: PaymentOrder) -> Preparation:
        return Preparation(verdicts=(), refusal=self.script.refusal, return_url=DESK)

    @activity.defn
    async def pay(self, step: PayStep) -> Answer:
        self.script.sent.append(step)
        return Answer(outcome=self.script.answer("pay", self.script.pay))

    @activity.defn
    async def query(self, step: QueryStep) -> Answer:
        outcome = self.script.answer("query", self.script.query)
        if step.until_known and isinstance(outcome, Unknown):
            raise ChannelUnavailable(outcome.detail)
        return Answer(outcome=outcome)

    @activity.defn
    async def close(self, step: QueryStep) -> Answer:
        await self.script.happens("close")
        return Answer(outcome=self.script.answer("close", self.script.close))

    @activity.defn
    async def capture(self, step: CaptureStep) -> Answer:
        self.script.captures.append(step)
        await self.script.happens("capture")
        return Answer(outcome=self.script.answer("capture", self.script.capture))

    @activity.defn
    async def void(self, step: QueryStep) -> Answer:
        await self.script.happens("void")
        return Answer(outcome=self.script.answer("void", self.script.void))

    @activity.defn
    async def record_move(self, step: RecordStep) -> None:
        self.script.records.append(step)
        await self.script.happens("record_move")

    @activity.defn
    async def settle(self, settlement: Settlement) -> None:
        if self.script.fail_settle_times:
            self.script.fail_settle_times -= 1
            raise ChannelUnavailable("scripted")
        self.script.settlements.append(settlement)
        await self.script.happens("settle")


class Till:
    """Starts payments the way the API does and plays the channel's part."""

    def __init__(self, env: WorkflowEnvironment, queue: str, steps: ScriptedSteps) -> None:
        self.env = env
        self.client: Client = env.client
        self.queue = queue
        self.started: list[WorkflowHandle[Any, Any]] = []
        self._steps = steps

    @property
    def script(self) -> Script:
        return self._steps.script

    def order(self, **changes: Any) -> PaymentOrder:
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "payment_id": ids.new_id("pay"),
            "app_id": "app_1",
            "merchant_id": "mer_1",
            "order_no": "A-1",
            "money": PRICE,
            "method": "alipay_qr",
            "subject": "tea",
            "created_at": now,
            "expires_at": now + timedelta(minutes=15),
            "initiate_by": now + timedelta(minutes=15),
            "late_success": LateSuccessPolicy.REFUND,
            "fingerprint": "f" * 64,
        }
        return PaymentOrder(**(values | changes))

    async def start(self, order: PaymentOrder | None = None) -> WorkflowHandle[Any, PaymentState]:
        order = order or self.order()
        handle = await self.client.start_workflow(
            PaymentWorkflow.run,
            order,
            id=ids.payment_workflow_id(order.payment_id),
            task_queue=self.queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_attributes(order),
        )
        self.started.append(handle)
        return handle

    async def pay(self, order: PaymentOrder) -> InitiationResult:
        operation = WithStartWorkflowOperation(
            PaymentWorkflow.run,
            order,
            id=ids.payment_workflow_id(order.payment_id),
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_attributes(order),
        )
        return await self.client.execute_update_with_start_workflow(
            PaymentWorkflow.initiate,
            Initiation(fingerprint=order.fingerprint),
            id=f"init-{order.fingerprint[:16]}",
            start_workflow_operation=operation,
        )

    def handle_of(self, order: PaymentOrder) -> WorkflowHandle[Any, PaymentState]:
        return self.client.get_workflow_handle_for(
            PaymentWorkflow.run, ids.payment_workflow_id(order.payment_id)
        )

    async def cancel_unstarted(
        self, order: PaymentOrder, cancellation: Cancellation
    ) -> PaymentState:
        """Cancel an order whose run nobody started: the command starts it."""
        operation = WithStartWorkflowOperation(
            PaymentWorkflow.run,
            order,
            id=ids.payment_workflow_id(order.payment_id),
            task_queue=self.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_attributes(order),
        )
        return await self.client.execute_update_with_start_workflow(
            PaymentWorkflow.cancel,
            cancellation,
            id=f"cancel-{order.payment_id}",
            start_workflow_operation=operation,
        )

    async def initiated(self, handle: WorkflowHandle[Any, PaymentState]) -> InitiationResult:
        return await handle.execute_update(
            PaymentWorkflow.initiate, Initiation(fingerprint="f" * 64)
        )

    async def tell(
        self,
        handle: WorkflowHandle[Any, PaymentState],
        outcome: Outcome,
        *,
        callback_id: str = "cb_1",
        number: int = 1,
    ) -> None:
        payment_id = handle.id.removeprefix("pay/")
        event = ChannelEvent(
            callback_id=callback_id,
            serial=ids.serial(payment_id, number),
            outcome=outcome,
            received_at=datetime.now(UTC),
        )
        await handle.signal(PaymentWorkflow.channel_event, event)


def _attributes(order: PaymentOrder) -> Any:
    return search_attributes.of_order(
        app_id=order.app_id,
        merchant_id=order.merchant_id,
        amount_minor=order.money.amount_minor,
        currency=order.money.currency,
    )


@pytest.fixture(scope="session")
async def skipping_env() -> AsyncIterator[WorkflowEnvironment]:
    """The one place that knows how time skipping is switched on in this server version."""
    kinds: dict[str, Any] = {
        "Keyword": SearchAttributeKey.for_keyword,
        "Int": SearchAttributeKey.for_int,
    }
    env = await WorkflowEnvironment.start_time_skipping_v2(
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=temporal_binary(),
        search_attributes=[
            kinds[kind](name) for name, kind in search_attributes.REGISTERED.items()
        ],
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        dev_server_startup_timeout=timedelta(seconds=30),
        data_converter=data_converter(KEYS),
    )
    yield env
    await env.shutdown()


@pytest.fixture(scope="session")
async def _workers(skipping_env: WorkflowEnvironment) -> AsyncIterator[tuple[str, ScriptedSteps]]:
    name = uuid.uuid4().hex[:8]
    steps = ScriptedSteps(f"test-{name}")
    queue = f"payments-{name}"
    async with (
        Worker(
            skipping_env.client,
            task_queue=queue,
            workflows=[PaymentWorkflow],
            activities=[
                steps.prepare_attempt,
                steps.open_cash_desk,
                steps.record_move,
                steps.settle,
            ],
            workflow_runner=sandbox_runner(),
        ),
        Worker(
            skipping_env.client,
            task_queue=channel_queue(f"test-{name}"),
            activities=[steps.pay, steps.query, steps.close, steps.capture, steps.void],
        ),
    ):
        yield queue, steps


@pytest.fixture
async def till(
    request: pytest.FixtureRequest,
    skipping_env: WorkflowEnvironment,
    _workers: tuple[str, ScriptedSteps],
) -> AsyncIterator[Till]:
    queue, steps = _workers
    steps.script = Script()
    till = Till(skipping_env, queue, steps)
    yield till
    await keep_histories(request.node.name, till.started)


async def keep_histories(name: str, started: Sequence[WorkflowHandle[Any, Any]]) -> None:
    """Keep the histories of a test's finished runs for `tests/replay`, when they are recorded."""
    if not os.environ.get("RECORD_HISTORIES"):
        return
    for number, handle in enumerate(started):
        described = await handle.describe()
        if described.status is WorkflowExecutionStatus.COMPLETED:
            history = await handle.fetch_history()
            plain = name.removeprefix("test_").replace("[", "-").replace("]", "")
            file = HISTORIES / f"{plain}-{number}.json"
            file.write_text(json.dumps(history.to_json_dict(), separators=(",", ":")))
