"""The door to Temporal for reconciliations: start days, hand over statements and decisions.

As in `dispatch`: what is handed over is on disk already, and doing it twice changes nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.common import (
    Priority,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.dispatch import RPC_TIMEOUT, deliver_callback, in_time
from api.refund_dispatch import deliver_refund_callback
from engine.search_attributes import of_day
from models.channel import ChannelEvent
from models.errors import Conflict, Unavailable
from models.ids import payment_workflow_id, reconciliation_workflow_id, repair_workflow_id
from models.reconciliation import (
    ReconciliationOrder,
    RepairDecision,
    RepairOrder,
    StatementFacts,
)
from models.reconciliation_steps import ReconciliationRun, RepairEnd
from models.views import KeptCallback
from storage.database import Database
from workflows.queues import RECONCILIATION
from workflows.reconciliation import ReconciliationWorkflow
from workflows.repair import RepairWorkflow

# Everything else on a shared server comes first.
_LAST = Priority(priority_key=5)
_REFUSALS = {"SamePerson": "same-person", "InvalidState": "invalid-state"}


async def start_reconciliation(
    client: Client, order: ReconciliationOrder, statement: StatementFacts | None = None
) -> None:
    """Start a run of the day, or join the one that is under way.

    One that still waits for the channel's statement takes an uploaded one instead; one that has
    compared already is followed by another. Raises Unavailable when Temporal does not answer.
    """
    message: dict[str, Any] = (
        {"start_signal": "use_statement", "start_signal_args": [statement]}
        if statement
        else {"start_signal": "order_again"}
    )
    try:
        await client.start_workflow(
            ReconciliationWorkflow.run,
            ReconciliationRun(order=order),
            id=reconciliation_workflow_id(order.account_id, order.business_day),
            task_queue=RECONCILIATION,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=of_day(app_id=order.app_id, channel=order.channel),
            static_summary=f"{order.channel} {order.business_day}",
            priority=_LAST,
            rpc_timeout=RPC_TIMEOUT,
            **message,
        )
    except (RPCError, RuntimeError) as error:  # RuntimeError: it was never connected
        raise Unavailable("the reconciliation was not started; ask again") from error


async def start_repair(client: Client, order: RepairOrder) -> bool:
    """Start the run of a repair, or join it. False: Temporal does not answer."""
    try:
        await client.start_workflow(
            RepairWorkflow.run,
            order,
            id=repair_workflow_id(order.discrepancy.id),
            task_queue=RECONCILIATION,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            search_attributes=_attributes(order),
            static_summary=_summary(order),
            priority=_LAST,
            rpc_timeout=RPC_TIMEOUT,
        )
    except (RPCError, RuntimeError):
        return False
    return True


async def decide_repair(
    client: Client, order: RepairOrder, decision: RepairDecision, *, within: timedelta
) -> RepairEnd | None:
    """Hand a second person's decision to the repair's run. None: not known in time.

    A run that was never started is started. One update id for each proposal and way to decide: the
    same one again joins the first. Raises Conflict when the run refuses.
    """
    found = order.discrepancy
    start = WithStartWorkflowOperation(
        RepairWorkflow.run,
        order,
        id=repair_workflow_id(found.id),
        task_queue=RECONCILIATION,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=_attributes(order),
        static_summary=_summary(order),
        priority=_LAST,
    )
    word = "approve" if decision.is_approved else "reject"
    async with in_time(found.id, start, within):
        try:
            return await client.execute_update_with_start_workflow(
                RepairWorkflow.decide,
                decision,
                id=f"{word}-{found.id}-{found.version}",
                start_workflow_operation=start,
                rpc_timeout=within,
            )
        except WorkflowUpdateFailedError as error:
            raise _refusal(error) or error from error
    return None


def evidence_delivery(
    client: Client, database: Database
) -> Callable[[KeptCallback, ChannelEvent], Awaitable[None]]:
    """How a repair hands evidence to the run it is about: as the callbacks' own door does."""

    async def deliver(kept: KeptCallback, event: ChannelEvent) -> None:
        now = datetime.now(UTC)
        if kept.refund_id is not None:
            await deliver_refund_callback(client, database, kept.refund_id, event, now=now)
        elif kept.payment_id is not None:
            await deliver_callback(client, database, kept.payment_id, event, now=now)

    return deliver


def run_nudge(client: Client, database: Database) -> Callable[[str, ChannelEvent], Awaitable[None]]:
    """How a look around tells a payment's run that there is news."""

    async def nudge(payment_id: str, event: ChannelEvent) -> None:
        await deliver_callback(client, database, payment_id, event, now=datetime.now(UTC))

    return nudge


def open_runs(client: Client) -> Callable[[str], Awaitable[bool]]:
    """How a look around sees whether a payment has an open run."""

    async def has_run(payment_id: str) -> bool:
        handle = client.get_workflow_handle(payment_workflow_id(payment_id))
        try:
            described = await handle.describe(rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return described.status is WorkflowExecutionStatus.RUNNING

    return has_run


def _refusal(error: WorkflowUpdateFailedError) -> Conflict | None:
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type not in _REFUSALS:
        return None
    return Conflict(cause.message, code=_REFUSALS[cause.type])


def _attributes(order: RepairOrder) -> TypedSearchAttributes:
    return of_day(app_id=order.discrepancy.app_id, channel=order.discrepancy.channel)


def _summary(order: RepairOrder) -> str:
    found = order.discrepancy
    return f"{order.action} {found.class_} of {found.business_day}"
