"""What waits for somebody, the oldest first. Each queue is an index of its own, so it is short."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.search import CallbackQueue, PaymentQueue, Queues
from models.statistics import COUNTED_TO, Waiting
from models.views import Page
from storage.paging import Cursor
from storage.payment_search import views_of

# A run answers its callback within seconds; a sweeper hands it on again after that.
_ANSWERED_WITHIN = timedelta(minutes=2)
_REJECTED_FOR = timedelta(days=1)

# What an index of v0009 or before is made for.
_PAYMENT_QUEUES: Mapping[PaymentQueue, str] = {
    PaymentQueue.UNKNOWN: """
        payment.attempt_status = 'unknown' AND payment.status NOT IN
        ('succeeded', 'partially_captured', 'failed', 'canceled', 'expired', 'review')""",
    PaymentQueue.REVIEW: "payment.status = 'review'",
    # The app's rule is to ask, and nobody has ordered the money back yet.
    PaymentQueue.LATE: """
        payment.captured_minor IS NOT NULL AND payment.late_success = 'ask'
        AND payment.status IN ('failed', 'canceled', 'expired') AND NOT EXISTS (
            SELECT FROM refund WHERE refund.payment_id = payment.id
            AND refund.status NOT IN ('failed', 'rejected', 'canceled'))""",
}
CALLBACK_QUEUES: Mapping[CallbackQueue, str] = {
    CallbackQueue.PARKED: "callback.match = 'parked'",
    CallbackQueue.DISPUTED: "callback.match = 'disputed' AND callback.handled_at IS NULL",
    CallbackQueue.UNANSWERED: """
        callback.match <> 'parked' AND callback.handled_at IS NULL
        AND callback.received_at < :answered_before""",
    CallbackQueue.REJECTED: "callback.received_at >= :rejected_since",
}


def _count(name: str, of: str, at: str, where: str) -> str:
    return f"""
    SELECT '{name}' AS name, count(*) AS waiting, min(at) AS oldest_at
    FROM (SELECT {at} AS at FROM {of} WHERE {where} ORDER BY {at} LIMIT :bound) AS looked_at
    """  # noqa: S608  # put together from our own text alone


def callbacks_of(queue: CallbackQueue) -> str:
    """The table of a queue: what did not verify is kept apart."""
    is_rejected = queue is CallbackQueue.REJECTED
    return "rejected_callback AS callback" if is_rejected else "callback"


_COUNTS = text(
    " UNION ALL ".join(
        [_count(name, "payment", "updated_at", where) for name, where in _PAYMENT_QUEUES.items()]
        + [
            _count(name, callbacks_of(name), "received_at", where)
            for name, where in CALLBACK_QUEUES.items()
        ]
    )
)
_PAGES = {
    name: text(f"""
    SELECT payment.id, payment.updated_at FROM payment
    WHERE {where}
      AND (CAST(:at AS timestamptz) IS NULL OR (payment.updated_at, payment.id) > (:at, :id))
    ORDER BY payment.updated_at, payment.id LIMIT :limit
    """)  # noqa: S608  # put together from our own text alone
    for name, where in _PAYMENT_QUEUES.items()
}


def callback_bounds(now: datetime) -> dict[str, datetime]:
    """The instants that `CALLBACK_QUEUES` speak of."""
    return {"answered_before": now - _ANSWERED_WITHIN, "rejected_since": now - _REJECTED_FOR}


async def count_queues(connection: AsyncConnection, *, now: datetime) -> Queues:
    """How many wait in each, up to a bound."""
    rows = await connection.execute(_COUNTS, {"bound": COUNTED_TO, **callback_bounds(now)})
    return Queues(
        **{
            row.name: Waiting(
                count=row.waiting, at_least=row.waiting >= COUNTED_TO, oldest_at=row.oldest_at
            )
            for row in rows
        }
    )


async def list_queue(
    connection: AsyncConnection, queue: PaymentQueue, *, limit: int, cursor: str | None
) -> Page:
    """One page, the longest unmoved first. Raises InvalidRequest for a cursor that is not ours."""
    last = Cursor.parse(cursor) if cursor is not None else None
    values = {
        "at": last.created_at if last else None,
        "id": last.id if last else None,
        "limit": limit + 1,
    }
    rows = (await connection.execute(_PAGES[queue], values)).all()
    payments = await views_of(connection, [row.id for row in rows[:limit]])
    if len(rows) <= limit:
        return Page(payments=payments, next_cursor=None)
    end = rows[limit - 1]
    return Page(payments=payments, next_cursor=str(Cursor(created_at=end.updated_at, id=end.id)))
