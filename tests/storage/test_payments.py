"""Orders, attempts and moves on a real PostgreSQL."""

import asyncio
from datetime import timedelta

import pytest

from models.channel import ChannelAccountStatus, ShowQrCode
from models.errors import InvalidRequest, InvariantBroken, NotFound
from models.payment import (
    AttemptStatus,
    Failure,
    PaymentState,
    PaymentStatus,
    Preparation,
    Verdict,
)
from models.search import PaymentSearch
from models.views import RecordedOrder
from observability.metrics import REGISTRY
from storage import ledger, payments
from storage.channel_accounts import create_channel_account
from storage.database import Database
from storage.merchants import create_merchant
from storage.payment_search import search_payments
from tests.factories import (
    NOON,
    a_channel_account,
    a_merchant,
    a_notification,
    a_preparation,
    a_transition,
    an_attempt,
    an_exchange,
    an_order,
)
from tests.storage.arrange import (
    VAULT,
    a_prepared_payment,
    a_shop,
    a_success,
    an_order_on_disk,
    settle,
)


async def test_an_order_is_written_down_once_and_given_back_afterwards(database: Database) -> None:
    shop = await a_shop(database)
    order = an_order(shop.merchant, payer_code="28012345")

    async with database.transaction("test") as connection:
        first = await payments.record_order(connection, order, request_id="req_1")
        again = an_order(shop.merchant, order_no=order.order_no)
        second = await payments.record_order(connection, again, request_id="req_2")

    assert first.is_new
    assert not second.is_new
    assert second.order == order
    assert second.state == PaymentState(status=PaymentStatus.CREATED, version=1)


async def test_many_at_once_with_one_order_number_make_one_payment(database: Database) -> None:
    shop = await a_shop(database)

    async def record() -> RecordedOrder:
        order = an_order(shop.merchant, order_no="the-same")
        async with database.transaction("test") as connection:
            return await payments.record_order(connection, order, request_id="req")

    recorded = await asyncio.gather(*(record() for _ in range(16)))

    assert sum(one.is_new for one in recorded) == 1
    assert len({one.order.payment_id for one in recorded}) == 1


async def test_an_order_for_a_merchant_of_another_app_is_not_found(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    order = an_order(theirs.merchant).model_copy(update={"app_id": mine.app.id})

    with pytest.raises(NotFound) as refused:
        async with database.transaction("test") as connection:
            await payments.record_order(connection, order, request_id="req_1")

    assert refused.value.code == "merchant-not-found"
    assert refused.value.problems[0].pointer == "#/merchant_id"


async def test_facts_hold_active_accounts_with_the_method_oldest_first(database: Database) -> None:
    shop = await a_shop(database)
    newer = a_channel_account(shop.merchant, created_at=NOON + timedelta(days=1))
    others = (
        a_channel_account(shop.merchant, methods=("alipay_page",)),
        a_channel_account(shop.merchant, status=ChannelAccountStatus.DISABLED),
    )
    async with database.transaction("test") as connection:
        for account in (newer, *others):
            await create_channel_account(connection, VAULT, account, {})

        facts = await payments.read_order_facts(connection, an_order(shop.merchant))

    assert facts.app == shop.app
    assert facts.merchant == shop.merchant
    assert facts.accounts == (shop.account, newer)


async def test_facts_of_a_merchant_without_accounts_have_none(database: Database) -> None:
    shop = await a_shop(database)
    bare = a_merchant(shop.app)
    async with database.transaction("test") as connection:
        await create_merchant(connection, bare)

        facts = await payments.read_order_facts(connection, an_order(bare))

    assert facts.accounts == ()


async def test_a_repeated_preparation_goes_on_with_the_first_attempt(database: Database) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop)
    other = a_channel_account(shop.merchant)
    first, second = an_attempt(order, shop.account), an_attempt(order, other)

    async with database.transaction("test") as connection:
        await create_channel_account(connection, VAULT, other, {})
        reserved = await payments.record_preparation(connection, order, a_preparation(first), NOON)
        repeated = await payments.record_preparation(connection, order, a_preparation(second), NOON)

    assert reserved == first
    assert repeated == first


async def test_a_refusal_is_recorded_without_an_attempt(database: Database) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop)
    refusal = Preparation(
        verdicts=(Verdict(step="risk", accepted=False, rule_version="3", reasons=("too much",)),),
        refusal=Failure(code="risk_refused", detail="too much"),
    )

    async with database.transaction("test") as connection:
        reserved = await payments.record_preparation(connection, order, refusal, NOON)

    assert reserved is None


