"""What every test may use: a real PostgreSQL, one for the session, a fresh database per module."""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from devstack.postgres import EmbeddedPostgres
from storage.database import Database
from storage.migrate import upgrade

_TEMPLATE = "paycenter_template"
_SEED = "PAYCENTER_CHAOS_SEED"
# Before anything is collected: processes that share the tests have to choose the same ones.
os.environ.setdefault(_SEED, str(random.randrange(10**6)))
_EXIT_STATUS = pytest.StashKey[int]()
_OWN_FOLDER = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for all tests, with a migrated database to copy."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(folder) as server:
        _administer(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        upgrade(server.url_of(_TEMPLATE))
        yield server


@pytest.fixture(scope="module")
def database_name(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh, migrated database for one test module."""
    name = f"test_{uuid4().hex}"
    identifiers = sql.Identifier(name), sql.Identifier(_TEMPLATE)
    _administer(postgres, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*identifiers))
    yield name
    _administer(postgres, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifiers[0]))


@pytest.fixture(scope="module")
def database_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """Its address for the application's role."""
    return postgres.url_of(database_name, owner=False)


@pytest.fixture(scope="module")
def owner_url(postgres: EmbeddedPostgres, database_name: str) -> str:
    """Its address for the role that owns the tables."""
    return postgres.url_of(database_name)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, pool_size=20, application_name="tests")
    yield opened
    await opened.close()


def pytest_report_header() -> str:
    return f"what is killed in this run, again: {_SEED}={os.environ[_SEED]}"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A folder of its own for each run, since PostgreSQL works in it as another user.

    The folder that pytest shares between runs is closed to others whenever a run begins, which
    takes the data away from under the servers of the runs before it.
    """
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="paycenter-tests-")
        config.stash[_OWN_FOLDER] = config.option.basetemp


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_EXIT_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave with the status pytest found, past the interpreter's own shutdown.

    Threads of the Temporal SDK that are still at work can abort a finalising interpreter before
    Python 3.14, which would turn a green run red.
    """
    status = config.stash.get(_EXIT_STATUS, None)
    if status == 0 and _OWN_FOLDER in config.stash:
        shutil.rmtree(config.stash[_OWN_FOLDER], ignore_errors=True)
    if status is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _administer(server: EmbeddedPostgres, statement: sql.Composed) -> None:
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement)
