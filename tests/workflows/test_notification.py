"""Notifications after the first try: in order, again after failures, paused but never dropped."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from engine.sandbox import sandbox_runner
from models.notification import NotificationRun
from models.steps import DeliveryRound
from workflows.notification import NotificationWorkflow


class ScriptedRounds:
    """Stands in for the deliveries, by the activity's name."""

    def __init__(self) -> None:
        self.rounds: list[DeliveryRound] = []
        self.count = 0

    @activity.defn
    async def deliver_due(self, run: NotificationRun) -> DeliveryRound:
        self.count += 1
        return self.rounds.pop(0) if self.rounds else DeliveryRound()


@pytest.fixture(scope="module")
async def _served(
    skipping_env: WorkflowEnvironment,
) -> AsyncIterator[tuple[str, ScriptedRounds]]:
    queue, script = f"notifications-{uuid.uuid4().hex[:8]}", ScriptedRounds()
    async with Worker(
        skipping_env.client,
        task_queue=queue,
        workflows=[NotificationWorkflow],
        activities=[script.deliver_due],
        workflow_runner=sandbox_runner(),
    ):
        yield queue, script


@pytest.fixture
async def served(_served: tuple[str, ScriptedRounds]) -> tuple[str, ScriptedRounds]:
    _served[1].rounds, _served[1].count = [], 0
    return _served


async def _start(env: WorkflowEnvironment, queue: str) -> WorkflowHandle[Any, None]:
    app_id = f"app_{uuid.uuid4().hex[:8]}"
    return await env.client.start_workflow(
        NotificationWorkflow.run,
        NotificationRun(app_id=app_id),
        id=f"notify/{app_id}",
        task_queue=queue,
        start_signal="wake",
    )


async def test_a_run_sleeps_until_the_next_is_due_and_ends_when_nothing_is_left(
    skipping_env: WorkflowEnvironment, served: tuple[str, ScriptedRounds]
) -> None:
    queue, script = served
    script.rounds = [DeliveryRound(next_in_seconds=3600, failed=1), DeliveryRound(delivered=1)]
    handle = await _start(skipping_env, queue)

    await skipping_env.fast_forward(handle, timedelta(hours=2))
    await handle.result()

    assert script.count == 2


async def test_a_paused_endpoint_gets_nothing_until_it_is_resumed(
    skipping_env: WorkflowEnvironment, served: tuple[str, ScriptedRounds]
) -> None:
    queue, script = served
    script.rounds = [DeliveryRound(paused=True, failed=1), DeliveryRound(delivered=5)]
    handle = await _start(skipping_env, queue)

    await skipping_env.fast_forward(handle, timedelta(days=30))
    paused = await handle.describe()
    await handle.signal(NotificationWorkflow.resume)
    await skipping_env.fast_forward(handle, timedelta(hours=1))
    await handle.result()

    assert paused.status is WorkflowExecutionStatus.RUNNING
    assert script.count == 2