async def test_a_move_is_shown_and_forgets_the_payer_code(database: Database) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop, payer_code="28012345")
    attempt = an_attempt(order, shop.account)
    shown = ShowQrCode(content="https://qr.example/1", expires_at=NOON)
    transition = a_transition(
        order, PaymentStatus.REQUIRES_ACTION, attempt_status=AttemptStatus.PENDING
    )
    after = transition.after.model_copy(update={"next_action": shown})
    answered = attempt.model_copy(update={"channel_reference": "2026-1"})

    async with database.transaction("test") as connection:
        await payments.record_preparation(connection, order, a_preparation(attempt), NOON)
        moved = await payments.record_transition(
            connection,
            transition.model_copy(update={"after": after}),
            attempt=answered,
            exchange=an_exchange(),
        )
        view = await payments.read_payment(connection, order.payment_id, app_id=shop.app.id)
        recorded = await payments.read_order(connection, order.payment_id)

    assert moved
    assert view is not None
    assert view.status is PaymentStatus.REQUIRES_ACTION
    assert view.next_action == shown
    assert view.attempt_status is AttemptStatus.PENDING
    assert (view.channel, view.channel_account_id) == ("alipay", shop.account.id)
    assert (view.serial, view.channel_reference) == (attempt.serial, "2026-1")
    assert recorded is not None
    assert recorded.order.payer_code is None
    assert recorded.state == after


