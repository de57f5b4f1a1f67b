"""What the steps of a reconciliation take and give: references and counts, never lines."""

from datetime import datetime

from models.channel import Frozen
from models.reconciliation import (
    DiscrepancyView,
    MatchingRules,
    ReconciliationOrder,
    ReconciliationStatus,
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


class Compared(Frozen):
    """What came of comparing, and by which rules."""

    result: RunResult
    rules: MatchingRules


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


class RepairEnd(Frozen):
    """How a repair ended: `is_resolved` False leaves the discrepancy open, for `detail`."""

    discrepancy_id: str
    is_resolved: bool
    detail: str = ""


class EndStep(Frozen):
    """End a repair that books nothing itself, or leave its discrepancy open again."""

    discrepancy: DiscrepancyView
    end: RepairEnd
