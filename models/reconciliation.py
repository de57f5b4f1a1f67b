"""A channel's statement in neutral words: its lines, its totals, and whether it is there at all."""

from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from models.channel import Frozen


class LineKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


class StatementLine(NamedTuple):
    """One movement on a statement. A tuple, since a statement may have millions.

    `amount_minor` is never negative: `kind` says who paid whom. `fee_minor` is what the channel
    took for it; below zero, what it gave back. `serial` is our number of the payment, and
    `refund_serial` ours of the refund; on a refund the channel made by itself it is empty.
    """

    kind: LineKind
    serial: str
    refund_serial: str
    channel_reference: str
    amount_minor: int
    fee_minor: int
    currency: str
    occurred_at: datetime


class StatementTotals(Frozen):
    """What a statement adds up to, verified against what the channel itself says it does."""

    payments: int = 0
    payments_minor: int = 0
    refunds: int = 0
    refunds_minor: int = 0
    fees_minor: int = 0


class StatementAvailability(StrEnum):
    """What became of asking for a statement.

    FETCHED: it lies where it was to be put. EMPTY: the channel says that nothing moved on that day.
    NOT_YET: it is not made yet; ask again later.
    """

    FETCHED = "fetched"
    EMPTY = "empty"
    NOT_YET = "not_yet"


class ReconciliationStatus(StrEnum):
    RUNNING = "running"
    BALANCED = "balanced"
    DISCREPANCIES = "discrepancies"
    FAILED = "failed"
    SIGNED_OFF = "signed_off"


class StatementSource(StrEnum):
    FETCHED = "fetched"
    UPLOADED = "uploaded"
    EMPTY = "empty"


class DiscrepancyClass(StrEnum):
    """What is wrong with a line, or with the want of one. A missing statement is a failed run."""

    CHANNEL_ONLY = "channel_only"
    OURS_ONLY = "ours_only"
    AMOUNT_DIFF = "amount_diff"
    CURRENCY_DIFF = "currency_diff"
    STATUS_DIFF = "status_diff"
    FEE_DIFF = "fee_diff"
    DUPLICATE = "duplicate"
    CUTOFF = "cutoff"


class DiscrepancyStatus(StrEnum):
    """`carried`: the next day's statement is to have it. Resolved is the end."""

    OPEN = "open"
    CARRIED = "carried"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RESOLVED = "resolved"


class RepairAction(StrEnum):
    """What may be done about a discrepancy.

    BOOK hands the line to the payment's or refund's own run as evidence; nothing else moves with
    it, so no second person is asked. SUSPENSE books the difference between the channel and us to
    suspense, WRITE_OFF books it to profit or loss, DISMISS books nothing: those three wait for
    a second person.
    """

    BOOK = "book"
    SUSPENSE = "suspense"
    WRITE_OFF = "write_off"
    DISMISS = "dismiss"


class ReconciliationOrder(Frozen):
    """One channel account and one business day, by the channel's own clock (`timezone`)."""

    reconciliation_id: str
    account_id: str
    app_id: str
    channel: str
    business_day: date
    timezone: str
    requested_by: str


class StatementFacts(Frozen):
    """A statement as it was kept: its file below the statements' folder, its hash and its size."""

    source: StatementSource
    sha256: str = ""
    bytes: int = 0


class MatchingRules(Frozen):
    """How lines and rows are compared.

    A row of ours within `cutoff_minutes` of midnight may be on the neighbouring day's statement.
    A fee may differ from what is agreed by `fee_tolerance_minor`; without `channel_fee_bps` no fee
    is compared.
    """

    version: str = "matching-1"
    cutoff_minutes: int = 30
    fee_tolerance_minor: int = 1
    channel_fee_bps: int | None = None


class SideTotals(Frozen):
    """One kind and currency: what the statement has, what we have, and what lies between them.

    `statement_minor == ours_minor + difference_minor`, where the difference is the sum over the
    discrepancies of what each adds to the statement or takes from us.
    """

    kind: LineKind
    currency: str
    statement_count: int = 0
    statement_minor: int = 0
    fees_minor: int = 0
    ours_count: int = 0
    ours_minor: int = 0
    difference_minor: int = 0

    @property
    def adds_up(self) -> bool:
        return self.statement_minor == self.ours_minor + self.difference_minor


class RunResult(Frozen):
    """What one run found. `classes` counts the discrepancies of the day, by class."""

    lines: int
    matched: int
    totals: tuple[SideTotals, ...]
    classes: dict[DiscrepancyClass, int]
    rules: MatchingRules
    seconds: float

    @property
    def adds_up(self) -> bool:
        return all(side.adds_up for side in self.totals)


class RecordedReconciliation(Frozen):
    """A reconciliation as it stands on disk. `is_new` says whether this call wrote it."""

    order: ReconciliationOrder
    status: ReconciliationStatus
    runs: int
    is_new: bool


class ReconciliationView(Frozen):
    """One account's day for finance. `result` is that of the last run that was not failed."""

    id: str
    account_id: str
    app_id: str
    channel: str
    business_day: date
    timezone: str
    status: ReconciliationStatus
    runs: int
    statement: StatementFacts | None
    result: RunResult | None
    unresolved: int
    failure_code: str | None
    failure_detail: str | None
    requested_by: str
    signed_off_by: str | None
    signed_off_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DiscrepancyView(Frozen):
    """One discrepancy. `line_minor` is the statement's amount, `ours_minor` ours; None: not there.

    Nothing about it is lost: `history` is in its own table, one row for each version.
    """

    id: str
    reconciliation_id: str
    account_id: str
    app_id: str
    channel: str
    business_day: date
    class_: DiscrepancyClass
    kind: LineKind
    serial: str
    refund_serial: str
    channel_reference: str
    payment_id: str | None
    refund_id: str | None
    currency: str
    line_minor: int | None
    ours_minor: int | None
    fee_minor: int | None
    occurred_at: datetime
    detail: str
    status: DiscrepancyStatus
    version: int
    resolution: str | None
    action: RepairAction | None
    reason: str | None
    proposed_by: str | None
    decided_by: str | None
    created_at: datetime
    updated_at: datetime


class DiscrepancyMove(Frozen):
    """One move of a discrepancy. `by` is a reconciliation, a key, or `statement`."""

    version: int
    from_status: DiscrepancyStatus | None
    to_status: DiscrepancyStatus
    by: str
    detail: str
    at: datetime


class RepairOrder(Frozen):
    """A repair to be carried out: the input of `RepairWorkflow`."""

    discrepancy: DiscrepancyView
    action: RepairAction


class RepairDecision(Frozen):
    """A person's word on a proposed repair."""

    decided_by: str
    is_approved: bool
    reason: str
