"""The tables as migrated, and as the code describes them."""

import asyncio

import pytest
from sqlalchemy import create_engine, inspect

from devstack.postgres import EmbeddedPostgres
from models.tables import apps, callbacks, idempotency, ledger, merchants, notifications, payments
from models.tables.metadata import METADATA
from storage.database import Database, driver_url
from storage.migrate import current, head, is_current, upgrade

TABLE_MODULES = (apps, callbacks, idempotency, ledger, merchants, notifications, payments)


async def test_a_migrated_database_is_current_for_the_application(database: Database) -> None:
    async with database.transaction("test") as connection:
        assert await current(connection) == head()
        assert await is_current(connection)


async def test_a_database_that_was_never_migrated_is_not_current(
    postgres: EmbeddedPostgres,
) -> None:
    empty = Database(postgres.url_of("postgres"))
    try:
        async with empty.transaction("test") as connection:
            assert await current(connection) is None
            assert not await is_current(connection)
    finally:
        await empty.close()


async def test_migrating_again_even_from_two_sides_changes_nothing(owner_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(upgrade, owner_url) for _ in range(2)))


def test_the_tables_of_the_code_are_those_of_the_database(owner_url: str) -> None:
    engine = create_engine(driver_url(owner_url))
    found = inspect(engine)
    try:
        described = {
            (table.name, column.name, column.nullable, column.type.compile(engine.dialect))
            for table in METADATA.tables.values()
            for column in table.columns
        }
        migrated = {
            (table, column["name"], column["nullable"], column["type"].compile(engine.dialect))
            for table in found.get_table_names()
            if table != "alembic_version"
            for column in found.get_columns(table)
        }
    finally:
        engine.dispose()

    assert described == migrated
    assert TABLE_MODULES


@pytest.mark.parametrize("url", ["mysql://host/database", "host/database", ""])
def test_only_a_postgresql_url_is_taken(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        driver_url(url)
