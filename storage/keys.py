"""API keys. The secret is never stored: its hash is."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Frozen
from models.merchant import Caller, Role
from models.tables.apps import API_KEY, APP


class StoredKey(Frozen):
    """A key as it stands on disk. A disabled app disables all its keys."""

    caller: Caller
    secret_hash: bytes = Field(repr=False)
    disabled: bool


_FIND_CALLER = (
    select(API_KEY, APP.c.status.label("app_status"))
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
) -> None:
    await connection.execute(
        insert(API_KEY).values(
            id=key_id, secret_hash=secret_hash, role=role, app_id=app_id, name=name, created_at=now
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
        disabled=row.disabled_at is not None or row.app_status not in {None, "active"},
    )


async def disable_key(connection: AsyncConnection, *, key_id: str, now: datetime) -> bool:
    """False when there is no such key, or it was disabled before."""
    result = await connection.execute(
        update(API_KEY)
        .where(API_KEY.c.id == key_id, API_KEY.c.disabled_at.is_(None))
        .values(disabled_at=now)
    )
    return result.rowcount == 1
