"""Reports over random books, against a model of them in Python."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.reports import ASSETS, EXPENSES, INCOME, LIABILITIES, CurrencyDay
from storage import ledger, reports
from storage.database import Database
from storage.ledger_totals import keep_adding
from tests.storage.arrange import a_shop

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CURRENCIES = ("CNY", "USD", "JPY")
# What each kind of event books: from the debit to the credit account.
EVENTS: dict[str, tuple[AccountKind, AccountKind]] = {
    "payment.captured": (AccountKind.CHANNEL_CLEARING, AccountKind.MERCHANT_PENDING),
    "payment.late_success": (AccountKind.CHANNEL_CLEARING, AccountKind.SUSPENSE_CREDIT),
    "refund.accepted": (AccountKind.MERCHANT_PENDING, AccountKind.REFUND_IN_TRANSIT),
    "refund.succeeded": (AccountKind.REFUND_IN_TRANSIT, AccountKind.CHANNEL_CLEARING),
    "channel.fees": (AccountKind.CHANNEL_FEE_COST, AccountKind.CHANNEL_CLEARING),
    "repair.suspense": (AccountKind.SUSPENSE_DEBIT, AccountKind.CHANNEL_CLEARING),
    "repair.write_off": (AccountKind.LOSS, AccountKind.CHANNEL_CLEARING),
    "fee": (AccountKind.CHANNEL_CLEARING, AccountKind.FEE_INCOME),
}
Entry = tuple[AccountKind, str, str, datetime, str, int]


def test_every_kind_of_account_stands_on_one_side_of_the_equation() -> None:
    sides = (ASSETS, LIABILITIES, INCOME, EXPENSES)

    assert sorted(kind for side in sides for kind in side) == sorted(AccountKind)


@pytest.mark.parametrize("_round", range(2))
async def test_every_report_of_random_books_equals_a_model_of_them(
    database: Database, _round: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # to repeat the round
    chance = random.Random(seed)
    shop = await a_shop(database)
    account = shop.account.id
    entries: list[Entry] = []
    for number in range(120):
        booked = _random_event(chance, f"{seed}-{number}", shop.app.id, account)
        async with database.transaction("arrange") as connection:
            await ledger.post(connection, booked)
        if number % 50 == 0:  # so that some are added up already, and the others are not
            async with database.transaction("add") as connection:
                await keep_adding(connection, margin=timedelta())
        entries += _entries_of(booked)
    since = BEGIN + timedelta(days=chance.randint(0, 4))
    until = since + timedelta(days=1)
    odd = timedelta(seconds=chance.randint(-500_000, 500_000))  # no slot begins or ends here

    async with database.transaction("look") as connection:
        days = await reports.channel_day(connection, account, since=since, until=until)
        statement = await reports.account_statement(
            connection,
            LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=account),
            currency="CNY",
            since=since,
            until=until,
            limit=1000,
            cursor=None,
        )
        whole = await reports.trial_balance(connection, at=until)

        await _expect_pages(connection, account, entries, since + odd, until + 2 * odd)

    for day in days:
        _expect_day(day, entries, since, until)
    own = [e for e in _of(entries, AccountKind.CHANNEL_CLEARING, "CNY") if since <= e[3] < until]
    assert sorted(e.amount_minor for e in statement.entries) == sorted(e[5] for e in own)
    assert statement.balanced
    assert statement.closing_minor == (
        statement.entries[-1].after_minor if statement.entries else statement.opening_minor
    )
    assert whole.balanced


async def _expect_pages(
    connection: AsyncConnection,
    account: str,
    entries: list[Entry],
    since: datetime,
    until: datetime,
) -> None:
    """A statement of any two moments, in pages of three: every balance is that of the model."""
    own = _of(entries, AccountKind.CHANNEL_CLEARING, "CNY")
    balance = sum(entry[5] for entry in own if entry[3] < min(since, until))
    cursor, seen = None, 0
    while cursor is not None or not seen:
        page = await reports.account_statement(
            connection,
            LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=account),
            currency="CNY",
            since=since,
            until=until,
            limit=3,
            cursor=cursor,
        )
        assert page.opening_minor == sum(e[5] for e in own if e[3] < min(since, until))
        assert page.balanced
        for entry in page.entries:
            assert entry.before_minor == balance
            balance += entry.amount_minor
            assert entry.after_minor == balance
        cursor, seen = page.next_cursor, seen + 1
    assert balance == sum(entry[5] for entry in own if entry[3] < until)


def _expect_day(day: CurrencyDay, entries: list[Entry], since: datetime, until: datetime) -> None:
    clearing = _of(entries, AccountKind.CHANNEL_CLEARING, day.currency)
    before = sum(e[5] for e in clearing if e[3] < since)
    during = [e[5] for e in clearing if since <= e[3] < until]
    assert day.balanced
    assert day.opening_minor == before
    assert day.in_minor == sum(amount for amount in during if amount > 0)
    assert day.out_minor == -sum(amount for amount in during if amount < 0)
    assert day.closing_minor == before + sum(during)
    by_event: dict[str, int] = defaultdict(int)
    for entry in clearing:
        if since <= entry[3] < until:
            by_event[entry[4]] += entry[5]
    assert {event.event_type: event.amount_minor for event in day.clearing} == by_event


async def test_one_account_of_many_is_read_through_an_index(
    database: Database, owner_url: str
) -> None:
    shop = await a_shop(database)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO ledger_account (kind, owner, currency) "
            "SELECT '1101', 'acc_' || n, 'CNY' FROM generate_series(1, 200) n"
        )
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "INSERT INTO ledger_transaction "
            "(id, event_type, event_id, app_id, content_hash, occurred_at) "
            "SELECT 'ltx_fill_' || n, 'fill', n::text, %s, '', '2026-03-01' "
            "FROM generate_series(1, 40000) n",
            (shop.app.id,),
        )
        connection.execute(
            "INSERT INTO ledger_entry "
            "(ledger_transaction_id, ledger_account_id, amount_minor, currency, occurred_at) "
            "SELECT 'ltx_fill_' || n, account.id, 1, 'CNY', '2026-03-01' "
            "FROM generate_series(1, 40000) n "
            "JOIN ledger_account account ON account.owner = 'acc_' || (n % 200 + 1)"
        )
        connection.execute("ANALYZE")
        plan = "\n".join(
            str(row[0])
            for row in connection.execute(
                "EXPLAIN SELECT entry.id, booked.event_type FROM ledger_entry entry "
                "JOIN ledger_transaction booked ON booked.id = entry.ledger_transaction_id "
                "WHERE entry.ledger_account_id = (SELECT id FROM ledger_account "
                "WHERE (kind, owner, currency) = ('1101', 'acc_7', 'CNY')) "
                "AND (entry.occurred_at, entry.id) > ('2026-02-01', 0) "
                "ORDER BY entry.occurred_at, entry.id LIMIT 21"
            )
        )

    assert "Seq Scan on ledger_entry" not in plan, plan


def _random_event(chance: random.Random, name: str, app_id: str, account: str) -> LedgerTransaction:
    event = chance.choice(list(EVENTS))
    debit, credit = EVENTS[event]
    at = BEGIN + timedelta(seconds=chance.randint(0, 6 * 86_400))
    return LedgerTransaction(
        id=f"ltx_{name}",
        event_type=event,
        event_id=name,
        app_id=app_id,
        postings=(
            Posting(
                debit=_account(debit, account),
                credit=_account(credit, account),
                amount_minor=chance.randint(1, 10**7),
                currency=chance.choice(CURRENCIES),
            ),
        ),
        occurred_at=at,
    )


def _account(kind: AccountKind, account: str) -> LedgerAccountName:
    shared = kind in (AccountKind.FEE_INCOME, AccountKind.LOSS)
    return LedgerAccountName(kind=kind, owner="" if shared else account)


def _entries_of(booked: LedgerTransaction) -> list[Entry]:
    (posting,) = booked.postings
    return [
        (name.kind, name.owner, posting.currency, booked.occurred_at, booked.event_type, amount)
        for name, amount in (
            (posting.debit, posting.amount_minor),
            (posting.credit, -posting.amount_minor),
        )
    ]


def _of(entries: list[Entry], kind: AccountKind, currency: str) -> list[Entry]:
    return [entry for entry in entries if (entry[0], entry[2]) == (kind, currency)]
