"""A channel's statement in neutral words: its lines, its totals, and whether it is there at all."""

from datetime import datetime
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
