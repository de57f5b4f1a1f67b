"""The door to Temporal for refunds: start them, hand over decisions and callbacks.

As in `dispatch`: what is handed over is on disk already, so a sweeper can do the same later, and
doing it twice changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from api.dispatch import FIRST, RPC_TIMEOUT, Delivery, in_time
from engine import search_attributes
from models.channel import Approved, ChannelEvent
from models.errors import Conflict
from models.ids import refund_workflow_id
from models.refund import (
    Decision,
    RecordedRefund,
    RefundInitiation,
    RefundOrder,
    RefundState,
    RefundStatus,
)
from observability.logs import logger
from storage.callbacks import mark_handled
from storage.database import Database
from storage.refunds import read_refund_order
from workflows.queues import PAYMENTS
from workflows.refund import RefundWorkflow

_log = logger(__name__)

ENDS = frozenset(
    {
        RefundStatus.SUCCEEDED,
        RefundStatus.FAILED,
        RefundStatus.REJECTED,
        RefundStatus.CANCELED,
    }
)
# What the run's own validator says of a decision, as our codes.
_REFUSALS = {"SamePerson": "same-person", "InvalidState": "invalid-state"}


async def start_refund(
    client: Client, order: RefundOrder, *, within: timedelta
) -> RefundState | None:
    """Start the refund's run, or join it, and wait for the channel's first answer.

    None: it is not known in time. The run exists or a sweeper will start it; never "failed".
    """
    start = _start_of(order)
    async with in_time(order.refund_id, start, within):
        return await client.execute_update_with_start_workflow(
            RefundWorkflow.initiate,
            RefundInitiation(fingerprint=order.fingerprint),
            # With the fingerprint in the id, another body can never be given this one's outcome.
            id=f"init-{order.fingerprint}",
            start_workflow_operation=start,
            rpc_timeout=within,
        )
    return None


async def decide_refund(
    client: Client, order: RefundOrder, decision: Decision, *, within: timedelta
) -> RefundState | None:
    """Hand a second person's decision to the refund's run. None: not known in time.

    A run that a crash left unstarted is started, so that the decision is not lost. One update id
    for each way to decide: the same one again joins the first, the other way is refused. Raises
    Conflict `same-person` or `invalid-state` when the run refuses.
    """
    start = _start_of(order)
    word = "approve" if decision.is_approved else "reject"
    async with in_time(order.refund_id, start, within):
        try:
            return await client.execute_update_with_start_workflow(
                RefundWorkflow.decide,
                decision,
                id=f"{word}-{order.refund_id}",
                start_workflow_operation=start,
                rpc_timeout=within,
            )
        except WorkflowUpdateFailedError as error:
            raise _refusal(error) or error from error
    return None


async def start_unstarted_refund(client: Client, order: RefundOrder) -> bool:
    """Start a run that a crash left behind. False when it exists already."""
    try:
        await client.start_workflow(
            RefundWorkflow.run,
            order,
            id=refund_workflow_id(order.refund_id),
            task_queue=PAYMENTS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=_attributes(order),
            static_summary=_summary(order),
            priority=FIRST,
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


async def deliver_refund_callback(
    client: Client, database: Database, refund_id: str, event: ChannelEvent, *, now: datetime
) -> Delivery:
    """Hand a kept callback to its refund's run; for one that has ended there is nothing to do.

    POSTPONED when Temporal does not answer, or the run is still to be started: the sweeper comes
    back to every unhandled row.
    """
    handle = client.get_workflow_handle(refund_workflow_id(refund_id))
    try:
        await handle.signal(RefundWorkflow.channel_event, event, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return await _after_the_end(database, refund_id, event, now=now)
        _log.warning("signal_postponed", refund_id=refund_id, status=error.status.name)
        return Delivery.POSTPONED
    except RuntimeError as error:  # what the SDK raises when it was never connected
        _log.warning("signal_postponed", refund_id=refund_id, status=str(error))
        return Delivery.POSTPONED
    return Delivery.SIGNALED


async def _after_the_end(
    database: Database, refund_id: str, event: ChannelEvent, *, now: datetime
) -> Delivery:
    async with database.transaction("late refund callback") as connection:
        recorded = await read_refund_order(connection, refund_id)
        if recorded is None or recorded.state.status not in ENDS:
            return Delivery.POSTPONED
        await mark_handled(connection, event.callback_id, now)
    if _contradicts(recorded, event):
        _log.error("refund_contradicted", refund_id=refund_id, status=recorded.state.status)
    else:
        _log.info("late_callback_moot", refund_id=refund_id, kind=event.outcome.kind)
    return Delivery.MOOT


def _contradicts(recorded: RecordedRefund, event: ChannelEvent) -> bool:
    """Whether the channel says that it gave back what our books say it did not."""
    succeeded = recorded.state.status is RefundStatus.SUCCEEDED
    return isinstance(event.outcome, Approved) and not succeeded


def _refusal(error: WorkflowUpdateFailedError) -> Conflict | None:
    cause = error.cause
    if not isinstance(cause, ApplicationError) or cause.type not in _REFUSALS:
        return None
    return Conflict(cause.message, code=_REFUSALS[cause.type])


def _start_of(order: RefundOrder) -> WithStartWorkflowOperation[RefundWorkflow, RefundState]:
    return WithStartWorkflowOperation(
        RefundWorkflow.run,
        order,
        id=refund_workflow_id(order.refund_id),
        task_queue=PAYMENTS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=_attributes(order),
        static_summary=_summary(order),
        priority=FIRST,
    )


def _attributes(order: RefundOrder) -> Any:
    return search_attributes.of_refund(
        app_id=order.app_id,
        merchant_id=order.merchant_id,
        channel=order.attempt.route.channel,
        amount_minor=order.money.amount_minor,
        currency=order.money.currency,
    )


def _summary(order: RefundOrder) -> str:
    return f"refund {order.money} · {order.method} · refund {order.refund_no}"
