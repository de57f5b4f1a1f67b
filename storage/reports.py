"""What finance reads, from the ledger. A day and an instant go by when a thing happened.

`occurred_at` of a ledger transaction is that instant; when it was written down (`posted_at`) may be
later, after an outage.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import InvalidRequest, Problem
from models.ledger import AccountKind, LedgerAccountName
from models.reconciliation import DiscrepancyClass, ReconciliationStatus, RunResult
from models.reports import (
    ASSETS,
    EXPENSES,
    INCOME,
    LIABILITIES,
    AccountEntry,
    AccountingEquation,
    AccountStatement,
    AgedDiscrepancies,
    CurrencyDay,
    EventTotal,
    ReconciledDay,
    TrialBalance,
    TrialBalanceRow,
)
from storage.paging import Cursor

_TRIAL_BALANCE = text("""
SELECT account.kind, entry.currency,
       coalesce(sum(entry.amount_minor) FILTER (WHERE entry.amount_minor > 0), 0) AS debit_minor,
       coalesce(-sum(entry.amount_minor) FILTER (WHERE entry.amount_minor < 0), 0) AS credit_minor
FROM ledger_entry entry
JOIN ledger_account account ON account.id = entry.ledger_account_id
JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id
WHERE booked.occurred_at <= :at
GROUP BY account.kind, entry.currency
ORDER BY entry.currency, account.kind
""")


async def trial_balance(connection: AsyncConnection, *, at: datetime) -> TrialBalance:
    """The whole house up to and with `at`, and the accounting equation for each currency."""
    rows = tuple(
        TrialBalanceRow(
            kind=AccountKind(row.kind),
            currency=row.currency,
            debit_minor=int(row.debit_minor),
            credit_minor=int(row.credit_minor),
        )
        for row in await connection.execute(_TRIAL_BALANCE, {"at": at})
    )
    return TrialBalance(at=at, rows=rows, equations=equations_of(rows))


def equations_of(rows: tuple[TrialBalanceRow, ...]) -> tuple[AccountingEquation, ...]:
    """The accounting equation of each currency."""
    currencies = sorted({row.currency for row in rows})
    return tuple(_equation(rows, currency) for currency in currencies)


def _equation(rows: tuple[TrialBalanceRow, ...], currency: str) -> AccountingEquation:
    def total(kinds: frozenset[AccountKind]) -> int:
        return sum(
            row.balance_minor
            for row in rows
            if (row.currency, row.kind in kinds) == (currency, True)
        )

    return AccountingEquation(
        currency=currency,
        assets_minor=total(ASSETS),
        liabilities_minor=-total(LIABILITIES),
        income_minor=-total(INCOME),
        expenses_minor=total(EXPENSES),
    )


# ---- one ledger account -----------------------------------------------------------------------

_ACCOUNT_TOTALS = text("""
SELECT coalesce(sum(entry.amount_minor) FILTER (WHERE booked.occurred_at < :since), 0) AS opening,
       coalesce(sum(entry.amount_minor) FILTER (
           WHERE booked.occurred_at >= :since AND entry.amount_minor > 0), 0) AS debits,
       coalesce(-sum(entry.amount_minor) FILTER (
           WHERE booked.occurred_at >= :since AND entry.amount_minor < 0), 0) AS credits,
       coalesce(sum(entry.amount_minor), 0) AS closing
FROM ledger_account account
JOIN ledger_entry entry ON entry.ledger_account_id = account.id
JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id
WHERE (account.kind, account.owner, account.currency) = (:kind, :owner, :currency)
  AND booked.occurred_at < :until
""")

_ACCOUNT_ENTRIES = text("""
SELECT entry.id, entry.amount_minor, booked.occurred_at, booked.id AS ledger_transaction_id,
       booked.event_type, booked.event_id, booked.payment_id,
       sum(entry.amount_minor) OVER (ORDER BY booked.occurred_at, entry.id) AS after_minor
FROM ledger_account account
JOIN ledger_entry entry ON entry.ledger_account_id = account.id
JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id
WHERE (account.kind, account.owner, account.currency) = (:kind, :owner, :currency)
  AND booked.occurred_at >= :since AND booked.occurred_at < :until
