"""What a look around reads, and what it saw."""

from datetime import datetime, timedelta

from sqlalchemy import TextClause, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.check import CheckFinding, CheckRound, CheckSubject, FindingKind
from models.tables.checks import CHECK_ROUND
from storage.payments import read_attempt, read_order

# Rounds are news: whoever wants to know how things were a month ago has the metrics.
_KEPT_FOR = timedelta(days=30)

# Which ones is left to chance, so that one that cannot be asked about does not hide another.
_OPEN = text("""
SELECT payment.id AS payment_id, attempt.id AS attempt_id, 0 AS given_back_minor
FROM payment CROSS JOIN LATERAL (
    SELECT id, status FROM attempt WHERE attempt.payment_id = payment.id
    ORDER BY number DESC LIMIT 1
) AS attempt
WHERE payment.status IN ('requires_action', 'processing', 'requires_capture', 'review')
  AND payment.updated_at < :before AND attempt.status <> 'not_sent'
ORDER BY payment.status NOT IN ('processing', 'review'), random()
LIMIT :limit
""")
# By account, since that is what the index of charged attempts begins with.
_CHARGED_SINCE = """
FROM channel_account
JOIN attempt ON attempt.account_id = channel_account.id AND attempt.status = 'charged'
    AND attempt.charged_at >= :since
JOIN payment ON payment.id = attempt.payment_id
"""
_SUCCESSES = text(f"""
SELECT payment.id AS payment_id, attempt.id AS attempt_id, (
    SELECT coalesce(sum(refund.amount_minor), 0) FROM refund
    WHERE refund.attempt_id = attempt.id
      AND refund.status NOT IN ('failed', 'rejected', 'canceled', 'pending_approval')
) AS given_back_minor
{_CHARGED_SINCE}
ORDER BY random()
LIMIT :limit
""")  # noqa: S608  # no part of it comes from outside
_UNPOSTED = text(f"""
SELECT attempt.id, attempt.serial AS what
{_CHARGED_SINCE}
WHERE NOT EXISTS (
    SELECT FROM ledger_transaction
    WHERE event_type IN ('payment.captured', 'payment.late_success') AND event_id = attempt.id
)
UNION ALL
SELECT refund.id, refund.refund_serial FROM refund
WHERE refund.status = 'succeeded' AND refund.succeeded_at >= :since AND NOT EXISTS (
    SELECT FROM ledger_transaction
    WHERE event_type = 'refund.succeeded' AND event_id = refund.id
)
LIMIT :limit
""")  # noqa: S608  # no part of it comes from outside
_STILL_OPEN = text("""
SELECT id FROM payment
WHERE id = ANY(:ids) AND status IN ('requires_action', 'processing', 'requires_capture', 'review')
""")


async def open_subjects(
    connection: AsyncConnection, *, before: datetime, limit: int
) -> tuple[CheckSubject, ...]:
    """Payments that have not moved since `before` and wait for something; unclear ones first."""
    return await _subjects(connection, _OPEN, {"before": before, "limit": limit})


async def recent_successes(
    connection: AsyncConnection, *, since: datetime, limit: int
) -> tuple[CheckSubject, ...]:
    return await _subjects(connection, _SUCCESSES, {"since": since, "limit": limit})


async def unposted(
    connection: AsyncConnection, *, since: datetime, limit: int
) -> tuple[CheckFinding, ...]:
    """Money that came or went back since then without entries in the ledger."""
    rows = await connection.execute(_UNPOSTED, {"since": since, "limit": limit})
    return tuple(
        CheckFinding(
            kind=FindingKind.NOT_IN_LEDGER, object_id=row.id, detail=f"{row.what} has no entries"
        )
        for row in rows
    )


async def still_open(connection: AsyncConnection, payment_ids: list[str]) -> frozenset[str]:
    rows = await connection.execute(_STILL_OPEN, {"ids": payment_ids})
    return frozenset(row.id for row in rows)


async def record_round(connection: AsyncConnection, seen: CheckRound) -> None:
    """Keep what was seen; the same round again is the same. Old rounds go."""
    await connection.execute(
        delete(CHECK_ROUND).where(CHECK_ROUND.c.started_at < seen.started_at - _KEPT_FOR)
    )
    await connection.execute(
        insert(CHECK_ROUND).values(
            id=seen.id,
            started_at=seen.started_at,
            finished_at=seen.finished_at,
            result=seen.model_dump(mode="json"),
        )
    )


async def last_rounds(connection: AsyncConnection, *, limit: int) -> tuple[CheckRound, ...]:
    """The newest rounds, newest first."""
    rows = await connection.execute(
        select(CHECK_ROUND.c.result)
        .order_by(CHECK_ROUND.c.started_at.desc(), CHECK_ROUND.c.id.desc())
        .limit(limit)
    )
    return tuple(CheckRound.model_validate(row.result) for row in rows)


async def _subjects(
    connection: AsyncConnection, query: TextClause, values: dict[str, object]
) -> tuple[CheckSubject, ...]:
    found = []
    for row in (await connection.execute(query, values)).all():
        recorded = await read_order(connection, row.payment_id)
        attempt = await read_attempt(connection, row.attempt_id)
        if recorded is not None and attempt is not None:
            found.append(
                CheckSubject(
                    order=recorded.order,
                    attempt=attempt,
                    status=recorded.state.status,
                    captured_minor=recorded.state.captured_minor or attempt.money.amount_minor,
                    given_back_minor=int(row.given_back_minor),
                )
            )
    return tuple(found)
