"""Answers under an Idempotency-Key: claimed for a while, then kept, or let go."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import Unavailable
from models.tables.idempotency import IDEMPOTENCY_KEY
from models.views import IdempotencyRecord

# A claim that neither inserts nor finds a row met one that was let go in between. More than once
# in a row is next to impossible.
_CLAIM_TRIES = 3

_CLAIM = text("""
INSERT INTO idempotency_key (app_id, route, key, fingerprint, owner, lease_until, created_at)
VALUES (:app_id, :route, :key, :fingerprint, :owner, :lease_until, :now)
ON CONFLICT (app_id, route, key) DO UPDATE
    SET owner = excluded.owner, lease_until = excluded.lease_until
    WHERE idempotency_key.finished_at IS NULL
      AND idempotency_key.lease_until <= :now
      AND idempotency_key.fingerprint = excluded.fingerprint
RETURNING owner
""")


async def claim(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    app_id: str,
    route: str,
    key: str,
    fingerprint: str,
    owner: str,
    now: datetime,
    lease: timedelta,
) -> IdempotencyRecord | None:
    """Claim a key for `lease`. None: it is ours now, being new or left behind by a crash.

    Otherwise what is there: finished, in the hands of another, or used for another request.
    """
    values = {
        "app_id": app_id,
        "route": route,
        "key": key,
        "fingerprint": fingerprint,
        "owner": owner,
        "now": now,
        "lease_until": now + lease,
    }
    for _ in range(_CLAIM_TRIES):
        if await connection.scalar(_CLAIM, values) is not None:
            return None
        record = await _read(connection, app_id=app_id, route=route, key=key, now=now)
        if record is not None:
            return record
    raise Unavailable("an idempotency key is claimed and let go too often")


async def finish(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    app_id: str,
    route: str,
    key: str,
    owner: str,
    status_code: int,
    body: bytes,
    object_id: str | None,
    now: datetime,
) -> None:
    """Keep the answer. Does nothing when the claim was taken over: that owner will answer."""
    await connection.execute(
        update(IDEMPOTENCY_KEY)
        .where(
            IDEMPOTENCY_KEY.c.app_id == app_id,
            IDEMPOTENCY_KEY.c.route == route,
            IDEMPOTENCY_KEY.c.key == key,
            IDEMPOTENCY_KEY.c.owner == owner,
            IDEMPOTENCY_KEY.c.finished_at.is_(None),
        )
        .values(status_code=status_code, body=body, object_id=object_id, finished_at=now)
    )


async def release(
    connection: AsyncConnection, *, app_id: str, route: str, key: str, owner: str
) -> None:
    """Let a claim go without an answer, so that the same key may try again at once."""
    await connection.execute(
        delete(IDEMPOTENCY_KEY).where(
            IDEMPOTENCY_KEY.c.app_id == app_id,
            IDEMPOTENCY_KEY.c.route == route,
            IDEMPOTENCY_KEY.c.key == key,
            IDEMPOTENCY_KEY.c.owner == owner,
            IDEMPOTENCY_KEY.c.finished_at.is_(None),
        )
    )


async def _read(
    connection: AsyncConnection, *, app_id: str, route: str, key: str, now: datetime
) -> IdempotencyRecord | None:
    found = await connection.execute(
        select(IDEMPOTENCY_KEY).where(
            IDEMPOTENCY_KEY.c.app_id == app_id,
            IDEMPOTENCY_KEY.c.route == route,
            IDEMPOTENCY_KEY.c.key == key,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    return IdempotencyRecord(
        fingerprint=row.fingerprint,
        done=row.finished_at is not None,
        status_code=row.status_code,
        body=row.body,
        object_id=row.object_id,
        lease_expired=row.finished_at is None and row.lease_until <= now,
    )
