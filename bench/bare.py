"""The bare Temporal workflow we measure ourselves against, in its best configuration.

Update-with-start, one local activity, a signal, one local activity: what any payment on Temporal
costs at least. No database, no channel, no encryption, no workflow sandbox.

    python -m bench.bare ADDRESS     serves the queue until it is told to stop
"""

import asyncio
import signal
import sys
from datetime import timedelta

import uvloop
from temporalio import activity, workflow
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.worker import PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

QUEUE = "bare"


@activity.defn
async def first(order: str) -> str:
    return order


@activity.defn
async def last(order: str) -> str:
    return order


@workflow.defn
class BareWorkflow:
    def __init__(self) -> None:
        self._answer: str | None = None
        self._paid = False

    @workflow.run
    async def run(self, order: str) -> str:
        self._answer = await workflow.execute_local_activity(
            first, order, start_to_close_timeout=timedelta(seconds=5)
        )
        await workflow.wait_condition(lambda: self._paid, timeout=timedelta(minutes=15))
        return await workflow.execute_local_activity(
            last, order, start_to_close_timeout=timedelta(seconds=5)
        )

    @workflow.update
    async def initiate(self, order: str) -> str:
        await workflow.wait_condition(lambda: self._answer is not None)
        return order

    @workflow.signal
    def paid(self) -> None:
        self._paid = True


async def initiate(client: Client, order: str) -> None:
    """What the front door does: start the run and wait for its first answer."""
    operation = WithStartWorkflowOperation(
        BareWorkflow.run,
        order,
        id=f"bare/{order}",
        task_queue=QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    await client.execute_update_with_start_workflow(
        BareWorkflow.initiate, order, id="init", start_workflow_operation=operation
    )


async def complete(client: Client, order: str) -> None:
    """What the callback does: signal, and wait for the end."""
    handle = client.get_workflow_handle(f"bare/{order}")
    await handle.signal("paid")
    await handle.result()


async def serve(address: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareWorkflow],
        activities=[first, last],
        workflow_runner=UnsandboxedWorkflowRunner(),
        workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(20),
        nonsticky_to_sticky_poll_ratio=0.5,
        max_cached_workflows=5000,
    ):
        print("ready", flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
