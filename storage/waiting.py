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

# Each is one range of an index that holds little else, and is read no further than the bound.
_QUEUES = text("""
SELECT 'unknown' AS name, count(*) AS waiting, min(at) AS oldest_at FROM (
    SELECT updated_at AS at FROM payment
    WHERE attempt_status = 'unknown' AND status NOT IN
        ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired', 'review')
    ORDER BY updated_at LIMIT :bound
) AS unknown
UNION ALL SELECT 'review', count(*), min(at) FROM (
    SELECT updated_at AS at FROM payment WHERE status = 'review'
    ORDER BY updated_at LIMIT :bound
) AS review
UNION ALL SELECT 'late_money', count(*), min(at) FROM (
    SELECT updated_at AS at FROM payment
    WHERE captured_minor IS NOT NULL AND late_success = 'ask'
      AND status IN ('failed', 'canceled', 'expired') AND NOT EXISTS (
          SELECT FROM refund WHERE refund.payment_id = payment.id
          AND refund.status NOT IN ('failed', 'rejected', 'canceled'))
    ORDER BY updated_at LIMIT :bound
) AS late
UNION ALL SELECT 'overdue', count(*) FILTER (WHERE at < :overdue),
       min(at) FILTER (WHERE at < :overdue) FROM (
    SELECT CASE WHEN status = 'requires_capture' THEN capture_before
                WHEN status <> 'review' THEN expires_at END AS at
    FROM payment
    WHERE status NOT IN ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired')
    ORDER BY created_at LIMIT :bound
) AS open
UNION ALL SELECT 'undelivered', count(*), min(at) FROM (
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
    values = {
        "bound": COUNTED_TO,
        "overdue": now - _OVERDUE_AFTER,
        "undelivered": now - _UNDELIVERED_AFTER,
    }
    waiting = {
        row.name: Waiting(
            count=row.waiting, at_least=row.waiting >= COUNTED_TO, oldest_at=row.oldest_at
        )
        for row in await connection.execute(_QUEUES, values)
    }
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
