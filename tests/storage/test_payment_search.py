"""Finding payments and what waits: what fits, in which order, and at which cost."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.payment import AttemptStatus, PaymentOrder, PaymentStatus
from models.reconciliation import DiscrepancyStatus
from models.search import CallbackQueue, PaymentQueue, PaymentSearch
from storage import payments
from storage.callback_views import list_callbacks, read_callback_view
from storage.channel_health import channel_health
from storage.database import Database
from storage.discrepancies import list_discrepancies
from storage.endpoints import list_endpoints
from storage.notifications import list_notifications
from storage.payment_search import search_payments
from storage.queues import count_queues, list_queue
from tests.factories import NOON, a_preparation, a_transition, an_attempt, cny
from tests.storage.arrange import (
    Shop,
    a_prepared_payment,
    a_shop,
    a_success,
    an_order_on_disk,
    settle,
)

_Read = Callable[[AsyncConnection], Awaitable[Any]]


async def _ids(database: Database, search: PaymentSearch, *, limit: int = 10) -> list[str]:
    async with database.transaction("test") as connection:
        page = await search_payments(connection, search, limit=limit, cursor=None)
    return [payment.id for payment in page.payments]


async def test_a_payment_is_found_by_each_of_its_numbers(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    charged = a_success(order, attempt)
    assert charged.attempt is not None
    reference = f"theirs-{order.payment_id}"
    told = charged.attempt.model_copy(update={"channel_reference": reference})
    await settle(database, charged.model_copy(update={"attempt": told}))

    for number in (order.payment_id, order.order_no, attempt.serial, reference):
        assert await _ids(database, PaymentSearch(number=number)) == [order.payment_id], number
    assert await _ids(database, PaymentSearch(number=reference[:-1])) == []
    assert await _ids(database, PaymentSearch(number=order.order_no, app_id="app_other")) == []


async def test_each_filter_leaves_what_fits(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_prepared_payment(database, shop, money=cny(7_31))
    await an_order_on_disk(database, await a_shop(database), money=cny(7_32))
    fits: dict[str, Any] = {
        "app_id": shop.app.id,
        "merchant_id": shop.merchant.id,
        "status": PaymentStatus.CREATED,
        "order_no": order.order_no,
        "method": "alipay_qr",
        "channel": "alipay",
        "amount_minor": 731,
        "created_from": NOON,
        "created_to": NOON + timedelta(seconds=1),
    }
    misses = fits | {
        "app_id": "app_other",
        "merchant_id": "mer_other",
        "status": PaymentStatus.FAILED,
        "order_no": "other",
        "method": "other",
        "channel": "other",
        "amount_minor": 732,
        "created_from": NOON + timedelta(seconds=1),
        "created_to": NOON,
    }

    assert await _ids(database, PaymentSearch(**fits)) == [order.payment_id]
    for name, value in misses.items():
        assert await _ids(database, PaymentSearch(**(fits | {name: value}))) == [], name
    assert await _ids(database, PaymentSearch(number=order.payment_id, channel="other")) == []


async def test_a_method_or_channel_of_any_attempt_counts(database: Database) -> None:
    shop = await a_shop(database)
    order, first = await a_prepared_payment(database, shop)
    second = an_attempt(order, shop.account, number=2)
    async with database.transaction("arrange") as connection:
        elsewhere = second.model_copy(update={"method": "other_qr"})
        await payments.record_preparation(connection, order, a_preparation(elsewhere), NOON)

    for method in (first.method, "other_qr"):
        assert await _ids(database, PaymentSearch(app_id=shop.app.id, method=method))


async def test_a_walk_looks_at_so_many_and_says_where_to_go_on(database: Database) -> None:
    shop = await a_shop(database)
    wanted = [await _ordered(database, shop, second, 500) for second in (0, 5)]
    for second in (1, 2, 3, 4, 6, 7):
        await _ordered(database, shop, second, 600)
    search = PaymentSearch(app_id=shop.app.id, amount_minor=500)
    pages: list[list[str]] = []
    cursor: str | None = None

    async with database.transaction("test") as connection:
        while not pages or cursor is not None:
            page = await search_payments(connection, search, limit=2, cursor=cursor, scanned_max=3)
            pages.append([payment.id for payment in page.payments])
            cursor = page.next_cursor

    # Newest first: 7 6 5, then 4 3 2, then 1 0.
    assert pages == [[wanted[1].payment_id], [], [wanted[0].payment_id]]


async def _ordered(database: Database, shop: Shop, second: int, minor: int) -> PaymentOrder:
    created_at = NOON + timedelta(seconds=second)
    return await an_order_on_disk(database, shop, created_at=created_at, money=cny(minor))


async def test_a_queue_has_the_longest_unmoved_first_and_every_payment_once(
    database: Database,
) -> None:
    shop = await a_shop(database)
    in_review = [await _in_review(database, shop, NOON + timedelta(hours=h)) for h in (3, 1, 2)]
    seen: list[str] = []
    cursor: str | None = None

    async with database.transaction("test") as connection:
        counted = await count_queues(connection, now=NOON)
        while not seen or cursor is not None:
            page = await list_queue(connection, PaymentQueue.REVIEW, limit=1, cursor=cursor)
            seen += [payment.id for payment in page.payments]
            cursor = page.next_cursor
        unknown = await list_queue(connection, PaymentQueue.UNKNOWN, limit=10, cursor=None)

    assert seen == [in_review[1], in_review[2], in_review[0]]
    assert (counted.review.count, counted.review.oldest_at) == (3, NOON + timedelta(hours=1))
    # What is in review was asked about in vain: it waits for a person, not for the channel.
    assert not {payment.id for payment in unknown.payments} & set(seen)


async def _in_review(database: Database, shop: Shop, at: datetime) -> str:
    order, attempt = await a_prepared_payment(database, shop)
    move = a_transition(order, PaymentStatus.REVIEW, attempt_status=AttemptStatus.UNKNOWN, at=at)
    async with database.transaction("arrange") as connection:
        await payments.record_transition(connection, move, attempt=attempt, exchange=None)
    return order.payment_id


async def test_late_money_that_goes_back_by_its_apps_rule_waits_for_nobody(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    late = a_transition(order, PaymentStatus.EXPIRED, attempt_status=AttemptStatus.CHARGED)
    async with database.transaction("arrange") as connection:
        charged = attempt.model_copy(update={"status": AttemptStatus.CHARGED})
        await payments.record_transition(connection, late, attempt=charged, exchange=None)
        before = await list_queue(connection, PaymentQueue.LATE, limit=10, cursor=None)

    assert before.payments == ()


READS: dict[str, _Read] = {
    "number": lambda c: search_payments(c, PaymentSearch(number="x"), limit=20, cursor=None),
    "status": lambda c: search_payments(
        c, PaymentSearch(status=PaymentStatus.FAILED), limit=20, cursor=None
    ),
    "merchant": lambda c: search_payments(
        c, PaymentSearch(merchant_id="mer_1"), limit=20, cursor=None
    ),
    "order_no": lambda c: search_payments(c, PaymentSearch(order_no="x"), limit=20, cursor=None),
    "walk": lambda c: search_payments(
        c, PaymentSearch(channel="x", amount_minor=1), limit=20, cursor=None
    ),
    "counts": lambda c: count_queues(c, now=NOON),
    **{
        f"queue {queue}": lambda c, queue=queue: list_queue(c, queue, limit=20, cursor=None)  # type: ignore[misc]
        for queue in PaymentQueue
    },
    **{
        f"callbacks {queue}": lambda c, queue=queue: list_callbacks(  # type: ignore[misc]
            c, queue, account_id=None, now=NOON, limit=20, cursor=None
        )
        for queue in CallbackQueue
    },
    "callback": lambda c: read_callback_view(c, "cb_1"),
    "health": lambda c: channel_health(c, now=NOON, limit=20, after=None),
    "endpoints": lambda c: list_endpoints(c, limit=20, after=None),
    "events": lambda c: list_notifications(
        c, app_id=None, object_id=None, status=None, limit=20, cursor=None
    ),
    "discrepancies": lambda c: list_discrepancies(c, app_id=None, limit=20, cursor=None),
    "open discrepancies": lambda c: list_discrepancies(
        c, app_id=None, status=DiscrepancyStatus.OPEN, limit=20, cursor=None
    ),
    "discrepancies of a payment": lambda c: list_discrepancies(
        c, app_id=None, payment_id="pay_1", limit=20, cursor=None
    ),
}
# Those that grow with every payment.
_LARGE = (
    "payment",
    "attempt",
    "exchange",
    "refund",
    "callback",
    "rejected_callback",
    "notification",
    "discrepancy",
)


@pytest.mark.parametrize("read", READS.values(), ids=list(READS))
async def test_no_list_reads_a_large_table_from_end_to_end(database: Database, read: _Read) -> None:
    await a_shop(database)
    async with database.transaction("test") as connection:
        # The tables of a test are so small that nothing else would pay.
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        before = await _whole_reads(connection)
        await read(connection)
        after = await _whole_reads(connection)

    assert after == before


async def _whole_reads(connection: AsyncConnection) -> dict[str, int]:
    query = text("""
        SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE relname = ANY(:tables)
    """)
    rows = await connection.execute(query, {"tables": list(_LARGE)})
    return {row.relname: row.seq_scan for row in rows}
