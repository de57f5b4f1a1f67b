"""What the steps of a reconciliation take and give: references and counts, never lines."""

from datetime import datetime

from models.channel import Frozen
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyStatus,
    DiscrepancyView,
    ReconciliationOrder,
    ReconciliationStatus,
    RepairAction,
    RepairDecision,
    RepairOrder,
    RunResult,
    StatementFacts,
)


class ReconciliationRun(Frozen):
    """Input of `ReconciliationWorkflow`. `statement`: one that was uploaded, used as it is."""

    order: ReconciliationOrder
    statement: StatementFacts | None = None


class ReconciliationEnd(Frozen):
    """How a run ended. `repairs_under_way`: repairs that were begun and need more time."""

    reconciliation_id: str
    status: ReconciliationStatus
    code: str = ""
    detail: str = ""
    repaired: int = 0
    repairs_under_way: int = 0


class ScheduledDay(Frozen):
    """Reconcile the day before `scheduled_at`, by the clock of the account's channel."""

    account_id: str
    scheduled_at: datetime


class CompareStep(Frozen):
    """Load a kept statement and compare it with our books."""

    order: ReconciliationOrder
    statement: StatementFacts


class FeesStep(Frozen):
    """Book what the channel took on a day. `run` is the number of the run that found it."""

    order: ReconciliationOrder
    run: int
    result: RunResult
    at: datetime


class FailStep(Frozen):
    order: ReconciliationOrder
    code: str
    detail: str


class DecisionStep(Frozen):
    """Write down what a second person said about a proposed repair."""

    order: RepairOrder
    decision: RepairDecision


class Handover(Frozen):
    """A statement's line as it was put into the inbox. `refusal`: why no run can take it."""

    order: RepairOrder
    callback_id: str
    refusal: str = ""


class RepairEnd(Frozen):
    """How a repair ended. When it is not resolved, `detail` says why it is open again."""

    discrepancy_id: str
    is_resolved: bool
    detail: str = ""


# What may be done about each class. A fee is booked as it was taken, whatever was agreed; what is
# carried is first looked for on the next statement; amounts in two currencies have no difference
# that could be booked.
_MONEY = frozenset({RepairAction.SUSPENSE, RepairAction.WRITE_OFF, RepairAction.DISMISS})
REPAIRS: dict[DiscrepancyClass, frozenset[RepairAction]] = {
    DiscrepancyClass.CHANNEL_ONLY: _MONEY,
    DiscrepancyClass.OURS_ONLY: _MONEY,
    DiscrepancyClass.AMOUNT_DIFF: _MONEY,
    DiscrepancyClass.DUPLICATE: _MONEY,
    DiscrepancyClass.STATUS_DIFF: _MONEY | {RepairAction.BOOK},
    DiscrepancyClass.CURRENCY_DIFF: frozenset({RepairAction.DISMISS}),
    DiscrepancyClass.CUTOFF: frozenset({RepairAction.DISMISS}),
    DiscrepancyClass.FEE_DIFF: frozenset({RepairAction.DISMISS}),
}


def repairs_of(found: DiscrepancyView) -> frozenset[RepairAction]:
    """What may be proposed now. What is carried is in doubt, and not missing yet."""
    match found.status:
        case DiscrepancyStatus.OPEN:
            return REPAIRS[found.class_]
        case DiscrepancyStatus.CARRIED:
            return frozenset({RepairAction.DISMISS})
        case _:
            return frozenset()
