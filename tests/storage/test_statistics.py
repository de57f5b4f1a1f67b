"""What ended in a window and what waits: every figure worked out by hand."""

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

import psycopg
import pytest

from models.money import Money
from models.payment import AttemptStatus, PaymentStatus, Settlement
from models.statistics import BucketSize, WaitsNow, WindowFigures
from storage import payments
from storage.database import Database
from storage.statistics import keep_counting, window_figures
from storage.waiting import waits_now
from tests.factories import NOON, a_transition, cny, usd
from tests.storage.arrange import Shop, a_prepared_payment, a_refund, a_shop, an_order_on_disk
from tests.storage.arrange import a_paid_payment as paid_for_refunds
from tests.storage.statements import DAY, Account, line

ZONES = {"alipay": "Asia/Shanghai"}
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAYS = timedelta(days=1)
_TABLES = (
    *("attempt", "payment_transition", "payment", "refund", "notification", "discrepancy"),
    *("reconciliation", "channel_account", "statistics_slot"),
)


@pytest.fixture(autouse=True)
async def alone(owner_url: str) -> AsyncIterator[None]:
    """Each test counts what it arranged, and nothing of the others."""
    yield
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        for table in _TABLES:
            await connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608
        await connection.execute(
            "UPDATE statistics_mark SET counted_until = 'epoch', reviewed_at = 'epoch'"
        )


async def ended(
    database: Database,
    shop: Shop,
    money: Money,
    after: timedelta,
    status: PaymentStatus = PaymentStatus.SUCCEEDED,
) -> None:
    """A payment that ended so long after it was handed to its channel, at noon."""
    order, attempt = await a_prepared_payment(database, shop, money=money)
    is_paid = status is PaymentStatus.SUCCEEDED
    move = a_transition(
        order,
        status,
        attempt_status=AttemptStatus.CHARGED if is_paid else AttemptStatus.FAILED,
        at=NOON + after,
    )
    async with database.transaction("arrange") as connection:
        await payments.settle(
            connection,
            Settlement(order=order, attempt=attempt, transition=move),
            ledger_transaction=None,
            notification=None,
        )


async def look(
    database: Database, *, hours: int = 3, bucket: BucketSize = BucketSize.HOUR
) -> WindowFigures:
    """From noon on."""
    async with database.transaction("look") as connection:
        return await window_figures(
            connection, since=NOON, until=NOON + hours * HOUR, bucket=bucket
        )


async def counted(database: Database, *, now: datetime) -> None:
    more = True
    while more:
        async with database.transaction("count") as connection:
            more = await keep_counting(connection, now=now)


async def waits(database: Database, *, now: datetime) -> WaitsNow:
    async with database.transaction("look") as connection:
        return await waits_now(connection, now=now, timezones=ZONES)


async def test_an_empty_database_has_no_figures_and_nothing_waits(database: Database) -> None:
    figures, now = await look(database), await waits(database, now=NOON)

    assert figures == WindowFigures(volume=(), outcomes=(), channels=())
    assert (now.unknown.count, now.unknown.at_least, now.unknown.oldest_at) == (0, False, None)
    assert (now.discrepancies.count, now.days_missing.not_run) == (0, 0)


async def test_a_window_tells_volume_success_and_its_time(database: Database) -> None:
    shop = await a_shop(database)
    await ended(database, shop, cny(10_00), after=3 * SECOND)
    await ended(database, shop, cny(5_00), after=7 * SECOND)
    await ended(database, shop, usd(2_00), after=HOUR + 1.5 * SECOND)
    await ended(database, shop, cny(99_00), after=HOUR, status=PaymentStatus.FAILED)
    await ended(database, shop, cny(1_00), after=3 * HOUR)  # after the window

    figures = await look(database)

    assert [(v.at, v.currency, v.count, v.amount) for v in figures.volume] == [
        (NOON, "CNY", 2, 15_00),
        (NOON + HOUR, "USD", 1, 2_00),
    ]
    assert [(o.at, o.channel, o.succeeded, o.ended) for o in figures.outcomes] == [
        (NOON, "alipay", 2, 2),
        (NOON + HOUR, "alipay", 1, 2),
    ]
    (alipay,) = figures.channels
    assert (alipay.succeeded, alipay.ended, alipay.success_bps) == (3, 4, 7500)
    # They took 3, 7 and 3601.5 seconds; what took 3 is known to have taken less than 4.
    assert alipay.timed == 3
    assert (alipay.p50_seconds, alipay.p90_seconds, alipay.p99_seconds) == (8, 7200, 7200)


async def test_two_of_three_is_told_with_its_counts(database: Database) -> None:
    shop = await a_shop(database)
    for status in (PaymentStatus.SUCCEEDED, PaymentStatus.SUCCEEDED, PaymentStatus.FAILED):
        await ended(database, shop, cny(1_00), after=SECOND, status=status)

    (alipay,) = (await look(database)).channels

    assert (alipay.succeeded, alipay.ended, alipay.success_bps) == (2, 3, 6666)


async def test_counted_slots_and_what_ended_since_give_the_same_figures(
    database: Database,
) -> None:
    shop = await a_shop(database)
    for minutes in (1, 9, 11, 50, 65, 90, 91, 119, 121, 170):
        await ended(database, shop, cny(minutes), after=timedelta(minutes=minutes))
    live = await look(database)

    by_stages = []
    for minutes in (15, 70, 95, 200):
        await counted(database, now=NOON + timedelta(minutes=minutes))
        by_stages.append(await look(database))

    assert [(v.count, v.amount) for v in live.volume] == [(4, 71), (4, 365), (2, 291)]
    assert by_stages == [live] * 4


