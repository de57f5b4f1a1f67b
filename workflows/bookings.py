"""Writing down what was decided, so that a lost worker cannot make it decide otherwise.

A local step costs nothing in the history, but one that is lost with its worker, or with a message
that crosses the end of the run, is done again after everything that came meanwhile was heard. It
is right only where no callback can change the decision; elsewhere the decision goes into the
history first. The books would refuse the second decision, and the run would never end.
"""

from temporalio import workflow

from activities.ledger import LedgerActivities
from activities.records import RecordActivities
from activities.refunds import RefundActivities
from models.payment import CAPTURED, EvidenceKind, Settlement
from models.refund import RefundMove, RefundStatus
from models.steps import RecordStep
from workflows import options

# What the channel answered to our own call is in the history already.
_FIXED = (EvidenceKind.ANSWER, EvidenceKind.VERDICT)


async def record(step: RecordStep) -> None:
    """Write down a move that is not an end."""
    summary = f"record {step.transition.after.status}"
    if step.transition.evidence.kind in _FIXED:
        await workflow.execute_local_activity_method(
            RecordActivities.record_move, step, **options.OUR_RECORDS, summary=summary
        )
        return
    await workflow.execute_activity_method(
        RecordActivities.record_move, step, **options.OUR_RECORDS, summary=summary
    )


async def book_refund(move: RefundMove) -> None:
    """Write down a move of a refund. Given back stays given back, whatever came meanwhile."""
    after, evidence = move.transition.after, move.transition.evidence
    summary = f"book {after.status}"
    if after.status is RefundStatus.SUCCEEDED or evidence.kind in _FIXED:
        await workflow.execute_local_activity_method(
            RefundActivities.book_refund, move, **options.OUR_RECORDS, summary=summary
        )
        return
    await workflow.execute_activity_method(
        RefundActivities.book_refund, move, **options.OUR_RECORDS, summary=summary
    )


async def book(settlement: Settlement) -> None:
    """Write down an end, or that a person has to look. Paid stays paid, whatever came meanwhile."""
    after = settlement.transition.after
    summary = f"book {after.status}"
    if after.status in CAPTURED:
        await workflow.execute_local_activity_method(
            LedgerActivities.settle, settlement, **options.OUR_RECORDS, summary=summary
        )
        return
    await workflow.execute_activity_method(
        LedgerActivities.settle, settlement, **options.OUR_RECORDS, summary=summary
    )