async def test_a_repeated_move_changes_nothing_and_another_one_is_a_bug(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    move = a_transition(order, PaymentStatus.PROCESSING, attempt_status=AttemptStatus.UNKNOWN)
    other = a_transition(order, PaymentStatus.FAILED)

    async with database.transaction("test") as connection:
        first = await payments.record_transition(connection, move, attempt=attempt, exchange=None)
        again = await payments.record_transition(connection, move, attempt=attempt, exchange=None)
        with pytest.raises(InvariantBroken, match="processing is on disk"):
            await payments.record_transition(connection, other, attempt=attempt, exchange=None)

    assert first
    assert not again


async def test_a_payment_succeeds_once_however_many_settle_it(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    settlement = a_success(order, attempt)

    settled = await asyncio.gather(*(settle(database, settlement) for _ in range(8)))

    assert sorted(settled) == [False] * 7 + [True]
    async with database.transaction("test") as connection:
        view = await payments.read_payment(connection, order.payment_id, app_id=None)
        lines = await ledger.payment_entries(connection, order.payment_id)
    assert view is not None
    assert view.status is PaymentStatus.SUCCEEDED
    assert view.succeeded_at == settlement.transition.at
    assert view.channel_reference == "channel-1"
    assert [(line.account, line.amount_minor) for line in lines] == [
        (f"1101:{shop.account.id}", 19_87),
        (f"2101:{shop.merchant.id}", -19_87),
        (f"1101:{shop.account.id}", 12),
        ("4101", -12),
    ]


async def test_a_payment_that_ended_otherwise_is_not_settled(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    expired = a_transition(order, PaymentStatus.EXPIRED, attempt_status=AttemptStatus.EXPIRED)
    async with database.transaction("test") as connection:
        await payments.record_transition(connection, expired, attempt=attempt, exchange=None)

    with pytest.raises(InvariantBroken, match="expired is on disk"):
        await settle(database, a_success(order, attempt))

    async with database.transaction("test") as connection:
        assert await ledger.payment_entries(connection, order.payment_id) == ()


async def test_late_money_may_reopen_an_expired_payment_and_nothing_else(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    expired = a_transition(order, PaymentStatus.EXPIRED, attempt_status=AttemptStatus.EXPIRED)
    canceled = a_transition(order, PaymentStatus.CANCELED, before=expired.after)
    accepted = a_transition(
        order,
        PaymentStatus.SUCCEEDED,
        before=expired.after,
        attempt_status=AttemptStatus.CHARGED,
    )
    late = a_success(order, attempt).model_copy(update={"transition": accepted})
    async with database.transaction("test") as connection:
        await payments.record_transition(connection, expired, attempt=attempt, exchange=None)

    with pytest.raises(InvariantBroken, match="ended as expired and cannot become canceled"):
        async with database.transaction("test") as connection:
            await payments.record_transition(connection, canceled, attempt=attempt, exchange=None)
    settled = await settle(
        database, late, notification=a_notification(order, sequence=accepted.after.notified)
    )

    assert settled


async def test_a_payment_has_at_most_one_charged_attempt(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    second = an_attempt(order, shop.account, number=2)
    first_charge = a_transition(
        order, PaymentStatus.PROCESSING, attempt_status=AttemptStatus.CHARGED
    )
    second_charge = a_transition(
        order,
        PaymentStatus.SUCCEEDED,
        before=first_charge.after,
        attempt_status=AttemptStatus.CHARGED,
    )
    async with database.transaction("test") as connection:
        await payments.record_preparation(connection, order, a_preparation(second), NOON)
        await payments.record_transition(connection, first_charge, attempt=attempt, exchange=None)

    with pytest.raises(InvariantBroken, match="attempt_charged_once"):
        async with database.transaction("test") as connection:
            await payments.record_transition(
                connection, second_charge, attempt=second, exchange=None
            )


async def test_a_move_with_an_attempt_that_was_never_reserved_is_a_bug(database: Database) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop)
    move = a_transition(order, PaymentStatus.PROCESSING)

    with pytest.raises(InvariantBroken, match="not on disk"):
        async with database.transaction("test") as connection:
            await payments.record_transition(
                connection, move, attempt=an_attempt(order, shop.account), exchange=None
            )

    async with database.transaction("test") as connection:
        recorded = await payments.read_order(connection, order.payment_id)
    assert recorded is not None
    assert recorded.state.status is PaymentStatus.CREATED


async def test_another_apps_payment_does_not_exist(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    order = await an_order_on_disk(database, theirs)

    async with database.transaction("test") as connection:
        foreign = await payments.read_payment(connection, order.payment_id, app_id=mine.app.id)
        by_number = await search_payments(
            connection,
            PaymentSearch(app_id=mine.app.id, number=order.order_no),
            limit=10,
            cursor=None,
        )
        page = await search_payments(
            connection, PaymentSearch(app_id=mine.app.id), limit=10, cursor=None
        )
        own = await search_payments(
            connection,
            PaymentSearch(app_id=theirs.app.id, number=order.order_no),
            limit=10,
            cursor=None,
        )

    assert foreign is None
    assert by_number.payments == ()
    assert page.payments == ()
    assert [payment.id for payment in own.payments] == [order.payment_id]


async def test_pages_show_every_payment_once_newest_first(database: Database) -> None:
    shop = await a_shop(database)
    # Two of each instant, so that pages also break between equals.
    orders = [
        await an_order_on_disk(database, shop, created_at=NOON + timedelta(seconds=number // 2))
        for number in range(7)
    ]
    seen: list[str] = []
    cursor: str | None = None

    async with database.transaction("test") as connection:
        for _ in range(4):
            page = await search_payments(
                connection,
                PaymentSearch(app_id=shop.app.id, status=PaymentStatus.CREATED),
                limit=2,
                cursor=cursor,
            )
            seen += [payment.id for payment in page.payments]
            cursor = page.next_cursor

    newest_first = sorted(orders, key=lambda one: (one.created_at, one.payment_id), reverse=True)
    assert seen == [order.payment_id for order in newest_first]
    assert cursor is None


@pytest.mark.parametrize("cursor", ["", "!", "bm90IGEgY3Vyc29y", "MjAyNi0wMy0wMiBhAGI=", "é"])
async def test_a_cursor_that_is_not_ours_is_refused(database: Database, cursor: str) -> None:
    async with database.transaction("test") as connection:
        with pytest.raises(InvalidRequest) as refused:
            await search_payments(connection, PaymentSearch(), limit=10, cursor=cursor)

    assert refused.value.problems[0].pointer == "#/cursor"


async def test_orders_that_never_moved_are_found_and_open_payments_too(database: Database) -> None:
    shop = await a_shop(database)
    # Long before all other orders of this module.
    long_ago = NOON - timedelta(days=1)
    unstarted = await an_order_on_disk(database, shop, created_at=long_ago)
    moved = await an_order_on_disk(database, shop, created_at=long_ago)
    ended = await an_order_on_disk(database, shop, created_at=long_ago)

    async with database.transaction("test") as connection:
        for order, status in ((moved, PaymentStatus.PROCESSING), (ended, PaymentStatus.FAILED)):
            transition = a_transition(order, status)
            await payments.record_transition(connection, transition, attempt=None, exchange=None)
        before = long_ago + timedelta(seconds=1)
        found = await payments.unstarted_orders(connection, created_before=before, limit=10)
        still_open = await payments.open_payments(connection, created_before=before, limit=10)

    assert found == (unstarted,)
    assert {one.order.payment_id for one in still_open} == {
        unstarted.payment_id,
        moved.payment_id,
    }


async def test_every_committed_transaction_is_counted_by_its_name(database: Database) -> None:
    async with database.transaction("counted once"):
        pass
    with pytest.raises(LookupError):
        async with database.transaction("counted never"):
            raise LookupError

    def count(name: str) -> float | None:
        return REGISTRY.get_sample_value("paycenter_sql_transactions_total", {"name": name})

    assert count("counted once") == 1
    assert count("counted never") is None