async def test_days_are_made_of_the_same_slots(database: Database) -> None:
    shop = await a_shop(database)
    await ended(database, shop, cny(10), after=HOUR)
    await ended(database, shop, cny(20), after=13 * HOUR)
    await counted(database, now=NOON + 2 * DAYS)

    figures = await look(database, hours=48, bucket=BucketSize.DAY)

    midnight = NOON - 12 * HOUR
    assert [(v.at, v.amount) for v in figures.volume] == [(midnight, 10), (midnight + DAYS, 20)]


async def test_money_that_is_written_down_late_gets_into_its_slot(database: Database) -> None:
    shop = await a_shop(database)
    await ended(database, shop, cny(10), after=timedelta(minutes=5))
    await counted(database, now=NOON + 2 * HOUR)
    await ended(database, shop, cny(20), after=timedelta(minutes=6))
    before = await look(database)

    await counted(database, now=NOON + 3 * HOUR)
    after = await look(database)

    assert [v.amount for v in before.volume] == [10]
    assert [v.amount for v in after.volume] == [30]


async def test_counting_again_changes_nothing(database: Database) -> None:
    shop = await a_shop(database)
    await ended(database, shop, cny(10), after=timedelta(minutes=5))
    await counted(database, now=NOON + HOUR)
    first = await look(database)

    await counted(database, now=NOON + HOUR)
    await counted(database, now=NOON + 5 * HOUR)

    assert await look(database) == first


async def test_open_payments_are_told_apart_by_what_is_wrong_with_them(
    database: Database,
) -> None:
    shop = await a_shop(database)
    now = NOON + 2 * HOUR
    await an_order_on_disk(database, shop, created_at=now)  # just begun: nothing is wrong
    await an_order_on_disk(database, shop, created_at=NOON)  # expired at 12:15, and still open
    order, attempt = await a_prepared_payment(database, shop)
    unknown = a_transition(
        order, PaymentStatus.PROCESSING, attempt_status=AttemptStatus.UNKNOWN, at=NOON + HOUR
    )
    async with database.transaction("arrange") as connection:
        await payments.settle(
            connection,
            Settlement(order=order, attempt=attempt, transition=unknown),
            ledger_transaction=None,
            notification=None,
        )

    seen = await waits(database, now=now)

    assert (seen.unknown.count, seen.unknown.oldest_at) == (1, NOON + HOUR)
    assert (seen.review.count, seen.review.oldest_at) == (0, None)
    # The unknown one is overdue as well.
    assert (seen.overdue.count, seen.overdue.oldest_at) == (2, NOON + timedelta(minutes=15))


async def test_notifications_wait_only_once_their_first_delivery_should_be_over(
    database: Database,
) -> None:
    shop = await a_shop(database)
    await paid_for_refunds(database, shop)  # its notification is made at noon and not delivered

    early = await waits(database, now=NOON + 30 * SECOND)
    late = await waits(database, now=NOON + HOUR)

    assert (early.undelivered.count, late.undelivered.count) == (0, 1)
    assert late.undelivered.oldest_at is not None


async def test_refunds_and_repairs_wait_for_a_second_person(
    database: Database, database_url: str
) -> None:
    shop = await a_shop(database, refund_approval_above_minor=5_00)
    order, _ = await paid_for_refunds(database, shop, money=cny(100_00))
    await a_refund(database, order, cny(4_00))
    await a_refund(database, order, cny(6_00))
    account = Account(database, database_url, shop)
    await account.run([line("theirs", 7_00, NOON)])

    seen = await waits(database, now=NOON + HOUR)

    assert (seen.refund_approvals.count, seen.refund_approvals.oldest_at) == (1, NOON)
    assert (seen.repair_approvals.count, seen.discrepancies.count) == (0, 2)


@pytest.mark.parametrize(
    ("days", "by_age"),
    [(1, (1, 0, 0, 0)), (3, (0, 1, 0, 0)), (7, (0, 0, 1, 0)), (8, (0, 0, 0, 1))],
)
async def test_discrepancies_age_from_their_own_day(
    database: Database, database_url: str, days: int, by_age: tuple[int, int, int, int]
) -> None:
    account = Account(database, database_url, await a_shop(database))
    await account.run([line("theirs", 7_00, NOON)])

    open_ = (await waits(database, now=NOON + days * DAYS)).discrepancies

    assert (open_.days_0_1, open_.days_2_3, open_.days_4_7, open_.older) == by_age
    assert open_.count == 1


async def test_days_without_a_good_reconciliation_are_missing_from_the_next_noon_on(
    database: Database, database_url: str
) -> None:
    account = Account(database, database_url, await a_shop(database))
    noon_in_shanghai = NOON.replace(hour=4) + 3 * DAYS  # of the fifth of March

    early = (await waits(database, now=noon_in_shanghai - SECOND)).days_missing
    due = (await waits(database, now=noon_in_shanghai)).days_missing
    await account.run([], DAY)
    run = (await waits(database, now=noon_in_shanghai)).days_missing

    # The account is there since the second of March; the fourth is due at noon of the fifth.
    assert (early.not_run, early.failed, early.oldest_on) == (2, 0, date(2026, 3, 2))
    assert (due.not_run, due.failed, due.oldest_on) == (3, 0, date(2026, 3, 2))
    assert (run.not_run, run.failed, run.oldest_on) == (2, 0, date(2026, 3, 3))
