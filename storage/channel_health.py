"""How channel accounts do, in one statement whose work is bounded for each account.

Attempts are found by their serials: those begin with the ULID of their payment, so within an
account the index that keeps them unique has them in the order of time.
"""

from datetime import datetime, timedelta

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from models.channel_health import (
    ATTEMPTS_LOOKED_AT,
    REJECTED_COUNTED_TO,
    AttemptShares,
    ChannelHealth,
)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# Calls are kept with their payments, so the last answer is looked for among a few.
_ANSWERS_LOOKED_AT = 50
_TIME_DIGITS = 10  # of a ULID

_KINDS = {
    "attempts": "true",
    "succeeded": "status IN ('charged', 'authorized')",
    "declined": "status IN ('failed', 'voided', 'expired')",
    "unknown": "status = 'unknown'",
    "not_sent": "status = 'not_sent'",
    "open": "status IN ('started', 'pending')",
}
_SHARES = ", ".join(
    f"count(*) FILTER (WHERE {condition}{within}) AS {window}_{kind}"
    for window, within in (("hour", " AND serial >= :hour"), ("day", ""))
    for kind, condition in _KINDS.items()
)
_HEALTH = text(f"""
SELECT account.id AS account_id, account.merchant_id, merchant.name AS merchant_name,
       account.app_id, account.channel, account.status,
       tried.*, answered.last_answer_at, heard.last_callback_at,
       rejected.rejected_callbacks, rejected.last_rejected_at, rejected.last_rejected_reason,
       ran.reconciled_on, ran.reconciliation_status, stated.statement_on
FROM (
    SELECT id, merchant_id, app_id, channel, status FROM channel_account
    WHERE CAST(:after AS text) IS NULL OR id > :after
    ORDER BY id LIMIT :limit
) AS account
JOIN merchant ON merchant.id = account.merchant_id
CROSS JOIN LATERAL (
    SELECT {_SHARES}, max(created_at) AS last_attempt_at
    FROM (
        SELECT status, serial, created_at FROM attempt
        WHERE channel = account.channel AND account_id = account.id AND serial >= :day
        ORDER BY serial DESC LIMIT :attempts
    ) AS newest
) AS tried
CROSS JOIN LATERAL (
    SELECT max(exchange.started_at) AS last_answer_at
    FROM (
        SELECT payment_id, serial FROM attempt
        WHERE channel = account.channel AND account_id = account.id AND serial >= :day
        ORDER BY serial DESC LIMIT :answers
    ) AS newest
    JOIN exchange USING (payment_id, serial)
    WHERE exchange.http_status BETWEEN 200 AND 299
) AS answered
LEFT JOIN LATERAL (
    SELECT received_at AS last_callback_at FROM callback
    WHERE account_id = account.id
    ORDER BY received_at DESC LIMIT 1
) AS heard ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS rejected_callbacks, max(received_at) AS last_rejected_at,
           (array_agg(reason))[1] AS last_rejected_reason
    FROM (
        SELECT received_at, reason FROM rejected_callback
        WHERE account_id = account.id AND received_at >= :since
        ORDER BY received_at DESC LIMIT :rejected
    ) AS newest
) AS rejected
LEFT JOIN LATERAL (
    SELECT business_day AS reconciled_on, status AS reconciliation_status FROM reconciliation
    WHERE account_id = account.id
    ORDER BY business_day DESC LIMIT 1
) AS ran ON true
LEFT JOIN LATERAL (
    SELECT business_day AS statement_on FROM reconciliation
    WHERE account_id = account.id AND statement_source IS NOT NULL
    ORDER BY business_day DESC LIMIT 1
) AS stated ON true
ORDER BY account.id
""")  # noqa: S608  # put together from our own text alone


async def channel_health(
    connection: AsyncConnection, *, now: datetime, limit: int, after: str | None
) -> tuple[ChannelHealth, ...]:
    """Accounts in the order in which they were made; `after` is the id of the last one seen."""
    values = {
        "after": after,
        "limit": limit,
        "hour": _serials_since(now - _HOUR),
        "day": _serials_since(now - _DAY),
        "since": now - _DAY,
        "attempts": ATTEMPTS_LOOKED_AT,
        "answers": _ANSWERS_LOOKED_AT,
        "rejected": REJECTED_COUNTED_TO,
    }
    rows = (await connection.execute(_HEALTH, values)).mappings().all()
    return tuple(_to_health(row) for row in rows)


def _serials_since(instant: datetime) -> str:
    """Below every serial of a payment that was ordered from `instant` on."""
    return str(ULID.from_datetime(instant))[:_TIME_DIGITS]


def _to_health(row: RowMapping) -> ChannelHealth:
    found = dict(row)
    windows = {
        name: AttemptShares(**{kind: found.pop(f"{window}_{kind}") for kind in _KINDS})
        for name, window in (("last_hour", "hour"), ("last_day", "day"))
    }
    is_whole = windows["last_day"].attempts < ATTEMPTS_LOOKED_AT
    return ChannelHealth(**found, **windows, day_is_whole=is_whole)
