"""The door to Temporal: start payments, hand callbacks to their runs, ask for a cancellation.

Whatever happens here, the order or callback is on disk already: when Temporal does not answer, a
sweeper does the same later, and doing it twice changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from engine import search_attributes
from models.channel import Approved, CallbackFacts, ChannelEvent, Unknown
from models.errors import Unavailable
from models.ids import late_workflow_id, new_id, notification_workflow_id, payment_workflow_id
from models.notification import NotificationRun
from models.payment import (
    CAPTURED,
    AttemptStatus,
    Cancellation,
    Capture,
    Choice,
    Initiation,
    InitiationResult,
    LateSuccess,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
)
from models.views import CallbackMatch, KeptCallback, RecordedOrder
from observability.logs import logger
from storage.callbacks import mark_handled, read_callback
from storage.database import Database
from storage.payments import read_attempt, read_order
from workflows.late_success import LateSuccessWorkflow
from workflows.notification import NotificationWorkflow
from workflows.payment import PaymentWorkflow
from workflows.queues import NOTIFICATIONS, PAYMENTS

_log = logger(__name__)

# A signal or start is one write of the server; longer than this it is down, and a sweeper follows.
RPC_TIMEOUT = timedelta(seconds=3)
# rpc_timeout ends the first call, not the poll for the outcome; this much later we end that too.
_GRACE = timedelta(milliseconds=500)
# Payments come before late money and housekeeping on the same queue (1 is first, 3 the default).
FIRST = Priority(priority_key=1)


class Delivery(StrEnum):
    """What became of a callback that was handed over."""

    SIGNALED = "signaled"
    LATE = "late"
    MOOT = "moot"
    POSTPONED = "postponed"


async def start_payment(
    client: Client, order: PaymentOrder, *, within: timedelta
) -> InitiationResult | None:
    """Start the payment's run, or join it, and wait for the channel's first answer.

    None: it is not known in time. The run exists or a sweeper will start it; never "failed".
    """
    start = _start_of(order)
    async with in_time(order.payment_id, start, within):
        return await client.execute_update_with_start_workflow(
            PaymentWorkflow.initiate,
            Initiation(fingerprint=order.fingerprint),
            # With the fingerprint in the id, another body can never be given this one's outcome.
            id=f"init-{order.fingerprint}",
            start_workflow_operation=start,
            rpc_timeout=within,
        )
    return None


async def cancel_payment(
    client: Client, order: PaymentOrder, cancellation: Cancellation, *, within: timedelta
) -> PaymentState | None:
    """Ask the payment's run to end and wait for that. None: not known in time.

    A run that a crash left unstarted is started, so that the command is not lost. One update id
    for each payment: a repeated command joins the first.
    """
    start = _start_of(order)
    async with in_time(order.payment_id, start, within):
        return await client.execute_update_with_start_workflow(
            PaymentWorkflow.cancel,
            cancellation,
            id=f"cancel-{order.payment_id}",
            start_workflow_operation=start,
            rpc_timeout=within,
        )
    return None


async def capture_payment(
    client: Client, order: PaymentOrder, capture: Capture, *, within: timedelta
) -> PaymentState | None:
    """Tell the payment's run to take what is held, and wait for its end. None: not known in time.

    The command is a signal: once Temporal took it, it is done, whoever waits. Raises Unavailable
    when it was not taken.
    """
    handle = client.get_workflow_handle(payment_workflow_id(order.payment_id))
    try:
        await handle.signal(PaymentWorkflow.capture, capture, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # it has just ended
            return None
        raise Unavailable("the capture was not taken; send it again") from error
    end = handle.execute_update(PaymentWorkflow.end, rpc_timeout=within)
    return await _known_in_time(end, within)


async def choose_method(
    client: Client, recorded: RecordedOrder, choice: Choice, *, within: timedelta
) -> PaymentState | None:
    """Tell the payment's run what the payer at the cash desk chose; wait for what becomes of it.

    None: not known in time, too late for this choice, or the run has just ended. The same choice,
    from another tab say, joins the first.
    """
    payment_id = recorded.order.payment_id
    answer = client.get_workflow_handle(payment_workflow_id(payment_id)).execute_update(
        PaymentWorkflow.choose,
        choice,
        # One for each click: what was chosen in vain may be chosen again.
        id=f"choose-{new_id('cmd')}",
        rpc_timeout=within,
    )
    return await _known_in_time(answer, within)


async def _known_in_time(answer: Awaitable[PaymentState], within: timedelta) -> PaymentState | None:
    try:
        async with asyncio.timeout((within + _GRACE).total_seconds()):
            return await answer
    except (
        WorkflowUpdateRPCTimeoutOrCancelledError,
        WorkflowUpdateFailedError,
        RPCError,
        RuntimeError,  # what the SDK raises when it was never connected
        TimeoutError,
    ):
        _propagate_cancellation()
        return None


async def start_unstarted(client: Client, order: PaymentOrder) -> bool:
    """Start a run that a crash left behind. False when it exists already."""
    try:
        await client.start_workflow(
            PaymentWorkflow.run,
            order,
            id=payment_workflow_id(order.payment_id),
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


async def wake_notifications(client: Client, app_id: str) -> None:
    """Let the app's notification run look at its outbox now; start it when there is none."""
    await client.start_workflow(
        NotificationWorkflow.run,
        NotificationRun(app_id=app_id),
        id=notification_workflow_id(app_id),
        task_queue=NOTIFICATIONS,
        start_signal="wake",
        rpc_timeout=RPC_TIMEOUT,
    )


