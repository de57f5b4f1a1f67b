"""Refunds on a real PostgreSQL: never more than came in, each move once, nobody else's."""

import asyncio
from datetime import timedelta

import pytest

from models.errors import Conflict, InvalidRequest, NotFound
from models.ids import new_id, refund_serial
from models.money import Money
from models.payment import AttemptStatus, PaymentStatus
from models.refund import RecordedRefund, RefundFunding, RefundState, RefundStatus
from storage import payments, refunds
from storage.database import Database
from tests.factories import (
    NOON,
    a_transition,
    cny,
    usd,
)
from tests.storage.arrange import (
    a_paid_payment,
    a_prepared_payment,
    a_refund,
    a_shop,
    move_refund,
)

NOBODYS = "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7"


async def test_a_refund_is_written_down_with_all_its_run_needs(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_paid_payment(database, shop, money=cny(50_00))

    recorded = await a_refund(database, order, cny(20_00), refund_no="R-1")

    refund = recorded.order
    assert recorded.is_new
    assert recorded.state == RefundState(status=RefundStatus.PENDING, version=1)
    assert (refund.app_id, refund.merchant_id) == (shop.app.id, shop.merchant.id)
    assert (refund.money, refund.paid, refund.method) == (cny(20_00), cny(50_00), "alipay_qr")
    assert refund.attempt == attempt
    assert refund.refund_serial == refund_serial(refund.refund_id)
    assert (refund.funding, refund.needs_approval) == (RefundFunding.MERCHANT, False)


async def test_the_same_refund_number_gives_back_the_first_refund(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    first = await a_refund(database, order, cny(50_00), refund_no="R-1")

    again = await a_refund(database, order, cny(50_00), refund_no="R-1")
    other = await a_refund(database, order, cny(70_00), refund_no="R-1")

    assert (again.is_new, other.is_new) == (False, False)
    assert again.order == other.order == first.order


async def test_many_at_once_with_one_refund_number_make_one_refund(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))

    recorded = await asyncio.gather(
        *(a_refund(database, order, cny(50_00), refund_no="R-1") for _ in range(16))
    )

    assert sum(one.is_new for one in recorded) == 1
    assert len({one.order.refund_id for one in recorded}) == 1


async def test_a_hundred_at_once_give_back_what_came_in_and_no_fen_more(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(100_00))

    # A hundred times 7.00 of 100.00: fourteen fit (98.00), and 2.00 are left.
    answers = await asyncio.gather(
        *(a_refund(database, order, cny(7_00)) for _ in range(100)), return_exceptions=True
    )

    accepted = [answer for answer in answers if isinstance(answer, RecordedRefund)]
    refused = [answer for answer in answers if isinstance(answer, InvalidRequest)]
    assert (len(accepted), len(refused)) == (14, 86)
    assert {error.code for error in refused} == {"refund-exceeds-captured"}
    assert {error.detail for error in refused} == {"refundable 200, requested 700"}
    assert (await a_refund(database, order, cny(2_00))).is_new
    with pytest.raises(InvalidRequest, match="refundable 0, requested 1"):
        await a_refund(database, order, cny(1))


async def test_a_refund_of_more_than_is_left_points_at_its_amount(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    await a_refund(database, order, cny(10_00))

    with pytest.raises(InvalidRequest) as refused:
        await a_refund(database, order, cny(50_00))

    (problem,) = refused.value.problems
    assert refused.value.code == "refund-exceeds-captured"
    assert (problem.pointer, problem.detail) == ("#/amount", "refundable 4000, requested 5000")


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (RefundStatus.UNKNOWN, cny(30_00)),
        (RefundStatus.MANUAL_REVIEW, cny(30_00)),
        (RefundStatus.SUCCEEDED, cny(30_00)),
        (RefundStatus.FAILED, cny(50_00)),
        (RefundStatus.CANCELED, cny(50_00)),
    ],
)
async def test_only_what_certainly_did_not_go_back_can_be_asked_for_again(
    database: Database, status: RefundStatus, left: Money
) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    refund = (await a_refund(database, order, cny(20_00))).order
    await move_refund(database, refund, status)

    one_fen_more = Money(amount_minor=left.amount_minor + 1, currency="CNY")
    with pytest.raises(InvalidRequest, match=f"refundable {left.amount_minor}"):
        await a_refund(database, order, one_fen_more)
    rest = await a_refund(database, order, left)

    assert rest.is_new


