"""Moves of refunds on a real PostgreSQL: each once, with all that goes with it, never back."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from models.errors import InvariantBroken
from models.ledger import AccountKind, LedgerAccountName
from models.payment import Failure
from models.refund import RefundOrder, RefundStatus
from storage import ledger, notifications, payments, refunds
from storage.database import Database
from tests.factories import NOON, a_refund_move, a_refund_notification, cny
from tests.storage.arrange import a_paid_payment, a_refund, a_shop, move_refund


async def test_a_move_is_written_once_with_books_notification_and_exchange(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop, money=cny(50_00))
    refund = (await a_refund(database, order, cny(20_00))).order
    told = a_refund_notification(refund)

    moved = await asyncio.gather(
        *(move_refund(database, refund, RefundStatus.SUCCEEDED, with_all=True) for _ in range(8))
    )

    assert sorted(moved) == [False] * 7 + [True]
    async with database.transaction("test") as connection:
        view = await refunds.read_refund(connection, refund.refund_id, app_id=shop.app.id)
        payment = await payments.read_payment(connection, order.payment_id, app_id=None)
        lines = await ledger.payment_entries(connection, order.payment_id)
        merchant = await ledger.balance(connection, _pending(refund), "CNY")
        events, _ = await notifications.list_notifications(
            connection,
            app_id=shop.app.id,
            object_id=refund.refund_id,
            status=None,
            limit=9,
            cursor=None,
        )
        exchanges = await connection.scalars(
            text("SELECT operation FROM exchange WHERE serial = :serial"),
            {"serial": refund.refund_serial},
        )
        assert list(exchanges) == ["refund"]
    assert view is not None
    assert (view.status, view.succeeded_at) == (RefundStatus.SUCCEEDED, NOON + timedelta(seconds=1))
    assert payment is not None
    assert payment.amount_refunded == 20_00
    assert [(line.account, line.amount_minor) for line in lines[-2:]] == [
        (f"2101:{shop.merchant.id}", 20_00),
        (f"2301:{shop.account.id}", -20_00),
    ]
    # 50.00 less 0.12 of fee came in, 20.00 went out.
    assert merchant == -(49_88 - 20_00)
    assert [event.id for event in events] == [told.id]


async def test_another_move_of_a_version_on_disk_is_a_bug(database: Database) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop)
    refund = (await a_refund(database, order, cny(1_00))).order
    await move_refund(database, refund, RefundStatus.UNKNOWN)

    with pytest.raises(InvariantBroken, match="unknown is on disk"):
        await move_refund(database, refund, RefundStatus.FAILED)


@pytest.mark.parametrize(
    "end", [RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.CANCELED]
)
async def test_there_is_no_way_out_of_an_end(database: Database, end: RefundStatus) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop)
    refund = (await a_refund(database, order, cny(1_00))).order
    await move_refund(database, refund, end)
    ended = a_refund_move(refund, end).transition.after

    with pytest.raises(InvariantBroken, match=f"ended as {end}"):
        await move_refund(database, refund, RefundStatus.PENDING, before=ended)


async def test_a_decision_names_a_second_person_and_stays(database: Database) -> None:
    shop = await a_shop(database, refund_approval_above_minor=0)
    order, _ = await a_paid_payment(database, shop)
    refund = (await a_refund(database, order, cny(1_00))).order

    for nobody in (None, refund.requested_by):
        with pytest.raises(InvariantBroken, match=r"refund_(decided_by|goes_on)"):
            await move_refund(database, refund, RefundStatus.PENDING, decided_by=nobody)
    await move_refund(database, refund, RefundStatus.PENDING, decided_by="key_of_finance")
    accepted = a_refund_move(refund, RefundStatus.PENDING).transition.after
    await move_refund(database, refund, RefundStatus.SUCCEEDED, before=accepted)

    async with database.transaction("test") as connection:
        view = await refunds.read_refund(connection, refund.refund_id, app_id=None)
    assert view is not None
    assert (view.status, view.decided_by) == (RefundStatus.SUCCEEDED, "key_of_finance")


async def test_a_rejected_refund_says_why_and_sets_its_money_free(database: Database) -> None:
    shop = await a_shop(database, refund_approval_above_minor=0)
    order, _ = await a_paid_payment(database, shop, money=cny(5_00))
    refund = (await a_refund(database, order, cny(5_00))).order
    why = Failure(code="rejected", detail="the show was played")

    await move_refund(database, refund, RefundStatus.REJECTED, decided_by="key_2", failure=why)

    async with database.transaction("test") as connection:
        view = await refunds.read_refund(connection, refund.refund_id, app_id=None)
    assert view is not None
    assert (view.status, view.failure) == (RefundStatus.REJECTED, why)
    assert (await a_refund(database, order, cny(5_00))).is_new


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE refund SET amount_minor = 1, version = version + 1 WHERE id = :id",
        "UPDATE refund SET status = 'succeeded', succeeded_at = now() WHERE id = :id",
        "UPDATE refund SET requested_by = 'somebody', version = version + 1 WHERE id = :id",
    ],
)
async def test_what_is_ordered_cannot_be_changed_on_disk(
    database: Database, statement: str
) -> None:
    shop = await a_shop(database)
    order, _ = await a_paid_payment(database, shop)
    refund = (await a_refund(database, order, cny(1_00))).order

    with pytest.raises(InvariantBroken):
        async with database.transaction("test") as connection:
            await connection.execute(text(statement), {"id": refund.refund_id})


def _pending(refund: RefundOrder) -> LedgerAccountName:
    return LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=refund.merchant_id)
