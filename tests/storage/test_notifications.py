"""The outbox on a real PostgreSQL: in order for each object, late rather than never."""

from datetime import datetime, timedelta

import pytest

from models.errors import InvariantBroken
from models.notification import DeliveryResult, Notification, NotificationStatus
from models.payment import AttemptStatus, PaymentOrder, PaymentState, PaymentStatus, Settlement
from storage import notifications, payments
from storage.apps import set_webhook_paused
from storage.database import Database
from tests.factories import NOON, a_notification, a_transition
from tests.storage.arrange import (
    Shop,
    a_prepared_payment,
    a_shop,
    a_success,
    an_order_on_disk,
    settle,
)

LATER = NOON + timedelta(hours=1)
DELIVERED = DeliveryResult(delivered=True, status_code=200)
REFUSED = DeliveryResult(delivered=False, status_code=500)


async def test_a_settled_payment_leaves_its_notification_to_the_settling_worker_first(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    settlement = a_success(order, attempt)
    await settle(database, settlement)
    settled_at = settlement.transition.at

    async with database.transaction("test") as connection:
        at_once = await notifications.read_due(
            connection, app_id=shop.app.id, now=settled_at + timedelta(seconds=19), limit=10
        )
        due = await notifications.read_due(
            connection, app_id=shop.app.id, now=settled_at + timedelta(seconds=20), limit=10
        )
        due_at = await notifications.next_due_at(connection, app_id=shop.app.id)

    assert at_once == ()
    expected = a_notification(order).model_copy(
        update={"next_attempt_at": settled_at + timedelta(seconds=20)}
    )
    assert due == (expected,)
    assert due_at == settled_at + timedelta(seconds=20)


async def test_one_object_is_told_in_order_while_others_go_on(database: Database) -> None:
    shop = await a_shop(database)
    told_twice = await _a_payment_told(database, shop, times=2)
    told_once = await _a_payment_told(database, shop, times=1)
    first, second = a_notification(told_twice), a_notification(told_twice, sequence=2)
    other = a_notification(told_once)

    before = await _due(database, shop)
    await _record(database, first, REFUSED, next_attempt_at=LATER + timedelta(hours=1))
    while_waiting = await _due(database, shop)
    await _record(database, first, DELIVERED)
    afterwards = await _due(database, shop)

    assert before == {first.id, other.id}
    assert while_waiting == {other.id}
    assert afterwards == {second.id, other.id}


async def test_a_delivery_is_ticked_off_and_a_late_failure_does_not_undo_it(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order = await _a_payment_told(database, shop, times=1)
    event = a_notification(order)

    await _record(database, event, REFUSED, next_attempt_at=LATER)
    failed = await _read(database, event, shop)
    await _record(database, event, DELIVERED)
    await _record(database, event, REFUSED, next_attempt_at=LATER)
    delivered = await _read(database, event, shop)

    assert failed is not None
    assert (failed.status, failed.attempts) == (NotificationStatus.DUE, 1)
    assert (failed.next_attempt_at, failed.last_error) == (LATER, "status 500")
    assert delivered is not None
    assert (delivered.status, delivered.attempts) == (NotificationStatus.DELIVERED, 2)
    assert delivered.delivered_at == LATER
    assert (delivered.next_attempt_at, delivered.last_error) == (None, None)


async def test_apps_that_are_paused_or_want_nothing_are_not_woken(database: Database) -> None:
    wants, paused = await a_shop(database), await a_shop(database)
    silent = await a_shop(database, webhook_url=None)
    for shop in (wants, paused, silent):
        await _a_payment_told(database, shop, times=1)

    async with database.transaction("test") as connection:
        await set_webhook_paused(connection, paused.app.id, NOON)
        early = await notifications.apps_with_overdue(connection, now=NOON, limit=100)
        overdue = await notifications.apps_with_overdue(connection, now=LATER, limit=100)
        await set_webhook_paused(connection, paused.app.id, None)
        resumed = await notifications.apps_with_overdue(connection, now=LATER, limit=100)

    ours = {wants.app.id, paused.app.id, silent.app.id}
    assert ours & set(early) == set()
    assert ours & set(overdue) == {wants.app.id}
    assert ours & set(resumed) == {wants.app.id, paused.app.id}


async def test_what_was_delivered_can_be_sent_again_one_or_a_window(database: Database) -> None:
    shop = await a_shop(database)
    order = await _a_payment_told(database, shop, times=2)
    first, second = a_notification(order), a_notification(order, sequence=2)
    for event in (first, second):
        await _record(database, event, DELIVERED)

    async with database.transaction("test") as connection:
        nothing_due = await notifications.next_due_at(connection, app_id=shop.app.id)
        again = await notifications.redeliver(connection, notification_id=second.id, now=LATER)
        unknown = await notifications.redeliver(connection, notification_id="ntf_x", now=LATER)
        window = await notifications.redeliver_window(
            connection, app_id=shop.app.id, since=NOON, until=LATER, now=LATER
        )
        empty_window = await notifications.redeliver_window(
            connection, app_id=shop.app.id, since=LATER, until=LATER, now=LATER
        )

    assert nothing_due is None
    assert again is not None
    assert (again.status, again.next_attempt_at) == (NotificationStatus.DUE, LATER)
    assert unknown is None
    assert (window, empty_window) == (2, 0)
    assert await _due(database, shop) == {first.id}


async def test_what_a_notification_says_never_changes(database: Database) -> None:
    shop = await a_shop(database)
    order = await _a_payment_told(database, shop, times=1)

    with pytest.raises(InvariantBroken, match="says cannot change"):
        async with database.transaction("test") as connection:
            await connection.exec_driver_sql(
                "UPDATE notification SET body = 'another' WHERE object_id = %s",
                (order.payment_id,),
            )


async def test_pages_show_an_apps_own_notifications_newest_first(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    orders = [await _a_payment_told(database, mine, times=1) for _ in range(3)]
    foreign = a_notification(await _a_payment_told(database, theirs, times=1))

    async with database.transaction("test") as connection:
        first, cursor = await notifications.list_notifications(
            connection, app_id=mine.app.id, object_id=None, status=None, limit=2, cursor=None
        )
        rest, end = await notifications.list_notifications(
            connection, app_id=mine.app.id, object_id=None, status=None, limit=2, cursor=cursor
        )
        delivered, _ = await notifications.list_notifications(
            connection,
            app_id=mine.app.id,
            object_id=orders[0].payment_id,
            status=NotificationStatus.DELIVERED,
            limit=2,
            cursor=None,
        )

    ids = [event.id for event in (*first, *rest)]
    assert ids == sorted((a_notification(order).id for order in orders), reverse=True)
    assert end is None
    assert delivered == ()
    assert await _read(database, foreign, mine) is None
    assert await _read(database, foreign, theirs) is not None


async def _a_payment_told(database: Database, shop: Shop, *, times: int) -> PaymentOrder:
    """A payment that sent `times` notifications: first failed, then succeeded after all."""
    order = await an_order_on_disk(database, shop)
    before: PaymentState | None = None
    for sequence, status in enumerate(
        (PaymentStatus.FAILED, PaymentStatus.SUCCEEDED)[:times], start=1
    ):
        transition = a_transition(order, status, before=before, attempt_status=AttemptStatus.FAILED)
        async with database.transaction("arrange") as connection:
            await payments.settle(
                connection,
                Settlement(order=order, attempt=None, transition=transition),
                ledger_transaction=None,
                notification=a_notification(order, sequence=sequence),
            )
        before = transition.after
    return order


async def _due(database: Database, shop: Shop) -> set[str]:
    async with database.transaction("test") as connection:
        due = await notifications.read_due(connection, app_id=shop.app.id, now=LATER, limit=10)
    return {event.id for event in due}


async def _record(
    database: Database,
    event: Notification,
    result: DeliveryResult,
    *,
    next_attempt_at: datetime | None = None,
) -> None:
    async with database.transaction("record delivery") as connection:
        await notifications.record_delivery(
            connection,
            notification_id=event.id,
            result=result,
            next_attempt_at=next_attempt_at,
            now=LATER,
        )


async def _read(database: Database, event: Notification, shop: Shop) -> Notification | None:
    async with database.transaction("test") as connection:
        return await notifications.read_notification(connection, event.id, app_id=shop.app.id)
