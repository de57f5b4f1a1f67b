"""The money invariants: a right house breaks none, and each wrong row is named by its own check."""

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from activities.webhook import WebhookSender
from devstack.postgres import EmbeddedPostgres
from models.errors import Unavailable
from storage.books import CHECKS, check_books, read_open_runs, read_our_books
from storage.books_check import CheckResult
from storage.database import Database
from tests.storage.house import Builder, House
from tests.storage.wrongs import WRONGS

# Rows are made wrong behind the back of triggers and foreign keys, as a bug in those would.
_UNGUARDED = "SET session_replication_role = replica;"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(database_url: str) -> House:
    """Built once; nobody is connected to its database afterwards, so that it can be copied."""
    database = Database(database_url, application_name="builder")
    try:
        async with WebhookSender() as sender:
            return await Builder(database, database_url, sender).build()
    finally:
        await database.close()


@pytest.fixture
def copy_url(postgres: EmbeddedPostgres, database_name: str, house: House) -> Iterator[str]:
    """The house in a database of its own, for its owner."""
    name = f"copy_{uuid4().hex}"
    names = sql.Identifier(name), sql.Identifier(database_name)
    with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        yield postgres.url_of(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


def test_a_right_house_breaks_nothing_and_every_check_had_something_to_look_at(
    owner_url: str, house: House
) -> None:
    results = check_books(owner_url, quiet=True)

    assert _broken(results) == {}
    assert [result.name for result in results if result.looked_at == 0] == []
    assert len(results) == len(CHECKS)


@pytest.mark.parametrize("what", list(WRONGS))
def test_a_wrong_row_is_named(copy_url: str, house: House, what: str) -> None:
    case = WRONGS[what]
    names = {field.name: getattr(house, field.name) for field in fields(house)}
    with psycopg.connect(copy_url, autocommit=True) as connection:
        connection.execute(_UNGUARDED + case.how.format(**names))

    broken = _broken(check_books(copy_url, quiet=True))

    assert broken.keys() >= {case.name}
    assert broken.keys() - {case.name} <= case.also
    assert case.shown.format(**names) in str(broken[case.name])


def test_every_check_is_tried() -> None:
    named = Counter(case.name for case in WRONGS.values())

    assert all(named[name] >= times for name, times in Counter(c.name for c in CHECKS).items())


def test_what_holds_only_when_quiet_is_left_out_while_the_house_is_busy(owner_url: str) -> None:
    names = {result.name for result in check_books(owner_url, quiet=False)}

    assert {"I13", "I15", "I17"}.isdisjoint(names)
    assert {"I1", "I8", "I12", "I18"} <= names


def test_checking_changes_nothing_even_if_a_check_would(owner_url: str, house: House) -> None:
    before = read_our_books(owner_url)

    check_books(owner_url, quiet=True)

    assert read_our_books(owner_url) == before
    assert {row["id"] for row in read_open_runs(owner_url)} == {
        house.open,
        house.going,
        house.approved,
        house.late_refund,
        house.surplus_refund,
    }


def test_what_channels_are_compared_with_is_what_was_taken_and_given_back(
    owner_url: str, house: House
) -> None:
    books = read_our_books(owner_url)

    # 50.00 less 4.00, 7.00 that came late and is still here, twice 3.00 of the other app.
    assert books.clearing_minor == {"CNY": 46_00 + 7_00 + 3_00 + 3_00}
    assert len(books.attempts) == 5
    assert {row["refund_id"] for row in books.refunds if row["status"] == "succeeded"} == {
        house.refunded
    }


def test_books_that_cannot_be_read_are_no_clean_books() -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        check_books("postgresql://nobody@127.0.0.1:1/nowhere", quiet=True)


def test_the_command_ends_with_what_it_found(copy_url: str, house: House) -> None:
    clean = _command(copy_url)
    case = WRONGS["a payment skipped a step of its history"]
    with psycopg.connect(copy_url, autocommit=True) as connection:
        connection.execute((_UNGUARDED + case.how.format(paid=house.paid)).encode())
    wrong, table = _command(copy_url, "--json"), _command(copy_url, "--always")
    nowhere = _command("postgresql://nobody@127.0.0.1:1/nowhere")

    assert (clean.returncode, wrong.returncode, table.returncode) == (0, 1, 1)
    assert "checks hold" in clean.stdout
    (found,) = [one for one in json.loads(wrong.stdout)["results"] if one["broken"]]
    assert (found["name"], found["rows"][0]["payment_id"]) == ("I16", house.paid)
    assert house.paid in table.stdout
    assert (nowhere.returncode, nowhere.stderr) == (
        2,
        "the books cannot be read (OperationalError)\n",
    )


def _command(database_url: str, *options: str) -> subprocess.CompletedProcess[str]:
    key = base64.b64encode(bytes(32)).decode()
    settings = {
        "PAYCENTER_DATABASE_URL": database_url,
        "PAYCENTER_PAYLOAD_KEYS": f"k1={key}",
        "PAYCENTER_VAULT_KEYS": f"k1={key}",
        "COLUMNS": "200",
    }
    return subprocess.run(
        [sys.executable, "-m", "cli", "books", "verify", *options],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _broken(results: tuple[CheckResult, ...]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for result in results:
        if not result.is_clean:
            found.setdefault(result.name, []).append(result.rows)
    return found