""")
_ENTRIES_PAGE = text(f"""
SELECT * FROM ({_ACCOUNT_ENTRIES.text}) AS entries
WHERE CAST(:after_at AS timestamptz) IS NULL
   OR (occurred_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
ORDER BY occurred_at, id
LIMIT :limit
""")  # noqa: S608  # put together from our own text alone


async def account_statement(  # noqa: PLR0913  # one filter each
    connection: AsyncConnection,
    account: LedgerAccountName,
    *,
    currency: str,
    since: datetime,
    until: datetime,
    limit: int,
    cursor: str | None,
) -> AccountStatement:
    """One page of an account's entries, with the balances around each and around all of them.

    Raises InvalidRequest for a cursor that is not ours.
    """
    values = {
        "kind": account.kind.value,
        "owner": account.owner,
        "currency": currency,
        "since": since,
        "until": until,
    }
    totals = (await connection.execute(_ACCOUNT_TOTALS, values)).one()
    after = _position(cursor)
    page = {"after_at": after[0], "after_id": after[1], "limit": limit + 1}
    rows = (await connection.execute(_ENTRIES_PAGE, values | page)).all()
    opening = int(totals.opening)
    entries = tuple(
        AccountEntry(
            id=str(row.id),
            occurred_at=row.occurred_at,
            ledger_transaction_id=row.ledger_transaction_id,
            event_type=row.event_type,
            event_id=row.event_id,
            payment_id=row.payment_id,
            amount_minor=row.amount_minor,
            before_minor=opening + int(row.after_minor) - row.amount_minor,
            after_minor=opening + int(row.after_minor),
        )
        for row in rows[:limit]
    )
    last = entries[-1] if len(rows) > limit else None
    return AccountStatement(
        account=str(account),
        currency=currency,
        since=since,
        until=until,
        opening_minor=opening,
        in_minor=int(totals.debits),
        out_minor=int(totals.credits),
        closing_minor=int(totals.closing),
        entries=entries,
        next_cursor=str(Cursor(created_at=last.occurred_at, id=last.id)) if last else None,
    )


def _position(cursor: str | None) -> tuple[datetime | None, int | None]:
    if cursor is None:
        return None, None
    last = Cursor.parse(cursor)
    if not last.id.isdecimal() or len(last.id) > 18:  # noqa: PLR2004  # what a bigint holds
        problem = Problem(pointer="#/cursor", code="cursor-invalid", detail="not of this list")
        raise InvalidRequest("the cursor is not one of ours", problems=(problem,))
    return last.created_at, int(last.id)


# ---- a channel account's day ------------------------------------------------------------------

_DAY = text("""
SELECT account.kind, entry.currency, booked.event_type,
       coalesce(sum(entry.amount_minor) FILTER (WHERE booked.occurred_at < :since), 0) AS before,
       count(DISTINCT booked.id) FILTER (WHERE booked.occurred_at >= :since) AS events,
       coalesce(sum(entry.amount_minor) FILTER (
           WHERE booked.occurred_at >= :since AND entry.amount_minor > 0), 0) AS debits,
       coalesce(-sum(entry.amount_minor) FILTER (
           WHERE booked.occurred_at >= :since AND entry.amount_minor < 0), 0) AS credits
FROM ledger_account account
JOIN ledger_entry entry ON entry.ledger_account_id = account.id
JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id
WHERE account.kind IN ('1101', '1201', '2401', '5101') AND account.owner = :account_id
  AND booked.occurred_at < :until
GROUP BY account.kind, entry.currency, booked.event_type
ORDER BY entry.currency, account.kind, booked.event_type
""")

# Our own fee stands on an account without an owner: found through the clearing entry beside it.
_FEE_INCOME = text("""
SELECT fee.currency, -sum(fee.amount_minor) AS minor
FROM ledger_transaction booked
JOIN ledger_entry fee ON fee.ledger_transaction_id = booked.id
JOIN ledger_account income ON income.id = fee.ledger_account_id AND income.kind = '4101'
WHERE booked.occurred_at >= :since AND booked.occurred_at < :until
  AND EXISTS (
      SELECT FROM ledger_entry entry
      JOIN ledger_account clearing ON clearing.id = entry.ledger_account_id
      WHERE entry.ledger_transaction_id = booked.id
        AND (clearing.kind, clearing.owner) = ('1101', :account_id)
  )
GROUP BY fee.currency
""")

_PAID_IN = frozenset({"payment.captured", "payment.late_success"})


async def channel_day(
    connection: AsyncConnection, account_id: str, *, since: datetime, until: datetime
) -> tuple[CurrencyDay, ...]:
    """What an account's day did to our books, by currency."""
    values = {"account_id": account_id, "since": since, "until": until}
    rows = (await connection.execute(_DAY, values)).mappings().all()
    fees = {row.currency: int(row.minor) for row in await connection.execute(_FEE_INCOME, values)}
    return tuple(
        _currency_day(currency, [row for row in rows if row["currency"] == currency], fees)
        for currency in sorted({row["currency"] for row in rows})
    )


def _currency_day(currency: str, rows: list[Any], fees: dict[str, int]) -> CurrencyDay:
    def moved(row: Any) -> int:
        return int(row["debits"] - row["credits"])

    clearing = [row for row in rows if row["kind"] == AccountKind.CHANNEL_CLEARING]
    paid = [row for row in clearing if row["event_type"] in _PAID_IN]
    refunded = [row for row in clearing if row["event_type"] == "refund.succeeded"]
    opening = sum(int(row["before"]) for row in clearing)

    def total_of(kind: AccountKind) -> int:
        return sum(moved(row) for row in rows if row["kind"] == kind)

    return CurrencyDay(
        currency=currency,
        opening_minor=opening,
        in_minor=sum(int(row["debits"]) for row in clearing),
        out_minor=sum(int(row["credits"]) for row in clearing),
        closing_minor=opening + sum(moved(row) for row in clearing),
        clearing=tuple(
            EventTotal(event_type=row["event_type"], count=row["events"], amount_minor=moved(row))
            for row in clearing
            if row["events"]
        ),
        payments=sum(row["events"] for row in paid),
        payments_minor=sum(moved(row) for row in paid),
        refunds=sum(row["events"] for row in refunded),
        refunds_minor=-sum(moved(row) for row in refunded),
        channel_fees_minor=total_of(AccountKind.CHANNEL_FEE_COST),
        fee_income_minor=fees.get(currency, 0),
        suspense_credit_minor=-total_of(AccountKind.SUSPENSE_CREDIT),
        suspense_debit_minor=total_of(AccountKind.SUSPENSE_DEBIT),
    )


_RECONCILED = text("""
SELECT id, status, result, (
    SELECT count(*) FROM discrepancy
    WHERE discrepancy.reconciliation_id = reconciliation.id AND discrepancy.status <> 'resolved'
) AS unresolved
FROM reconciliation WHERE account_id = :account_id AND business_day = :day
""")


async def reconciled_day(
    connection: AsyncConnection, account_id: str, day: date
) -> ReconciledDay | None:
    found = await connection.execute(_RECONCILED, {"account_id": account_id, "day": day})
    row = found.mappings().one_or_none()
    if row is None:
        return None
    result = RunResult.model_validate(row["result"]) if row["result"] else None
    return ReconciledDay(
        id=row["id"],
        status=ReconciliationStatus(row["status"]),
        matched=result.matched if result else 0,
        unresolved=row["unresolved"],
        classes=result.classes if result else {},
    )


# ---- what is open -----------------------------------------------------------------------------

_AGED = text("""
SELECT account_id, class, currency,
       count(*) FILTER (WHERE age <= 1) AS days_0_1,
       count(*) FILTER (WHERE age BETWEEN 2 AND 3) AS days_2_3,
       count(*) FILTER (WHERE age BETWEEN 4 AND 7) AS days_4_7,
       count(*) FILTER (WHERE age > 7) AS older,
       sum(CASE kind WHEN 'payment' THEN 1 ELSE -1 END
           * (coalesce(line_minor, 0) - coalesce(ours_minor, 0))) AS difference_minor
FROM (SELECT *, CAST(:today AS date) - business_day AS age FROM discrepancy
      WHERE status <> 'resolved') AS unresolved
WHERE CAST(:app_id AS text) IS NULL OR app_id = :app_id
GROUP BY account_id, class, currency
ORDER BY account_id, class, currency
""")


async def aged_discrepancies(
    connection: AsyncConnection, *, app_id: str | None, today: date
) -> tuple[AgedDiscrepancies, ...]:
    """Everything unresolved, by age in days; `app_id` None looks in every app."""
    rows = await connection.execute(_AGED, {"app_id": app_id, "today": today})
    return tuple(
        AgedDiscrepancies(
            account_id=row["account_id"],
            class_=DiscrepancyClass(row["class"]),
            currency=row["currency"],
            days_0_1=row["days_0_1"],
            days_2_3=row["days_2_3"],
            days_4_7=row["days_4_7"],
            older=row["older"],
            difference_minor=int(row["difference_minor"]),
        )
        for row in rows.mappings()
    )
