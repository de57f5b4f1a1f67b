"""What ledger accounts add up to, without reading all of their entries.

What was posted up to a moment is added up and kept, by account in all and by quarters of an hour
(`keep_adding`, by the sweeper); a look adds what was posted since. Both are exact at any time: the
moment is always before the begin of every transaction that is still open, so nothing can be posted
behind it. A trial balance of a million payments takes a millisecond that way, and a second by
adding the entries up.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import InvalidRequest, Problem
from models.ledger import AccountKind
from models.reports import LedgerAccountBalance, LedgerAccountList, TrialBalance, TrialBalanceRow
from storage.reports import ALONE, equations_of
from storage.turns import take_turn

# Sessions of another database role do not show us when they began.
_MARGIN = timedelta(minutes=1)
# One step adds at most so much time, so that it ends long before the statement's own limit.
_STRIDE = timedelta(hours=3)

# ---- adding -----------------------------------------------------------------------------------

_MARK = text("""
SELECT added_until,
       least(clock_timestamp() - CAST(:margin AS interval), (
           SELECT min(xact_start) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid())) AS all_ended_until,
       (SELECT min(posted_at) FROM ledger_transaction WHERE posted_at >= added_until) AS next_at
FROM ledger_total_mark FOR UPDATE
""")
_ADD = text("""
WITH posted AS (
    SELECT entry.ledger_account_id, entry.amount_minor, booked.id, booked.event_type,
           date_bin('15 minutes', booked.occurred_at, 'epoch') AS slot,
           coalesce((
               SELECT max(clearing.owner) FROM ledger_entry beside
               JOIN ledger_account clearing ON clearing.id = beside.ledger_account_id
               WHERE beside.ledger_transaction_id = booked.id AND clearing.kind = '1101'
           ), '') AS channel_account
    FROM ledger_transaction booked
    JOIN ledger_entry entry ON entry.ledger_transaction_id = booked.id
    WHERE booked.posted_at >= :since AND booked.posted_at < :until
), slots AS (
    SELECT ledger_account_id, slot, event_type, channel_account,
           count(DISTINCT id) AS transactions,
           coalesce(sum(amount_minor) FILTER (WHERE amount_minor > 0), 0) AS debit_minor,
           coalesce(-sum(amount_minor) FILTER (WHERE amount_minor < 0), 0) AS credit_minor
    FROM posted GROUP BY ledger_account_id, slot, event_type, channel_account
), kept AS (
    INSERT INTO ledger_slot AS kept SELECT * FROM slots
    ON CONFLICT (ledger_account_id, slot, event_type, channel_account) DO UPDATE SET
        transactions = kept.transactions + excluded.transactions,
        debit_minor = kept.debit_minor + excluded.debit_minor,
        credit_minor = kept.credit_minor + excluded.credit_minor
)
INSERT INTO ledger_total AS total
SELECT ledger_account_id, sum(debit_minor), sum(credit_minor) FROM slots GROUP BY ledger_account_id
ON CONFLICT (ledger_account_id) DO UPDATE SET
    debit_minor = total.debit_minor + excluded.debit_minor,
    credit_minor = total.credit_minor + excluded.credit_minor
""")
_MOVE_MARK = text("UPDATE ledger_total_mark SET added_until = :until")


async def keep_adding(connection: AsyncConnection, *, margin: timedelta = _MARGIN) -> bool:
    """Add what was posted since the last time, one step of some hours; whether more is to be done.

    Nothing when another process is at it.
    """
    if not await take_turn(connection, "ledger totals"):
        return False
    mark = (await connection.execute(_MARK, {"margin": margin})).one()
    if mark.next_at is None or mark.next_at >= mark.all_ended_until:
        return False
    until: datetime = min(mark.all_ended_until, mark.next_at + _STRIDE)
    await connection.execute(_ADD, {"since": mark.added_until, "until": until})
    await connection.execute(_MOVE_MARK, {"until": until})
    return bool(until < mark.all_ended_until)


# ---- looking ----------------------------------------------------------------------------------

_NOW = """
SELECT ledger_account_id, sum(debit_minor) AS debit_minor, sum(credit_minor) AS credit_minor
FROM (
    SELECT ledger_account_id, debit_minor, credit_minor FROM ledger_total
    UNION ALL
    SELECT leg.ledger_account_id, greatest(leg.amount_minor, 0), greatest(-leg.amount_minor, 0)
    FROM ledger_transaction booked
    CROSS JOIN LATERAL (
        SELECT ledger_account_id, amount_minor FROM ledger_entry
        WHERE ledger_transaction_id = booked.id OFFSET 0
    ) AS leg
    WHERE booked.posted_at >= (SELECT added_until FROM ledger_total_mark)
) AS parts
GROUP BY ledger_account_id
"""
_TRIAL_BALANCE = text(f"""
SELECT account.kind, account.currency,
       sum(total.debit_minor) AS debit_minor, sum(total.credit_minor) AS credit_minor
