"""Everything that happened to a payment, and what comes next."""

from datetime import timedelta

from fastapi import Request
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError, RPCStatusCode

from api.answers import Explanation, NextStep, payment_detail
from api.dependencies import ApiDependencies
from models.errors import NotFound
from models.ids import payment_workflow_id
from models.merchant import Role
from models.payment import PAYMENT_ENDS, PaymentStatus
from models.views import PaymentView
from storage.explain import attempts, timeline
from storage.ledger import payment_entries
from storage.payments import read_payment
from workflows.payment import PaymentWorkflow

# An explanation without the run's own words is better than waiting for a worker that is away.
_QUERY_TIMEOUT = timedelta(seconds=1)
_NOT_REACHABLE = NextStep(
    doing="the run is not reachable right now",
    next_step="it goes on by itself when workers and Temporal are back",
    next_step_at=None,
)
_ENDED = NextStep(
    doing="nothing: the payment has ended",
    next_step="money that arrives late is handled by the app's policy",
    next_step_at=None,
)
_NOT_STARTED = NextStep(
    doing="nothing yet: the order is on disk",
    next_step="a sweeper starts its run within seconds",
    next_step_at=None,
)


async def explain(
    request: Request, deps: ApiDependencies, payment_id: str, roles: tuple[Role, ...]
) -> Explanation:
    """The explanation of one payment. Raises NotFound also for another app's."""
    async with deps.session(request, "explain payment", *roles) as (connection, caller):
        view = await read_payment(connection, payment_id, app_id=caller.app_id)
        if view is None:
            raise NotFound("there is no such payment")
        tried = await attempts(connection, payment_id)
        booked = await payment_entries(connection, payment_id)
        entries = await timeline(connection, payment_id)
    run_url = deps.run_url(payment_workflow_id(payment_id))
    return Explanation(
        payment=payment_detail(view, run_url=run_url),
        attempts=tried,
        ledger_entries=booked,
        timeline=entries,
        next=await _next_step(deps.client, view),
        run_url=run_url,
    )


async def _next_step(client: Client, view: PaymentView) -> NextStep:
    if view.status in PAYMENT_ENDS:
        return _ENDED
    handle = client.get_workflow_handle(payment_workflow_id(view.id))
    try:
        progress = await handle.query(PaymentWorkflow.progress, rpc_timeout=_QUERY_TIMEOUT)
    except RPCError as error:
        unstarted = error.status is RPCStatusCode.NOT_FOUND and view.status is PaymentStatus.CREATED
        return _NOT_STARTED if unstarted else _NOT_REACHABLE
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError, RuntimeError):
        return _NOT_REACHABLE
    return NextStep(
        doing=progress.doing, next_step=progress.next_step, next_step_at=progress.next_step_at
    )
