"""Messages from channels as people look at them: the envelope and what we made of it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.search import CallbackQueue, CallbackSummary, CallbackView
from storage.paging import Cursor
from storage.queues import CALLBACK_QUEUES, callback_bounds, callbacks_of

# Of these headers the values help and tell no secret; of others the names are enough.
_SHOWN_HEADERS = frozenset(
    {"content-type", "content-length", "date", "host", "user-agent", "x-request-id"}
)
_KEPT = """
callback.id, callback.channel, callback.account_id, callback.match, callback.about,
callback.serial, callback.channel_event_id, callback.channel_reference, callback.source,
callback.outcome, callback.expected_minor, callback.expected_currency, callback.payment_id,
callback.refund_id, callback.received_at, callback.handled_at, callback.reads, NULL AS reason
"""
_REJECTED = """
callback.id, callback.channel, callback.account_id, 'rejected' AS match, callback.reason,
callback.received_at
"""
_LISTS = {
    queue: text(f"""
    SELECT {_REJECTED if queue is CallbackQueue.REJECTED else _KEPT} FROM {callbacks_of(queue)}
    WHERE {where}
      AND (CAST(:account_id AS text) IS NULL OR callback.account_id = :account_id)
      AND (CAST(:at AS timestamptz) IS NULL OR (callback.received_at, callback.id) > (:at, :id))
    ORDER BY callback.received_at, callback.id LIMIT :limit
    """)  # noqa: S608  # put together from our own text alone
    for queue, where in CALLBACK_QUEUES.items()
}
_ENVELOPE = "callback.headers, callback.body, octet_length(callback.body) AS body_bytes"
_ONES = (
    text(f"SELECT {_KEPT}, {_ENVELOPE} FROM callback WHERE id = :id"),  # noqa: S608  # our own text
    text(f"""
    SELECT {_REJECTED}, headers, body, body_length AS body_bytes
    FROM rejected_callback AS callback WHERE id = :id
    """),  # noqa: S608  # our own text
)


async def list_callbacks(
    connection: AsyncConnection,
    queue: CallbackQueue,
    *,
    account_id: str | None,
    now: datetime,
    limit: int,
    cursor: str | None,
) -> tuple[tuple[CallbackSummary, ...], str | None]:
    """One page, the oldest first, and the next cursor. Raises InvalidRequest for a bad one."""
    last = Cursor.parse(cursor) if cursor is not None else None
    values = {
        "account_id": account_id,
        "at": last.created_at if last else None,
        "id": last.id if last else None,
        "limit": limit + 1,
        **callback_bounds(now),
    }
    rows = (await connection.execute(_LISTS[queue], values)).mappings().all()
    found = tuple(CallbackSummary(**_summary(row)) for row in rows[:limit])
    if len(rows) <= limit:
        return found, None
    end = found[-1]
    return found, str(Cursor(created_at=end.received_at, id=end.id))


async def read_callback_view(connection: AsyncConnection, callback_id: str) -> CallbackView | None:
    """One message, whether it verified or not."""
    for query in _ONES:
        row = (await connection.execute(query, {"id": callback_id})).mappings().one_or_none()
        if row is not None:
            return _to_view(row)
    return None


def _summary(row: RowMapping) -> dict[str, Any]:
    outcome: Mapping[str, Any] = row.get("outcome") or {}
    money: Mapping[str, Any] = outcome.get("money") or {}
    return {
        "id": row["id"],
        "channel": row["channel"],
        "channel_account_id": row["account_id"],
        "match": row["match"],
        "outcome": outcome.get("kind"),
        "amount": money.get("amount_minor"),
        "currency": money.get("currency"),
        "expected_amount": row.get("expected_minor"),
        "expected_currency": row.get("expected_currency"),
        "reason": row["reason"],
        "received_at": row["received_at"],
        **{name: row.get(name) for name in _AS_THEY_ARE},
    }


_AS_THEY_ARE = (
    "about",
    "serial",
    "channel_event_id",
    "channel_reference",
    "source",
    "payment_id",
    "refund_id",
    "handled_at",
)


def _to_view(row: RowMapping) -> CallbackView:
    headers: Mapping[str, str] = row["headers"]
    return CallbackView(
        **_summary(row),
        reads=row.get("reads") or 0,
        outcome_detail=row.get("outcome"),
        headers={
            name: value if name.lower() in _SHOWN_HEADERS else None
            for name, value in sorted(headers.items())
        },
        body_bytes=row["body_bytes"],
        body_sha256=hashlib.sha256(bytes(row["body"])).hexdigest(),
    )
