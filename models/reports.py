"""What finance reads: each report with the equation it has to satisfy, and whether it does."""

from datetime import date, datetime

from pydantic import computed_field

from models.channel import Frozen
from models.ledger import AccountKind, LedgerAccountName
from models.money import CurrencyCode
from models.reconciliation import DiscrepancyClass, ReconciliationStatus

# Which side of the accounting equation a kind of account stands on.
ASSETS = frozenset({AccountKind.CHANNEL_CLEARING, AccountKind.BANK, AccountKind.SUSPENSE_DEBIT})
LIABILITIES = frozenset(
    {
        AccountKind.MERCHANT_PENDING,
        AccountKind.REFUND_IN_TRANSIT,
        AccountKind.SUSPENSE_CREDIT,
    }
)
INCOME = frozenset({AccountKind.FEE_INCOME, AccountKind.ROUNDING})
EXPENSES = frozenset({AccountKind.CHANNEL_FEE_COST, AccountKind.LOSS})


class TrialBalanceRow(Frozen):
    """All accounts of one kind in one currency. The balance is debits less credits."""

    kind: AccountKind
    currency: CurrencyCode
    debit_minor: int
    credit_minor: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balance_minor(self) -> int:
        return self.debit_minor - self.credit_minor


class AccountingEquation(Frozen):
    """Assets = liabilities + income - expenses, in one currency; each with its usual sign."""

    currency: CurrencyCode
    assets_minor: int
    liabilities_minor: int
    income_minor: int
    expenses_minor: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        return self.assets_minor == (
            self.liabilities_minor + self.income_minor - self.expenses_minor
        )


class TrialBalance(Frozen):
    """The whole house up to and with `at`."""

    at: datetime
    rows: tuple[TrialBalanceRow, ...]
    equations: tuple[AccountingEquation, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        return all(equation.balanced for equation in self.equations)


class LedgerAccountBalance(Frozen):
    """One ledger account with everything that is posted by now. Debits less credits."""

    kind: AccountKind
    owner: str
    name: str | None = None
    currency: CurrencyCode
    debit_minor: int
    credit_minor: int
    open_since: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def account(self) -> str:
        return str(LedgerAccountName(kind=self.kind, owner=self.owner))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balance_minor(self) -> int:
        return self.debit_minor - self.credit_minor


class LedgerAccountList(Frozen):
    """One page of ledger accounts. `open_since` is for suspense: since when it is not empty."""

    items: tuple[LedgerAccountBalance, ...]
    next_cursor: str | None


class AccountEntry(Frozen):
    """One entry of a ledger account, with the balance before and after it."""

    id: str
    occurred_at: datetime
    ledger_transaction_id: str
    event_type: str
    event_id: str
    payment_id: str | None
    amount_minor: int
    before_minor: int
    after_minor: int


class AccountStatement(Frozen):
    """One ledger account in one currency, from `since` up to before `until`.

    `in_minor` are its debits, `out_minor` its credits: opening + in - out = closing. `entries` are
    one page of it, oldest first.
    """

    account: str
    currency: CurrencyCode
    since: datetime
    until: datetime
    opening_minor: int
    in_minor: int
    out_minor: int
    closing_minor: int
    entries: tuple[AccountEntry, ...]
    next_cursor: str | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        return self.opening_minor + self.in_minor - self.out_minor == self.closing_minor


class EventTotal(Frozen):
    """What one kind of event did to an account: how many ledger transactions, and how much."""

    event_type: str
    count: int
    amount_minor: int


class CurrencyDay(Frozen):
    """A channel account's day in one currency, from our books.

    Clearing (1101) is what the channel owes us: opening + in - out = closing. `clearing` says which
    events make up the difference. `net_minor` is what came in less refunds and the channel's fees.
    """

    currency: CurrencyCode
    opening_minor: int
    in_minor: int
    out_minor: int
    closing_minor: int
    clearing: tuple[EventTotal, ...]
    payments: int
    payments_minor: int
    refunds: int
    refunds_minor: int
    channel_fees_minor: int
    fee_income_minor: int
    suspense_credit_minor: int
    suspense_debit_minor: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def net_minor(self) -> int:
        return self.payments_minor - self.refunds_minor - self.channel_fees_minor

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        moved = sum(event.amount_minor for event in self.clearing)
        return (
            self.opening_minor + self.in_minor - self.out_minor == self.closing_minor
            and self.in_minor - self.out_minor == moved
        )


class ReconciledDay(Frozen):
    """What the reconciliation of the day says, when there was one."""

    id: str
    status: ReconciliationStatus
    matched: int
    unresolved: int
    classes: dict[DiscrepancyClass, int]


class ChannelDay(Frozen):
    """A channel account's business day, by the channel's own clock."""

    account_id: str
    channel: str
    business_day: date
    timezone: str
    currencies: tuple[CurrencyDay, ...]
    reconciliation: ReconciledDay | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        return all(day.balanced for day in self.currencies)


class AgedDiscrepancies(Frozen):
    """Unresolved discrepancies of one account, class and currency, by days since their own day."""

    account_id: str
    class_: DiscrepancyClass
    currency: CurrencyCode
    days_0_1: int
    days_2_3: int
    days_4_7: int
    older: int
    difference_minor: int


class AgeingReport(Frozen):
    """Everything unresolved, as of a day."""

    as_of: date
    items: tuple[AgedDiscrepancies, ...]
