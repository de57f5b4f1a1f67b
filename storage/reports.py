"""What finance reads, from the ledger. A day and an instant go by when a thing happened.

`occurred_at` of a ledger transaction is that instant; when it was written down (`posted_at`) may be
later, after an outage.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import InvalidRequest, Problem
from models.ledger import AccountKind, LedgerAccountName
from models.reconciliation import ReconciliationStatus, RunResult
from models.reports import (
    ASSETS,
    EXPENSES,
    INCOME,
    LIABILITIES,
    AccountEntry,
    AccountingEquation,
    AccountStatement,
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


# What entries are added up by (see `ledger_totals`): every time zone's days begin with one.
_SLOT = timedelta(minutes=15)

# ---- one ledger account -----------------------------------------------------------------------

# What was posted after the slots were last added to (see `ledger_totals`). That is little, which
# the planner cannot know: OFFSET 0 keeps it from reading everything for it.
_LATER = """
FROM ledger_transaction booked
CROSS JOIN LATERAL (
    SELECT entry.amount_minor, entry.occurred_at, account.id, account.kind, account.owner,
           account.currency
    FROM ledger_entry entry
    JOIN ledger_account account ON account.id = entry.ledger_account_id
    WHERE entry.ledger_transaction_id = booked.id OFFSET 0
) AS leg
WHERE booked.posted_at >= (SELECT added_until FROM ledger_total_mark)
"""
# Starting workers would take longer than what they are started for.
ALONE = text("SET LOCAL max_parallel_workers_per_gather = 0")
_OF_ACCOUNT = "(account.kind, account.owner, account.currency) = (:kind, :owner, :currency)"
_ACCOUNT_ID = f"(SELECT id FROM ledger_account account WHERE {_OF_ACCOUNT})"  # noqa: S608

# Whole slots, and entry by entry the two that `since` and `until` cut.
_ACCOUNT_TOTALS = text(f"""
SELECT coalesce(sum(debit_minor - credit_minor) FILTER (WHERE at < :since), 0) AS opening,
       coalesce(sum(debit_minor) FILTER (WHERE at >= :since), 0) AS debits,
       coalesce(sum(credit_minor) FILTER (WHERE at >= :since), 0) AS credits,
       coalesce(sum(debit_minor - credit_minor), 0) AS closing
FROM (
    SELECT slot AS at, debit_minor, credit_minor FROM ledger_slot
    WHERE ledger_account_id = {_ACCOUNT_ID} AND slot < :until_slot AND slot <> :since_slot
    UNION ALL
    SELECT leg.occurred_at, greatest(leg.amount_minor, 0), greatest(-leg.amount_minor, 0)
    {_LATER} AND (leg.kind, leg.owner, leg.currency) = (:kind, :owner, :currency)
        AND leg.occurred_at < :until_slot
        AND date_bin('15 minutes', leg.occurred_at, 'epoch') <> :since_slot
    UNION ALL
    SELECT occurred_at, greatest(amount_minor, 0), greatest(-amount_minor, 0) FROM ledger_entry
    WHERE ledger_account_id = {_ACCOUNT_ID} AND occurred_at < :until
        AND occurred_at >= :since_slot
        AND occurred_at < CAST(:since_slot AS timestamptz) + interval '15 minutes'
    UNION ALL
    SELECT occurred_at, greatest(amount_minor, 0), greatest(-amount_minor, 0) FROM ledger_entry
    WHERE ledger_account_id = {_ACCOUNT_ID} AND occurred_at < :until
        AND occurred_at >= :until_slot AND :until_slot <> :since_slot
) AS parts
""")  # noqa: S608  # put together from our own text alone
_ENTRIES_PAGE = text(f"""
SELECT entry.id, entry.amount_minor, entry.occurred_at, booked.id AS ledger_transaction_id,
       booked.event_type, booked.event_id, booked.payment_id
FROM ledger_entry entry
JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id
WHERE entry.ledger_account_id = {_ACCOUNT_ID} AND entry.occurred_at < :until
  AND (entry.occurred_at, entry.id)
      > (CAST(:after_at AS timestamptz), CAST(:after_id AS bigint))
ORDER BY entry.occurred_at, entry.id
LIMIT :limit
""")  # noqa: S608  # put together from our own text alone
_AT_THE_MOMENT = text(f"""
SELECT coalesce(sum(amount_minor), 0) AS minor FROM ledger_entry
WHERE ledger_account_id = {_ACCOUNT_ID} AND occurred_at = :after_at AND id <= :after_id
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
    await connection.execute(ALONE)
    who = {"kind": account.kind.value, "owner": account.owner, "currency": currency}
    totals = await _totals(connection, who, since=since, until=until)
    opening, after = int(totals.opening), _position(cursor)
    # Without a cursor right before the first entry of that moment: ids begin with one.
    after_at, after_id = after or (since, 0)
    before = await _balance_after(connection, who, after_at, after_id) if after else opening
    page = {"after_at": after_at, "after_id": after_id, "until": until, "limit": limit + 1}
    rows = (await connection.execute(_ENTRIES_PAGE, who | page)).all()
    entries = _entries(rows[:limit], before)
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