async def test_a_payment_of_another_app_or_of_nobody_is_not_found(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    order, _ = await a_paid_payment(database, theirs)
    nobodys = order.model_copy(update={"payment_id": NOBODYS})

    for there_is_none in (
        a_refund(database, order, cny(1), app_id=mine.app.id),
        a_refund(database, nobodys, cny(1)),
    ):
        with pytest.raises(NotFound) as refused:
            await there_is_none
        assert refused.value.code == "payment-not-found"


async def test_a_payment_without_captured_money_cannot_be_refunded(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_prepared_payment(database, shop)
    paid, _ = await a_paid_payment(database, shop)

    for no_such_money in (
        a_refund(database, order, cny(1)),
        a_refund(database, order, cny(1), funding=RefundFunding.SUSPENSE),
        a_refund(database, paid, cny(1), funding=RefundFunding.SUSPENSE),
    ):
        with pytest.raises(Conflict) as refused:
            await no_such_money
        assert refused.value.code == "invalid-state"


async def test_late_money_in_suspense_can_be_given_back(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    expired = a_transition(order, PaymentStatus.EXPIRED, attempt_status=AttemptStatus.EXPIRED)
    held = a_transition(
        order,
        PaymentStatus.EXPIRED,
        before=expired.after,
        attempt_status=AttemptStatus.CHARGED,
    )
    async with database.transaction("arrange") as connection:
        for transition in (expired, held):
            await payments.record_transition(connection, transition, attempt=attempt, exchange=None)

    recorded = await a_refund(database, order, cny(19_99), funding=RefundFunding.SUSPENSE)

    assert recorded.order.funding is RefundFunding.SUSPENSE
    with pytest.raises(Conflict):
        await a_refund(database, order, cny(1), funding=RefundFunding.MERCHANT)


async def test_another_currency_than_the_payments_is_pointed_at(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop)

    with pytest.raises(InvalidRequest) as refused:
        await a_refund(database, order, usd(1))

    assert [problem.pointer for problem in refused.value.problems] == ["#/currency"]


@pytest.mark.parametrize(
    ("above", "amount", "status"),
    [
        (None, cny(50_00), RefundStatus.PENDING),
        (10_00, cny(10_00), RefundStatus.PENDING),
        (10_00, cny(10_01), RefundStatus.PENDING_APPROVAL),
        (0, cny(1), RefundStatus.PENDING_APPROVAL),
    ],
)
async def test_a_refund_above_the_apps_limit_waits_for_a_second_person(
    database: Database, above: int | None, amount: Money, status: RefundStatus
) -> None:
    shop = await a_shop(database, refund_approval_above_minor=above)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))

    recorded = await a_refund(database, order, amount)

    assert recorded.state.status is status
    assert recorded.order.needs_approval is (status is RefundStatus.PENDING_APPROVAL)


async def test_another_apps_refund_does_not_exist(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    order, _ = await a_paid_payment(database, theirs)
    refund = (await a_refund(database, order, cny(1_00), refund_no="shared")).order
    my_order, _ = await a_paid_payment(database, mine)

    async with database.transaction("test") as connection:
        foreign = await refunds.read_refund(connection, refund.refund_id, app_id=mine.app.id)
        listed, _ = await refunds.list_refunds(
            connection,
            app_id=mine.app.id,
            payment_id=order.payment_id,
            status=None,
            limit=10,
            cursor=None,
        )

    assert foreign is None
    assert listed == ()
    assert (await a_refund(database, my_order, cny(1_00), refund_no="shared")).is_new


async def test_pages_show_every_refund_once_newest_first(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    # Two of each instant, so that pages also break between equals.
    made = [
        (
            await a_refund(
                database, order, cny(1_00), created_at=NOON + timedelta(seconds=number // 2)
            )
        ).order
        for number in range(5)
    ]
    seen: list[str] = []
    cursor: str | None = None

    async with database.transaction("test") as connection:
        for _ in range(3):
            page, cursor = await refunds.list_refunds(
                connection,
                app_id=shop.app.id,
                payment_id=order.payment_id,
                status=RefundStatus.PENDING,
                limit=2,
                cursor=cursor,
            )
            seen += [refund.id for refund in page]

    newest_first = sorted(made, key=lambda one: (one.created_at, one.refund_id), reverse=True)
    assert seen == [refund.refund_id for refund in newest_first]
    assert cursor is None


async def test_refunds_that_never_moved_are_found_once_and_then_put_off(
    database: Database,
) -> None:
    shop = await a_shop(database, refund_approval_above_minor=10_00)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    # Long before all other refunds of this module.
    long_ago = NOON - timedelta(days=1)
    unstarted = [
        (await a_refund(database, order, amount, created_at=long_ago)).order
        for amount in (cny(1_00), cny(11_00))
    ]
    moved = (await a_refund(database, order, cny(1_00), created_at=long_ago)).order
    await move_refund(database, moved, RefundStatus.UNKNOWN)

    before = long_ago + timedelta(seconds=1)
    async with database.transaction("test") as connection:
        found = await refunds.unstarted_refunds(connection, created_before=before, limit=10)
        at_once = await refunds.unstarted_refunds(connection, created_before=before, limit=10)
        again = await refunds.read_refund_order(connection, unstarted[0].refund_id)

    assert list(found) == unstarted
    assert at_once == ()
    assert again is not None
    assert (again.order, again.state.version) == (unstarted[0], 1)


async def test_a_refund_of_nobody_has_no_order(database: Database) -> None:
    async with database.transaction("test") as connection:
        assert await refunds.read_refund_order(connection, new_id("ref")) is None
