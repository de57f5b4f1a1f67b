"""Two databases for `bench.pages`: the same business, once small and once large."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.sql import SQL
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database
from storage.ledger_totals import keep_adding
from storage.migrate import upgrade
from storage.statistics import keep_counting

_SEED = Path(__file__).with_name("pages_seed.sql")
# Indexes that are made once everything is in cost a fraction; those of constraints stay.
_INDEXES = """
SELECT format('%I.%I', schemaname, indexname) AS name, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename IN (
    'payment', 'attempt', 'callback', 'notification', 'ledger_transaction', 'ledger_entry'
) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""
_STEPS_MAX = 10_000


def seed(owner_url: str, app_url: str, *, payments: int, public_url: str) -> None:
    """Fill an empty database, and let it settle as sweeper and autovacuum would."""
    upgrade(owner_url)
    text = _SEED.read_text().replace(":payments", str(payments))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(SQL(f"DROP INDEX {name}"))
        # Rows are put in by the thousand: what triggers and keys would say of each is left out.
        connection.execute("SET session_replication_role = replica")
        connection.execute(text.replace(":public_url", public_url).encode())
        connection.execute("SET maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    asyncio.run(_settle(app_url))


async def _settle(app_url: str) -> None:
    """What the sweeper keeps: statistics, and what every ledger account adds up to."""
    database = Database(app_url, pool_size=2)
    try:
        await _until_done(database, lambda it: keep_counting(it, now=datetime.now(UTC)))
        await _until_done(database, keep_adding)
    finally:
        await database.close()


async def _until_done(
    database: Database, step: Callable[[AsyncConnection], Awaitable[bool]]
) -> None:
    for _ in range(_STEPS_MAX):
        async with database.transaction("settle") as connection:
            if not await step(connection):
                return
    raise RuntimeError("the figures that the sweeper keeps did not catch up")
