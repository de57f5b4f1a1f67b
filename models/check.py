"""A look around: what moved lately at channels, in our books and in Temporal, side by side."""

from datetime import datetime
from enum import StrEnum

from models.channel import Frozen
from models.payment import Attempt, PaymentOrder, PaymentStatus


class FindingKind(StrEnum):
    """What does not fit.

    PAID_AT_CHANNEL: open with us; its own run was told to ask. NOT_PAID_AT_CHANNEL, OTHER_AMOUNT:
    taken, as we have it. NOT_IN_LEDGER: money came or went without its entries. NO_RUN: open, and
    nobody works on it.
    """

    PAID_AT_CHANNEL = "paid_at_channel"
    NOT_PAID_AT_CHANNEL = "not_paid_at_channel"
    OTHER_AMOUNT = "other_amount"
    NOT_IN_LEDGER = "not_in_ledger"
    NO_RUN = "no_run"


class CheckFinding(Frozen):
    kind: FindingKind
    object_id: str
    detail: str


class CheckSubject(Frozen):
    """A payment to be compared: where it stands with us, and what of it went back by now.

    `given_back_minor` also counts what is on its way back.
    """

    order: PaymentOrder
    attempt: Attempt
    status: PaymentStatus
    captured_minor: int
    given_back_minor: int


class CheckRound(Frozen):
    """What one look around saw. `unanswered`: the channel did not say anything clear.

    Of many findings the first ones are kept; `counts` has them all.
    """

    id: str
    started_at: datetime
    finished_at: datetime
    open_payments: int
    successes: int
    unanswered: int
    counts: dict[FindingKind, int]
    findings: tuple[CheckFinding, ...]