async def _totals(
    connection: AsyncConnection, who: dict[str, str], *, since: datetime, until: datetime
) -> Any:
    moments = {
        "since": since,
        "until": until,
        "since_slot": _slot_of(since),
        "until_slot": _slot_of(until),
    }
    return (await connection.execute(_ACCOUNT_TOTALS, who | moments)).one()


async def _balance_after(
    connection: AsyncConnection, who: dict[str, str], at: datetime, entry_id: int
) -> int:
    """The balance right after an entry."""
    before = await _totals(connection, who, since=at, until=at)
    values = who | {"after_at": at, "after_id": entry_id}
    with_it = await connection.scalar(_AT_THE_MOMENT, values)
    return int(before.opening) + int(with_it or 0)


def _entries(rows: Sequence[Any], balance_minor: int) -> tuple[AccountEntry, ...]:
    entries = []
    for row in rows:
        entries.append(
            AccountEntry(
                id=str(row.id),
                occurred_at=row.occurred_at,
                ledger_transaction_id=row.ledger_transaction_id,
                event_type=row.event_type,
                event_id=row.event_id,
                payment_id=row.payment_id,
                amount_minor=row.amount_minor,
                before_minor=balance_minor,
                after_minor=balance_minor + row.amount_minor,
            )
        )
        balance_minor += row.amount_minor
    return tuple(entries)


def _slot_of(instant: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (instant - epoch) // _SLOT * _SLOT


def _position(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    last = Cursor.parse(cursor)
    if not last.id.isdecimal() or len(last.id) > 18:  # noqa: PLR2004  # what a bigint holds
        problem = Problem(pointer="#/cursor", code="cursor-invalid", detail="not of this list")
        raise InvalidRequest("the cursor is not one of ours", problems=(problem,))
    return last.created_at, int(last.id)


# ---- a channel account's day ------------------------------------------------------------------

# A business day of any time zone begins and ends with a slot.
_DAY = text(f"""
SELECT kind, currency, event_type,
       coalesce(sum(debit_minor - credit_minor) FILTER (WHERE at < :since), 0) AS before,
       coalesce(sum(transactions) FILTER (WHERE at >= :since), 0) AS events,
       coalesce(sum(debit_minor) FILTER (WHERE at >= :since), 0) AS debits,
       coalesce(sum(credit_minor) FILTER (WHERE at >= :since), 0) AS credits
FROM (
    SELECT account.kind, account.currency, kept.event_type, kept.slot AS at, kept.transactions,
           kept.debit_minor, kept.credit_minor
    FROM ledger_account account
    JOIN ledger_slot kept ON kept.ledger_account_id = account.id
    WHERE account.kind IN ('1101', '1201', '2401', '5101') AND account.owner = :account_id
      AND kept.slot < :until
    UNION ALL
    SELECT leg.kind, leg.currency, booked.event_type, booked.occurred_at, 1,
           sum(greatest(leg.amount_minor, 0)), sum(greatest(-leg.amount_minor, 0))
    {_LATER} AND leg.kind IN ('1101', '1201', '2401', '5101') AND leg.owner = :account_id
        AND booked.occurred_at < :until
    GROUP BY leg.kind, leg.currency, booked.id
) AS parts
GROUP BY kind, currency, event_type
ORDER BY currency, kind, event_type
""")  # noqa: S608  # put together from our own text alone

# Our own fee stands on an account without an owner: found by the clearing account beside it.
_FEE_INCOME = text(f"""
SELECT currency, sum(minor) AS minor FROM (
    SELECT account.currency, kept.credit_minor - kept.debit_minor AS minor
    FROM ledger_account account
    JOIN ledger_slot kept ON kept.ledger_account_id = account.id
    WHERE account.kind = '4101' AND kept.channel_account = :account_id
      AND kept.slot >= :since AND kept.slot < :until
    UNION ALL
    SELECT leg.currency, -leg.amount_minor
    {_LATER} AND leg.kind = '4101'
        AND booked.occurred_at >= :since AND booked.occurred_at < :until
        AND EXISTS (
            SELECT FROM ledger_entry beside
            JOIN ledger_account clearing ON clearing.id = beside.ledger_account_id
            WHERE beside.ledger_transaction_id = booked.id
              AND (clearing.kind, clearing.owner) = ('1101', :account_id) OFFSET 0
        )
) AS parts
GROUP BY currency
""")  # noqa: S608  # put together from our own text alone

_PAID_IN = frozenset({"payment.captured", "payment.late_success"})


async def channel_day(
    connection: AsyncConnection, account_id: str, *, since: datetime, until: datetime
) -> tuple[CurrencyDay, ...]:
    """What an account's day did to our books, by currency."""
    await connection.execute(ALONE)
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
            EventTotal(
                event_type=row["event_type"], count=int(row["events"]), amount_minor=moved(row)
            )
            for row in clearing
            if row["events"]
        ),
        payments=sum(int(row["events"]) for row in paid),
        payments_minor=sum(moved(row) for row in paid),
        refunds=sum(int(row["events"]) for row in refunded),
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
