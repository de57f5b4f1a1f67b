"""The books on a real PostgreSQL: they balance, they are never edited, nothing is booked twice."""

import asyncio

import psycopg
import pytest

from models.errors import InvariantBroken
from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction
from models.money import Money
from storage import ledger
from storage.database import Database
from storage.ledger import TrialBalanceLine
from tests.factories import NOON, a_capture, a_posting, cny, usd
from tests.storage.arrange import Shop, a_prepared_payment, a_shop

CHANGES = {
    "ledger_account": "UPDATE ledger_account SET owner = 'somebody else'",
    "ledger_transaction": "UPDATE ledger_transaction SET event_id = 'something else'",
    "ledger_entry": "UPDATE ledger_entry SET amount_minor = 1",
    "payment_transition": "UPDATE payment_transition SET to_status = 'succeeded'",
    "verdict": "UPDATE verdict SET accepted = true",
}


async def test_the_same_is_posted_once_and_something_else_for_the_event_is_a_bug(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    capture = a_capture(order, attempt)

    async with database.transaction("test") as connection:
        first = await ledger.post(connection, capture)
        again = await ledger.post(connection, capture.model_copy(update={"id": "ltx_other"}))
    with pytest.raises(InvariantBroken, match="posted before with other content"):
        async with database.transaction("test") as connection:
            await ledger.post(connection, a_capture(order, attempt, fee_minor=13))

    assert first
    assert not again
    async with database.transaction("test") as connection:
        assert len(await ledger.payment_entries(connection, order.payment_id)) == 4


async def test_one_event_posted_by_many_at_once_is_booked_once(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)

    async def post() -> bool:
        async with database.transaction("test") as connection:
            return await ledger.post(connection, a_capture(order, attempt))

    posted = await asyncio.gather(*(post() for _ in range(8)))

    assert sorted(posted) == [False] * 7 + [True]


async def test_many_events_at_once_open_a_missing_account_together(database: Database) -> None:
    shop = await a_shop(database)

    async def post(number: int) -> bool:
        async with database.transaction("test") as connection:
            return await ledger.post(connection, _transfer(shop, f"event-{number}", cny(1_00)))

    posted = await asyncio.gather(*(post(number) for number in range(12)))

    assert posted == [True] * 12
    async with database.transaction("test") as connection:
        assert await ledger.balance(connection, _bank(shop), "CNY") == 12_00
        assert await ledger.balance(connection, _bank(shop), "USD") == 0


async def test_a_posting_of_nothing_leaves_no_entry(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)

    async with database.transaction("test") as connection:
        await ledger.post(connection, a_capture(order, attempt, fee_minor=0))
        lines = await ledger.payment_entries(connection, order.payment_id)

    assert [line.amount_minor for line in lines] == [19_99, -19_99]


async def test_a_transaction_without_entries_is_refused(database: Database) -> None:
    shop = await a_shop(database)

    with pytest.raises(InvariantBroken, match="has no entries"):
        async with database.transaction("test") as connection:
            await ledger.post(connection, _transfer(shop, "nothing", cny(0)))


async def test_the_trial_balance_is_even_in_every_currency(database: Database) -> None:
    shop = await a_shop(database)
    async with database.transaction("test") as connection:
        await ledger.post(connection, _transfer(shop, "dollars", usd(7_00)))

        lines = await ledger.trial_balance(connection)

    assert (
        TrialBalanceLine(kind=AccountKind.BANK, currency="USD", debit_minor=7_00, credit_minor=0)
        in lines
    )
    for currency in {line.currency for line in lines}:
        of_currency = [line for line in lines if line.currency == currency]
        assert sum(line.debit_minor - line.credit_minor for line in of_currency) == 0


async def test_entries_that_do_not_balance_cannot_be_committed(
    database: Database, owner_url: str
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    async with database.transaction("test") as connection:
        await ledger.post(connection, a_capture(order, attempt))

    owner = await psycopg.AsyncConnection.connect(owner_url)
    try:
        await owner.execute(
            """
            INSERT INTO ledger_entry
                (ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at)
            SELECT ledger_transaction_id, ledger_account_id, 1, currency, occurred_at
            FROM ledger_entry WHERE ledger_transaction_id = %s LIMIT 1
            """,
            [f"ltx_capture_{attempt.serial}"],
        )

        with pytest.raises(psycopg.errors.CheckViolation, match="does not balance"):
            await owner.commit()
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "statement",
    [
        *CHANGES.values(),
        *(f"DELETE FROM {table}" for table in CHANGES),  # noqa: S608  # names from this file
        *(f"TRUNCATE {table} CASCADE" for table in CHANGES),
    ],
)
async def test_not_even_the_owner_edits_the_books(owner_url: str, statement: str) -> None:
    owner = await psycopg.AsyncConnection.connect(owner_url)
    try:
        with pytest.raises(psycopg.errors.CheckViolation, match="added to, never edited"):
            await owner.execute(statement)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    "statement",
    [
        *CHANGES.values(),
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "INSERT INTO ledger_account (kind, owner, currency) VALUES ('1101', 'x', 'CNY')",
        "INSERT INTO ledger_entry (amount_minor) VALUES (1)",
        "DELETE FROM payment",
        "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id integer)",
        "DROP TABLE payment",
        "UPDATE alembic_version SET version_num = 'x'",
        "UPDATE change_log SET actor = 'x'",
        "DELETE FROM change_log",
        "DELETE FROM channel_account_version",
    ],
)
async def test_the_application_may_neither_edit_books_nor_change_tables(
    database_url: str, statement: str
) -> None:
    application = await psycopg.AsyncConnection.connect(database_url)
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await application.execute(statement)
    finally:
        await application.close()


def _bank(shop: Shop) -> LedgerAccountName:
    return LedgerAccountName(kind=AccountKind.BANK, owner=shop.account.id)


def _transfer(shop: Shop, event_id: str, money: Money) -> LedgerTransaction:
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=shop.account.id)
    return LedgerTransaction(
        id=f"ltx_{shop.app.id}_{event_id}",
        event_type="test.transfer",
        event_id=f"{shop.app.id}:{event_id}",
        app_id=shop.app.id,
        postings=(a_posting(debit=_bank(shop), credit=clearing, money=money),),
        occurred_at=NOON,
    )
