"""What accounts add up to is the same whether it is added up now or was before."""

import random
from datetime import UTC, datetime, timedelta

from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.reports import LedgerAccountBalance
from storage import ledger, reports
from storage.database import Database
from storage.ledger_totals import keep_adding, ledger_accounts, trial_balance_now
from tests.storage.arrange import Shop, a_shop

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NO_MARGIN = timedelta()
_NUMBERS = iter(range(10**6))


async def book(
    database: Database, shop: Shop, minor: int, *, day: int = 0, to_suspense: bool = True
) -> None:
    """Money into suspense of the shop's account, or out of it again."""
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=shop.account.id)
    suspense = LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=shop.account.id)
    debit, credit = (clearing, suspense) if to_suspense else (suspense, clearing)
    number = next(_NUMBERS)
    booked = LedgerTransaction(
        id=f"ltx_{number}",
        event_type="test",
        event_id=str(number),
        app_id=shop.app.id,
        postings=(Posting(debit=debit, credit=credit, amount_minor=minor, currency="CNY"),),
        occurred_at=BEGIN + timedelta(days=day),
    )
    async with database.transaction("arrange") as connection:
        await ledger.post(connection, booked)


async def added(database: Database) -> None:
    more = True
    while more:
        async with database.transaction("add") as connection:
            more = await keep_adding(connection, margin=NO_MARGIN)


async def of_shop(database: Database, shop: Shop) -> dict[str, LedgerAccountBalance]:
    async with database.transaction("look") as connection:
        found = await ledger_accounts(connection, kind=None, currency=None, limit=99, cursor=None)
    return {item.kind: item for item in found.items if item.owner == shop.account.id}


async def test_balances_are_the_same_before_and_after_they_are_added_up(
    database: Database,
) -> None:
    shop, chance = await a_shop(database), random.Random(7)
    for round_ in range(4):
        for _ in range(5):
            await book(database, shop, chance.randint(1, 999), to_suspense=chance.random() < 0.7)
        async with database.transaction("look") as connection:
            exact = await reports.trial_balance(connection, at=BEGIN + timedelta(days=1))
            before = await trial_balance_now(connection)
        if round_ % 2:
            await added(database)
        async with database.transaction("look") as connection:
            after = await trial_balance_now(connection)

        assert before.rows == after.rows == exact.rows
        assert after.balanced


async def test_each_account_has_its_debits_and_credits(database: Database) -> None:
    shop = await a_shop(database)
    await book(database, shop, 7_00)
    await added(database)
    await book(database, shop, 2_00, to_suspense=False)

    mine = await of_shop(database, shop)

    clearing, suspense = mine[AccountKind.CHANNEL_CLEARING], mine[AccountKind.SUSPENSE_CREDIT]
    assert (clearing.debit_minor, clearing.credit_minor, clearing.balance_minor) == (700, 200, 500)
    assert (suspense.debit_minor, suspense.credit_minor, suspense.balance_minor) == (200, 700, -500)
    assert (suspense.account, suspense.name) == (f"2401:{shop.account.id}", "alipay")


async def test_suspense_says_since_when_it_has_not_been_empty(database: Database) -> None:
    shop = await a_shop(database)
    await book(database, shop, 5_00, day=1)
    await book(database, shop, 5_00, day=2, to_suspense=False)
    empty = (await of_shop(database, shop))[AccountKind.SUSPENSE_CREDIT]
    await book(database, shop, 3_00, day=4)
    await book(database, shop, 1_00, day=6)
    await book(database, shop, 3_00, day=8, to_suspense=False)

    mine = await of_shop(database, shop)

    assert (empty.balance_minor, empty.open_since) == (0, None)
    assert mine[AccountKind.SUSPENSE_CREDIT].open_since == BEGIN + timedelta(days=4)
    assert mine[AccountKind.CHANNEL_CLEARING].open_since is None


async def test_accounts_come_in_pages_that_fit_together(database: Database) -> None:
    for _ in range(3):
        await book(database, await a_shop(database), 1_00)
    async with database.transaction("look") as connection:
        whole = await ledger_accounts(
            connection, kind=AccountKind.SUSPENSE_CREDIT, currency="CNY", limit=99, cursor=None
        )
        pages: list[LedgerAccountBalance] = []
        cursor = None
        while not pages or cursor:
            page = await ledger_accounts(
                connection, kind=AccountKind.SUSPENSE_CREDIT, currency="CNY", limit=1, cursor=cursor
            )
            pages += page.items
            cursor = page.next_cursor

    assert tuple(pages) == whole.items
    assert len(pages) >= 3
