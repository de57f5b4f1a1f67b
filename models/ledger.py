"""The books: signed entries (debit above zero, credit below) that add up to nothing."""

from datetime import datetime
from enum import StrEnum

from models.channel import Frozen
from models.money import AmountMinor, CurrencyCode


class AccountKind(StrEnum):
    """Ledger accounts by what they are; the part after the colon of a name says whose.

    The codes are those of our chart of accounts.
    """

    CHANNEL_CLEARING = "1101"
    BANK = "1102"
    SUSPENSE_DEBIT = "1201"
    MERCHANT_PENDING = "2101"
    REFUND_IN_TRANSIT = "2301"
    SUSPENSE_CREDIT = "2401"
    FEE_INCOME = "4101"
    ROUNDING = "4102"
    CHANNEL_FEE_COST = "5101"
    LOSS = "5102"


class LedgerAccountName(Frozen):
    """Names one ledger account: `1101:acc_01…` is what a channel owes us on that account."""

    kind: AccountKind
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.owner}" if self.owner else self.kind.value


class Posting(Frozen):
    """An amount that moves from `credit` to `debit`."""

    debit: LedgerAccountName
    credit: LedgerAccountName
    amount_minor: AmountMinor
    currency: CurrencyCode


class LedgerTransaction(Frozen):
    """Postings that stand or fall together, once per (`event_type`, `event_id`)."""

    id: str
    event_type: str
    event_id: str
    app_id: str
    postings: tuple[Posting, ...]
    occurred_at: datetime
