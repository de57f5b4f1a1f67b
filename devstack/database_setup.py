"""Brings a database to where API and workers can use it: tables, and the first admin key."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from api.auth import credentials_of, mint_key
from models.merchant import Role
from storage.database import Database
from storage.keys import create_key, find_caller
from storage.migrate import upgrade


def prepare_database(*, owner_url: str, app_url: str, admin_key: str) -> None:
    """Migrate, and store the stack's own admin key. Harmless twice."""
    # In a thread of its own: our caller may be inside an event loop already.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(upgrade, owner_url).result()
        thread.submit(asyncio.run, _ensure_admin_key(app_url, admin_key)).result()


async def _ensure_admin_key(app_url: str, admin_key: str) -> None:
    credentials = credentials_of(f"Bearer {admin_key}")
    database = Database(app_url, pool_size=2, application_name="paycenter-setup")
    try:
        async with database.transaction("ensure_admin_key") as connection:
            if await find_caller(connection, key_id=credentials.key_id) is None:
                await create_key(
                    connection,
                    key_id=credentials.key_id,
                    secret_hash=credentials.secret_hash,
                    role=Role.ADMIN,
                    app_id=None,
                    name="made by the stack",
                    now=datetime.now(UTC),
                )
    finally:
        await database.close()


async def make_key(database_url: str, *, role: Role, app_id: str | None, name: str) -> str:
    """Store a fresh key and return it: it can never be shown again."""
    key = mint_key()
    database = Database(database_url, pool_size=2)
    try:
        async with database.transaction("create_key") as connection:
            await create_key(
                connection,
                key_id=key.key_id,
                secret_hash=key.secret_hash,
                role=role,
                app_id=app_id,
                name=name,
                now=datetime.now(UTC),
            )
    finally:
        await database.close()
    return key.text
