"""What waits for somebody or something at this moment, counted up to a bound."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.statistics import COUNTED_TO, MissingDays, OpenDiscrepancies, Waiting, WaitsNow

# A payment that expired is closed at its channel and asked about within minutes.
_OVERDUE_AFTER = timedelta(minutes=30)
# The first delivery of a notification is under way before that.
_UNDELIVERED_AFTER = timedelta(minutes=1)
# A day's statement is fetched on the next morning and may take until noon.
_DAY_IS_DUE_AFTER = timedelta(hours=12)
_DAYS_LOOKED_AT = 14

# The oldest open payments, read once for all three questions about them.
_OPEN = text("""
SELECT count(*) AS looked_at,
       count(*) FILTER (WHERE attempt_status = 'unknown') AS unknown,
       min(updated_at) FILTER (WHERE attempt_status = 'unknown') AS unknown_since,
       count(*) FILTER (WHERE status = 'review') AS review,
       min(updated_at) FILTER (WHERE status = 'review') AS review_since,
       count(*) FILTER (WHERE over_at < :overdue) AS overdue,
       min(over_at) FILTER (WHERE over_at < :overdue) AS overdue_since
FROM (
    SELECT status, attempt_status, updated_at,
           CASE WHEN status = 'requires_capture' THEN capture_before
                WHEN status <> 'review' THEN expires_at END AS over_at
    FROM payment
    WHERE status NOT IN ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired')
    ORDER BY created_at LIMIT :bound
) AS open
""")
_QUEUES = text("""
SELECT 'undelivered' AS name, count(*) AS waiting, min(at) AS oldest_at FROM (
    SELECT created_at AS at FROM notification
    WHERE status = 'due' AND created_at < :undelivered LIMIT :bound
) AS due
UNION ALL SELECT 'parked_callbacks', count(*), min(at) FROM (
    SELECT received_at AS at FROM callback WHERE match = 'parked'
    ORDER BY received_at LIMIT :bound
) AS parked
UNION ALL SELECT 'refund_approvals', count(*), min(at) FROM (
    SELECT created_at AS at FROM refund WHERE status = 'pending_approval'
    ORDER BY created_at LIMIT :bound
) AS refunds
UNION ALL SELECT 'repair_approvals', count(*), min(at) FROM (
    SELECT updated_at AS at FROM discrepancy WHERE status = 'awaiting_approval' LIMIT :bound
) AS repairs
""")
_DISCREPANCIES = text("""
SELECT count(*) FILTER (WHERE age <= 1) AS days_0_1,
       count(*) FILTER (WHERE age BETWEEN 2 AND 3) AS days_2_3,
       count(*) FILTER (WHERE age BETWEEN 4 AND 7) AS days_4_7,
       count(*) FILTER (WHERE age > 7) AS older
FROM (SELECT CAST(:today AS date) - business_day AS age FROM discrepancy
      WHERE status <> 'resolved') AS unresolved
""")
_DAYS_MISSING = text("""
SELECT count(*) FILTER (WHERE reconciliation.id IS NULL) AS not_run,
       count(*) FILTER (WHERE reconciliation.status = 'failed') AS failed,
       min(due.day) FILTER (
           WHERE reconciliation.id IS NULL OR reconciliation.status = 'failed') AS oldest_on
FROM (
    SELECT account.id AS account_id, CAST(day AS date) AS day
    FROM channel_account account
    JOIN unnest(CAST(:channels AS text[]), CAST(:zones AS text[])) AS clock (channel, zone)
        USING (channel)
    CROSS JOIN LATERAL (
        SELECT CAST(CAST(:due AS timestamptz) AT TIME ZONE zone AS date) - 1 AS last
    ) AS over
    CROSS JOIN LATERAL generate_series(
        greatest(last - CAST(:days AS integer) + 1,
                 CAST(account.created_at AT TIME ZONE zone AS date)),
        last, interval '1 day'
    ) AS day
    WHERE account.status = 'active'
) AS due
LEFT JOIN reconciliation
    ON reconciliation.account_id = due.account_id AND reconciliation.business_day = due.day
""")


async def waits_now(
    connection: AsyncConnection, *, now: datetime, timezones: Mapping[str, str]
) -> WaitsNow:
    """What waits; `timezones` has every channel with statements, and its clock."""
    bounds = {"bound": COUNTED_TO}
    looked = bounds | {"overdue": now - _OVERDUE_AFTER}
    open_ = (await connection.execute(_OPEN, looked)).mappings().one()
    all_seen = open_["looked_at"] < COUNTED_TO
    waiting = {
        name: Waiting(count=open_[name], at_least=not all_seen, oldest_at=open_[f"{name}_since"])
        for name in ("unknown", "review", "overdue")
    }
    late = {"undelivered": now - _UNDELIVERED_AFTER}
    for row in await connection.execute(_QUEUES, bounds | late):
        waiting[row.name] = Waiting(
            count=row.waiting, at_least=row.waiting >= COUNTED_TO, oldest_at=row.oldest_at
        )
    return WaitsNow(
        **waiting,
        discrepancies=await _discrepancies(connection, now),
        days_missing=await _days_missing(connection, now, timezones),
    )


async def _discrepancies(connection: AsyncConnection, now: datetime) -> OpenDiscrepancies:
    row = (await connection.execute(_DISCREPANCIES, {"today": now.date()})).mappings().one()
    return OpenDiscrepancies(**row)


async def _days_missing(
    connection: AsyncConnection, now: datetime, timezones: Mapping[str, str]
) -> MissingDays:
    values = {
        "channels": list(timezones),
        "zones": list(timezones.values()),
        "due": now - _DAY_IS_DUE_AFTER,
        "days": _DAYS_LOOKED_AT,
    }
    row = (await connection.execute(_DAYS_MISSING, values)).mappings().one()
    return MissingDays(**row)