FROM ({_NOW}) AS total
JOIN ledger_account account ON account.id = total.ledger_account_id
GROUP BY account.kind, account.currency
ORDER BY account.currency, account.kind
""")  # noqa: S608  # put together from our own text alone

# Since when money lies in suspense without a day on which there was none.
_OPEN_SINCE = """
SELECT min(occurred_at) FROM (
    SELECT occurred_at, number,
           max(number) FILTER (WHERE after_minor = 0) OVER () AS last_empty
    FROM (
        SELECT entry.occurred_at,
               row_number() OVER moments AS number,
               sum(entry.amount_minor) OVER moments AS after_minor
        FROM ledger_entry entry
        WHERE entry.ledger_account_id = account.id AND account.kind IN ('1201', '2401')
        WINDOW moments AS (ORDER BY entry.occurred_at, entry.id)
    ) AS running
) AS seen
WHERE number > coalesce(last_empty, 0)
"""
_ACCOUNTS = text(f"""
SELECT account.kind, account.owner, account.currency,
       coalesce(total.debit_minor, 0) AS debit_minor,
       coalesce(total.credit_minor, 0) AS credit_minor,
       coalesce(merchant.name, channel_account.channel) AS name,
       ({_OPEN_SINCE}) AS open_since
FROM (
    SELECT * FROM ledger_account
    WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
      AND (CAST(:currency AS text) IS NULL OR currency = :currency)
      AND (CAST(:after_kind AS text) IS NULL
           OR (kind, owner, currency) > (:after_kind, :after_owner, :after_currency))
    ORDER BY kind, owner, currency LIMIT :limit
) AS account
LEFT JOIN ({_NOW}) AS total ON total.ledger_account_id = account.id
LEFT JOIN merchant ON merchant.id = account.owner
LEFT JOIN channel_account ON channel_account.id = account.owner
ORDER BY account.kind, account.owner, account.currency
""")  # noqa: S608  # put together from our own text alone


async def trial_balance_now(connection: AsyncConnection) -> TrialBalance:
    """The whole house with everything that is posted by now."""
    await connection.execute(ALONE)
    rows = tuple(
        TrialBalanceRow(
            kind=AccountKind(row.kind),
            currency=row.currency,
            debit_minor=int(row.debit_minor),
            credit_minor=int(row.credit_minor),
        )
        for row in await connection.execute(_TRIAL_BALANCE)
    )
    return TrialBalance(at=datetime.now(UTC), rows=rows, equations=equations_of(rows))


async def ledger_accounts(
    connection: AsyncConnection,
    *,
    kind: AccountKind | None,
    currency: str | None,
    limit: int,
    cursor: str | None,
) -> LedgerAccountList:
    """One page of accounts by kind, owner and currency. Raises InvalidRequest for a bad cursor."""
    after = _position(cursor)
    await connection.execute(ALONE)
    values = {
        "kind": kind,
        "currency": currency,
        "after_kind": after[0] if after else None,
        "after_owner": after[1] if after else None,
        "after_currency": after[2] if after else None,
        "limit": limit + 1,
    }
    rows = (await connection.execute(_ACCOUNTS, values)).mappings().all()
    items = tuple(
        LedgerAccountBalance(
            kind=AccountKind(row["kind"]),
            owner=row["owner"],
            name=row["name"],
            currency=row["currency"],
            debit_minor=int(row["debit_minor"]),
            credit_minor=int(row["credit_minor"]),
            open_since=row["open_since"],
        )
        for row in rows[:limit]
    )
    last = items[-1] if len(rows) > limit else None
    end = f"{last.kind.value}:{last.owner}:{last.currency}" if last else None
    return LedgerAccountList(items=items, next_cursor=end)


def _position(cursor: str | None) -> tuple[str, str, str] | None:
    if cursor is None:
        return None
    kind, _, rest = cursor.partition(":")
    owner, separator, currency = rest.rpartition(":")
    if not separator or not kind or not currency:
        problem = Problem(pointer="#/cursor", code="cursor-invalid", detail="not of this list")
        raise InvalidRequest("the cursor is not one of ours", problems=(problem,))
    return kind, owner, currency
