"""Where notifications go, and how the going is: one row for each app."""

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.notification import DUE_COUNTED_TO, EndpointState

# What is due to a dead endpoint grows for days: each app is looked at up to a bound, the longest
# due first. What was delivered is looked for among the newest.
_STATES = """
SELECT app.id AS app_id, app.name AS app_name, app.webhook_url IS NOT NULL AS is_set,
       substring(app.webhook_url FROM '^https?://([^/?#]+)') AS host,
       app.webhook_paused_at AS paused_at,
       due.due, due.oldest_due_at, due.next_attempt_at, due.tries,
       failed.last_error, delivered.last_delivered_at
FROM (
    SELECT id, name, webhook_url, webhook_paused_at FROM app
    WHERE {where}
    ORDER BY id LIMIT :limit
) AS app
CROSS JOIN LATERAL (
    SELECT count(*) AS due, min(created_at) AS oldest_due_at,
           min(next_attempt_at) AS next_attempt_at, coalesce(max(attempts), 0) AS tries
    FROM (
        SELECT created_at, next_attempt_at, attempts FROM notification
        WHERE app_id = app.id AND status = 'due'
        ORDER BY next_attempt_at LIMIT :bound
    ) AS longest
) AS due
LEFT JOIN LATERAL (
    SELECT last_error FROM (
        SELECT last_error, attempts FROM notification
        WHERE app_id = app.id AND status = 'due'
        ORDER BY next_attempt_at LIMIT :bound
    ) AS longest
    WHERE last_error IS NOT NULL
    ORDER BY attempts DESC LIMIT 1
) AS failed ON true
CROSS JOIN LATERAL (
    SELECT max(delivered_at) AS last_delivered_at FROM (
        SELECT delivered_at FROM notification
        WHERE app_id = app.id
        ORDER BY created_at DESC, id DESC LIMIT :newest
    ) AS latest
) AS delivered
ORDER BY app.id
"""
_LIST = text(_STATES.format(where="CAST(:after AS text) IS NULL OR id > :after"))
_ONE = text(_STATES.format(where="id = :app_id"))
_BOUNDS = {"bound": DUE_COUNTED_TO, "newest": DUE_COUNTED_TO}


async def list_endpoints(
    connection: AsyncConnection, *, limit: int, after: str | None
) -> tuple[EndpointState, ...]:
    """In the order in which the apps were made; `after` is the id of the last one seen."""
    rows = await connection.execute(_LIST, _BOUNDS | {"limit": limit, "after": after})
    return tuple(_to_state(row) for row in rows.mappings())


async def read_endpoint_state(connection: AsyncConnection, app_id: str) -> EndpointState | None:
    rows = await connection.execute(_ONE, _BOUNDS | {"limit": 1, "app_id": app_id})
    row = rows.mappings().one_or_none()
    return _to_state(row) if row else None


def _to_state(row: RowMapping) -> EndpointState:
    return EndpointState(**row, at_least=row["due"] >= DUE_COUNTED_TO)
