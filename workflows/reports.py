"""What Temporal UI and `explain` say about a run while it goes on."""

from datetime import datetime

from temporalio import workflow

from models.payment import PaymentOrder, PaymentState, Progress


def report(
    order: PaymentOrder,
    state: PaymentState,
    *,
    doing: str,
    next_step: str,
    next_step_at: datetime | None,
) -> Progress:
    """Show where a payment stands in Temporal UI, and give the same for the `progress` query."""
    when = f" at {next_step_at:%Y-%m-%d %H:%M:%S} UTC" if next_step_at else ""
    workflow.set_current_details(
        f"**{state.status}** · {order.money} · {order.method or 'the payer chooses'}\n\n"
        f"now: {doing}\n\nnext: {next_step}{when}"
    )
    return Progress(
        status=state.status, doing=doing, next_step=next_step, next_step_at=next_step_at
    )
