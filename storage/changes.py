"""Who changed which app, merchant, account or key; and which of these run out."""

from datetime import datetime

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.change import Change, Expiring
from models.tables.changes import CHANGE_LOG

# Of what runs out so much is listed: more is a fire, not a list.
EXPIRING_MAX = 500


async def record_change(connection: AsyncConnection, change: Change) -> None:
    """Write down a change, in the transaction that makes it."""
    await connection.execute(
        insert(CHANGE_LOG).values(**change.model_dump(mode="json") | {"at": change.at})
    )


async def list_changes(
    connection: AsyncConnection, *, object_id: str | None, limit: int, after: str | None
) -> tuple[Change, ...]:
    """Newest first; `after` is the id of the last one seen."""
    query = select(CHANGE_LOG).order_by(CHANGE_LOG.c.id.desc()).limit(limit)
    if object_id is not None:
        query = query.where(CHANGE_LOG.c.object_id == object_id)
    if after is not None:
        query = query.where(CHANGE_LOG.c.id < after)
    rows = await connection.execute(query)
    return tuple(Change.model_validate(dict(row._mapping)) for row in rows)


_EXPIRING = text("""
SELECT 'key' AS kind, id AS object_id, name AS what, expires_at
FROM api_key WHERE disabled_at IS NULL AND expires_at > :now AND expires_at <= :before
UNION ALL
SELECT 'webhook_secret', id, 'former webhook secret of ' || name, former_webhook_secret_until
FROM app
WHERE former_webhook_secret_until > :now AND former_webhook_secret_until <= :before
UNION ALL
SELECT 'certificate', account.id, one ->> 'name', CAST(one ->> 'expires_at' AS timestamptz)
FROM channel_account AS account CROSS JOIN LATERAL jsonb_array_elements(certificates) AS one
WHERE account.status = 'active' AND CAST(one ->> 'expires_at' AS timestamptz) <= :before
UNION ALL
SELECT 'channel_secret', account_id, 'parameters of version ' || version, valid_until
FROM channel_account_version WHERE valid_until > :now AND valid_until <= :before
ORDER BY expires_at, object_id
LIMIT :limit
""")


async def list_expiring(
    connection: AsyncConnection, *, now: datetime, before: datetime
) -> tuple[Expiring, ...]:
    """What runs out before then, soonest first. Certificates in use are told after their end too.

    Keys and secrets that have ended are no news: they were meant to.
    """
    rows = await connection.execute(
        _EXPIRING, {"now": now, "before": before, "limit": EXPIRING_MAX}
    )
    return tuple(Expiring.model_validate(dict(row)) for row in rows.mappings())
