"""PostgreSQL as a child process: it comes back after every kind of end, with nothing lost."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import text

from devstack.postgres import EmbeddedPostgres
from models.errors import Unavailable
from storage.database import Database


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Longer than a unix socket's path may be.
    return tmp_path_factory.mktemp("own") / ("long-" * 30)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder) as started:
        yield started


@pytest_asyncio.fixture
async def pool(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(server.app_url, pool_size=2)
    yield database
    await database.close()


def test_both_roles_can_connect_and_the_application_is_no_superuser(
    server: EmbeddedPostgres,
) -> None:
    assert _ask(server.owner_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert not _ask(server.app_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")


def test_the_passwords_are_for_our_eyes_and_needed(server: EmbeddedPostgres) -> None:
    mode = (server.data_directory / "passwords.json").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.app_url, password="a guess")


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_nothing_acknowledged_may_be_lost(server: EmbeddedPostgres, setting: str) -> None:
    assert _ask(server.app_url, f"SHOW {setting}") == "on"


def test_what_was_committed_is_there_after_kill_minus_nine(server: EmbeddedPostgres) -> None:
    _run(server.owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")

    server.kill()
    assert not server.is_running
    server.start()

    assert _ask(server.owner_url, "SELECT answer FROM kept") == 42
    _run(server.owner_url, "DROP TABLE kept")


def test_a_server_whose_supervisor_died_is_replaced(server: EmbeddedPostgres) -> None:
    orphan = server.process
    assert orphan is not None
    with EmbeddedPostgres(server.data_directory) as heir:
        assert orphan.wait(10) == 0

        assert _ask(heir.app_url, "SELECT 1") == 1


def test_a_lock_that_names_a_stranger_does_not_keep_it_from_starting(
    server: EmbeddedPostgres,
) -> None:
    server.stop()
    lock = server.data_directory / "cluster" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n")

    server.start()

    assert _ask(server.app_url, "SELECT 1") == 1


async def test_a_pool_says_unavailable_while_the_server_is_away_and_recovers(
    server: EmbeddedPostgres, pool: Database
) -> None:
    await pool.ping()
    port = server.port
    server.kill()

    with pytest.raises(Unavailable):
        await pool.ping()
    with pytest.raises(Unavailable):
        await pool.ping()

    with EmbeddedPostgres(server.data_directory, port):
        await pool.ping()


async def test_a_session_that_is_cut_off_is_unavailable_once(
    server: EmbeddedPostgres, pool: Database
) -> None:
    async def be_cut_off() -> None:
        async with pool.transaction("cut off") as connection:
            own = await connection.scalar(text("SELECT pg_backend_pid()"))
            _run(server.owner_url, f"SELECT pg_terminate_backend({own}, 5000)")
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Unavailable):
        await be_cut_off()

    await pool.ping()


async def test_a_caller_waits_only_so_long_for_a_lock(
    server: EmbeddedPostgres, pool: Database
) -> None:
    async def wait_for_it() -> None:
        async with pool.transaction("waits") as connection:
            await connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
            await connection.execute(text("SELECT * FROM locked"))

    _run(server.owner_url, "CREATE TABLE locked (id integer); GRANT ALL ON locked TO PUBLIC")
    with psycopg.connect(server.owner_url) as holder:
        holder.execute("LOCK TABLE locked")

        with pytest.raises(Unavailable, match="LockNotAvailable"):
            await wait_for_it()
    _run(server.owner_url, "DROP TABLE locked")


async def test_a_full_pool_says_unavailable_instead_of_waiting_for_ever(
    server: EmbeddedPostgres,
) -> None:
    small = Database(server.app_url, pool_size=1, pool_timeout_seconds=0.05)
    try:
        async with small.transaction("takes the only connection"):
            with pytest.raises(Unavailable):
                await small.ping()
        await small.ping()
    finally:
        await small.close()


def test_ctrl_c_for_us_is_not_ctrl_c_for_the_server(server: EmbeddedPostgres) -> None:
    assert server.process is not None

    assert os.getpgid(server.process.pid) != os.getpgid(os.getpid())


def _ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]


def _run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
