"""API keys. The secret is never stored: its hash is."""

import json
from collections.abc import Mapping
from datetime import datetime

from pydantic import Field
from sqlalchemy import Row, Select, bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Frozen
from models.merchant import ApiKey, Caller, Role
from models.tables.apps import API_KEY, APP


class StoredKey(Frozen):
    """A key as it stands on disk. A key that ended counts as disabled, as do a disabled app's."""

    caller: Caller
    secret_hash: bytes = Field(repr=False)
    disabled: bool


_SHOWN = tuple(column for column in API_KEY.c if column is not API_KEY.c.secret_hash)

_FIND_CALLER = (
    select(
        API_KEY,
        APP.c.status.label("app_status"),
        func.coalesce(API_KEY.c.expires_at <= func.now(), False).label("expired"),
    )
    .outerjoin(APP, APP.c.id == API_KEY.c.app_id)
    .where(API_KEY.c.id == bindparam("key_id"))
)


async def create_key(  # noqa: PLR0913  # the columns of one row, by name
    connection: AsyncConnection,
    *,
    key_id: str,
    secret_hash: bytes,
    role: Role,
    app_id: str | None,
    name: str,
    now: datetime,
    expires_at: datetime | None = None,
) -> None:
    await connection.execute(
        insert(API_KEY).values(
            id=key_id,
            secret_hash=secret_hash,
            role=role,
            app_id=app_id,
            name=name,
            created_at=now,
            expires_at=expires_at,
        )
    )


async def find_caller(connection: AsyncConnection, *, key_id: str) -> StoredKey | None:
    result = await connection.execute(_FIND_CALLER, {"key_id": key_id})
    row = result.one_or_none()
    if row is None:
        return None
    return StoredKey(
        caller=Caller(key_id=row.id, role=Role(row.role), app_id=row.app_id),
        secret_hash=row.secret_hash,
        disabled=row.disabled_at is not None
        or row.expired
        or row.app_status not in {None, "active"},
    )


async def lock_key(
    connection: AsyncConnection, key_id: str, *, app_id: str | None
) -> ApiKey | None:
    """One key, kept from being changed by others; `app_id` None looks at everybody's."""
    return await _read(connection, _of(app_id).where(API_KEY.c.id == key_id).with_for_update())


async def read_key(
    connection: AsyncConnection, key_id: str, *, app_id: str | None
) -> ApiKey | None:
    """One key; `app_id` None looks at everybody's."""
    return await _read(connection, _of(app_id).where(API_KEY.c.id == key_id))


async def list_keys(
    connection: AsyncConnection, *, app_id: str | None, limit: int, after: str | None
) -> tuple[ApiKey, ...]:
    """In the order in which they were made; `after` is the id of the last one seen."""
    query = _of(app_id).order_by(API_KEY.c.id).limit(limit)
    if after is not None:
        query = query.where(API_KEY.c.id > after)
    return tuple(_to_key(row) for row in await connection.execute(query))


async def end_key(connection: AsyncConnection, key_id: str, expires_at: datetime) -> None:
    """Let a key end then."""
    await connection.execute(
        update(API_KEY).where(API_KEY.c.id == key_id).values(expires_at=expires_at)
    )


_NOTE_USE = text("""
UPDATE api_key SET last_used_at = used.at
FROM jsonb_to_recordset(CAST(:used AS jsonb)) AS used (id text, at timestamptz)
WHERE api_key.id = used.id
  AND (last_used_at IS NULL OR last_used_at < used.at - interval '1 hour')
""")


async def note_use(connection: AsyncConnection, used: Mapping[str, datetime]) -> None:
    """Write down when keys were used, unless that is known to the hour."""
    rows = [{"id": key_id, "at": at.isoformat()} for key_id, at in sorted(used.items())]
    await connection.execute(_NOTE_USE, {"used": json.dumps(rows)})


async def disable_key(
    connection: AsyncConnection, *, key_id: str, now: datetime, reason: str | None = None
) -> bool:
    """False when there is no such key, or it was disabled before."""
    result = await connection.execute(
        update(API_KEY)
        .where(API_KEY.c.id == key_id, API_KEY.c.disabled_at.is_(None))
        .values(disabled_at=now, disabled_reason=reason)
    )
    return result.rowcount == 1


def _of(app_id: str | None) -> Select[tuple[object, ...]]:
    query = select(*_SHOWN)
    return query if app_id is None else query.where(API_KEY.c.app_id == app_id)


async def _read(connection: AsyncConnection, query: Select[tuple[object, ...]]) -> ApiKey | None:
    row = (await connection.execute(query)).one_or_none()
    return _to_key(row) if row else None


def _to_key(row: Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey.model_validate(dict(row._mapping))
