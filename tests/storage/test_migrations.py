"""The tables as migrated, and as the code describes them."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, inspect

from devstack.postgres import EmbeddedPostgres
from models.tables import (
    apps,
    callbacks,
    changes,
    checks,
    idempotency,
    ledger,
    merchants,
    notifications,
    operators,
    payments,
    reconciliation,
    refunds,
    statistics,
)
from models.tables.metadata import METADATA
from storage.database import Database, driver_url
from storage.migrate import current, head, is_current, upgrade

TABLE_MODULES = (
    apps,
    callbacks,
    changes,
    checks,
    idempotency,
    ledger,
    merchants,
    notifications,
    operators,
    payments,
    reconciliation,
    refunds,
    statistics,
)


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


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The address of a database that was never migrated."""
    name = sql.Identifier(f"test_{uuid4().hex}")
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield postgres.url_of(name.as_string().strip('"'))
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_database_of_the_first_version_is_brought_up_to_date_with_its_rows(
    empty_database: str,
) -> None:
    upgrade(empty_database, revision="v0001")
    with psycopg.connect(empty_database) as before:
        before.execute(_ROWS_OF_V0001)

    upgrade(empty_database)

    with psycopg.connect(empty_database) as after:
        apps_ = after.execute("SELECT id, refund_approval_above_minor FROM app").fetchall()
        told = after.execute("SELECT id, about, refund_id FROM callback").fetchall()
        moments = after.execute("SELECT occurred_at::text FROM ledger_entry").fetchall()
        revision = after.execute("SELECT version_num FROM alembic_version").fetchall()
    assert apps_ == [("app_1", None)]
    assert told == [("cb_1", "payment", None)]
    assert moments == [("2026-03-01 12:00:00+00",)] * 2
    assert revision == [(head(),)]


_ROWS_OF_V0001 = """
INSERT INTO app (id, name, status, webhook_secret, late_success, created_at)
VALUES ('app_1', 'a shop', 'active', 'sealed', 'ask', now());
INSERT INTO merchant (id, app_id, name, status, created_at)
VALUES ('mer_1', 'app_1', 'a merchant', 'active', now());
INSERT INTO channel_account (
    id, app_id, merchant_id, channel, version, status, methods, fee_bps, parameters, secrets,
    created_at
) VALUES ('acc_1', 'app_1', 'mer_1', 'alipay', 1, 'active', '{alipay_qr}', 60, '{}', '', now());
INSERT INTO callback (
    id, channel, account_id, channel_event_id, serial, outcome, match, headers, body, received_at
) VALUES ('cb_1', 'alipay', 'acc_1', 'event-1', '1', '{}', 'parked', '{}', '', now());
SELECT post_ledger_transaction(
    '{"id": "ltx_1", "event_type": "x", "event_id": "1", "app_id": "app_1",
      "occurred_at": "2026-03-01T12:00:00Z", "postings": [{"amount_minor": 5, "currency": "CNY",
      "debit": {"kind": "1101", "owner": "acc_1"},
      "credit": {"kind": "2101", "owner": "mer_1"}}]}');
"""


@pytest.mark.parametrize("url", ["mysql://host/database", "host/database", ""])
def test_only_a_postgresql_url_is_taken(url: str) -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        driver_url(url)