async def tell_notifications(client: Client, app_id: str, *, paused: bool) -> None:
    """Pause or resume the app's notification run; without one there is nothing to tell."""
    handle = client.get_workflow_handle(notification_workflow_id(app_id))
    try:
        if paused:
            await handle.signal(NotificationWorkflow.pause, rpc_timeout=RPC_TIMEOUT)
        else:
            await handle.signal(NotificationWorkflow.resume, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def event_of(kept: KeptCallback, facts: CallbackFacts) -> ChannelEvent:
    """The news as its workflow may hear it: a disputed one says only that somebody should ask."""
    event = ChannelEvent(
        callback_id=kept.id,
        serial=facts.serial,
        outcome=facts.outcome,
        received_at=kept.received_at,
    )
    return without_dispute(kept, event)


def without_dispute(kept: KeptCallback, event: ChannelEvent) -> ChannelEvent:
    """`event`, or for another amount than the order's the demand to query the channel."""
    if not is_disputed(kept):
        return event
    named = event.outcome.money if isinstance(event.outcome, Approved) else event.outcome.kind
    unknown = Unknown(detail=f"the callback names {named}, the order is {kept.expected}")
    return event.model_copy(update={"outcome": unknown})


def is_disputed(kept: KeptCallback) -> bool:
    """Also for the repetition of one: `expected` is filled in for those alone."""
    return kept.match is CallbackMatch.DISPUTED or kept.expected != ""


async def deliver_callback(
    client: Client, database: Database, payment_id: str, event: ChannelEvent, *, now: datetime
) -> Delivery:
    """Hand a kept callback to its payment's run, or to a run for late money.

    POSTPONED when Temporal does not answer: the sweeper comes back to every unhandled row.
    """
    handle = client.get_workflow_handle(payment_workflow_id(payment_id))
    try:
        await handle.signal(PaymentWorkflow.channel_event, event, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            _log.warning("signal_postponed", payment_id=payment_id, status=error.status.name)
            return Delivery.POSTPONED
        return await _deliver_late(client, database, payment_id, event, now=now)
    except RuntimeError as error:  # what the SDK raises when it was never connected
        _log.warning("signal_postponed", payment_id=payment_id, status=str(error))
        return Delivery.POSTPONED
    return Delivery.SIGNALED


async def _deliver_late(
    client: Client, database: Database, payment_id: str, event: ChannelEvent, *, now: datetime
) -> Delivery:
    async with database.transaction("late callback") as connection:
        unhandled = await read_callback(connection, event.callback_id)
        recorded = await read_order(connection, payment_id)
        if unhandled is None or recorded is None or unhandled.kept.handled:
            return Delivery.MOOT
        late = _late_success(recorded.order, event)
        if late is not None and recorded.state.status in CAPTURED:
            attempt = await read_attempt(connection, late.attempt_id)
            if attempt is not None and attempt.status is AttemptStatus.CHARGED:
                late = None
            else:  # money came twice: nobody wants it, whatever the app says of late money
                _log.error("second_attempt_paid", payment_id=payment_id, serial=event.serial)
                late = late.model_copy(update={"policy": LateSuccessPolicy.REFUND})
        if late is None:
            await mark_handled(connection, event.callback_id, now)
            _log.info("late_callback_moot", payment_id=payment_id, kind=event.outcome.kind)
            return Delivery.MOOT
    try:
        await client.start_workflow(
            LateSuccessWorkflow.run,
            late,
            id=late_workflow_id(payment_id, late.callback_id),
            task_queue=PAYMENTS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{late.money} arrived late",
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return Delivery.LATE
    except RPCError as error:
        _log.warning("late_start_postponed", payment_id=payment_id, status=error.status.name)
        return Delivery.POSTPONED
    return Delivery.LATE


def _late_success(order: PaymentOrder, event: ChannelEvent) -> LateSuccess | None:
    if not isinstance(event.outcome, Approved):
        return None
    return LateSuccess(
        payment_id=order.payment_id,
        attempt_id=f"att_{event.serial}",
        callback_id=event.callback_id,
        policy=order.late_success,
        money=event.outcome.money,
        channel_reference=event.outcome.channel_reference,
        held=event.outcome.held,
        source=event.source,
    )


def _start_of(order: PaymentOrder) -> WithStartWorkflowOperation[PaymentWorkflow, PaymentState]:
    return WithStartWorkflowOperation(
        PaymentWorkflow.run,
        order,
        id=payment_workflow_id(order.payment_id),
        task_queue=PAYMENTS,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        search_attributes=_attributes(order),
        static_summary=_summary(order),
        priority=FIRST,
    )


@asynccontextmanager
async def in_time(
    business_id: str, start: WithStartWorkflowOperation[Any, Any], within: timedelta
) -> AsyncIterator[None]:
    """Ends silently when the answer is not known `within` its time, for whatever reason."""
    try:
        async with asyncio.timeout((within + _GRACE).total_seconds()):
            yield
    except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError):
        _propagate_cancellation()
        _log.info("not_known_in_time", business_id=business_id)
    except WorkflowAlreadyStartedError:
        _log.info("run_already_closed", business_id=business_id)
    except (WorkflowUpdateFailedError, RPCError, RuntimeError) as error:
        # RuntimeError: what the SDK raises when it was never connected.
        _log.warning("no_answer_from_run", business_id=business_id, reason=str(error))
    finally:
        _consume(start)


def _propagate_cancellation() -> None:
    # The SDK also turns a real cancellation (the client left, we shut down) into its timeout error.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _consume(start: WithStartWorkflowOperation[Any, Any]) -> None:
    # There is no public way to say that nobody waits for the handle; unread, its exception is
    # reported as "never retrieved" when it is collected.
    future = start._workflow_handle
    if future.done() and not future.cancelled():
        future.exception()


def _attributes(order: PaymentOrder) -> Any:
    return search_attributes.of_order(
        app_id=order.app_id,
        merchant_id=order.merchant_id,
        amount_minor=order.money.amount_minor,
        currency=order.money.currency,
    )


def _summary(order: PaymentOrder) -> str:
    return f"{order.money} · {order.method or 'cash desk'} · order {order.order_no}"


async def wake_if_reachable(client: Client, app_id: str) -> None:
    """Wake the app's notifications; when Temporal does not answer, the sweeper does it."""
    try:
        await wake_notifications(client, app_id)
    except (RPCError, RuntimeError) as error:
        _log.warning("wake_postponed", app_id=app_id, reason=str(error))


async def tell_if_reachable(client: Client, app_id: str, *, paused: bool) -> None:
    """Pause or resume the app's notifications now; the row says so in any case."""
    try:
        await tell_notifications(client, app_id, paused=paused)
    except (RPCError, RuntimeError) as error:
        _log.warning("pause_postponed", app_id=app_id, reason=str(error))
