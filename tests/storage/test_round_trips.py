"""Each step of a payment is one statement: what PostgreSQL costs does not grow unseen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Approved, CallbackFacts
from models.ids import new_id
from models.notification import DeliveryResult
from models.payment import AttemptStatus, PaymentStatus
from models.refund import RefundStatus
from storage import callbacks, notifications, payments, refunds
from storage.database import Database
from tests.factories import (
    NOON,
    a_capture,
    a_notification,
    a_preparation,
    a_refund_move,
    a_refund_notification,
    a_refund_posting,
    a_transition,
    an_attempt,
    an_exchange,
    an_order,
    cny,
)
from tests.storage.arrange import a_paid_payment, a_shop, a_success


async def test_every_step_of_a_happy_payment_is_one_statement(database: Database) -> None:
    shop = await a_shop(database)
    order = an_order(shop.merchant)
    attempt = an_attempt(order, shop.account)
    waiting = a_transition(
        order, PaymentStatus.REQUIRES_ACTION, attempt_status=AttemptStatus.PENDING
    )
    facts = CallbackFacts(
        channel_event_id="event-1",
        serial=attempt.serial,
        outcome=Approved(channel_reference="channel-1", money=order.money),
    )
    success = a_success(order, attempt).model_copy(
        update={
            "transition": a_transition(
                order,
                PaymentStatus.SUCCEEDED,
                before=waiting.after,
                attempt_status=AttemptStatus.CHARGED,
            )
        }
    )
    event_due = a_notification(order)
    statements: dict[str, int] = {}

    async with _counted(database, "record order", statements) as connection:
        await payments.record_order(connection, order, request_id="req_1")
    async with _counted(database, "read facts", statements) as connection:
        await payments.read_order_facts(connection, order)
    async with _counted(database, "prepare", statements) as connection:
        await payments.record_preparation(connection, order, a_preparation(attempt), NOON)
    async with _counted(database, "record answer", statements) as connection:
        await payments.record_transition(
            connection, waiting, attempt=attempt, exchange=an_exchange()
        )
    async with _counted(database, "keep callback", statements) as connection:
        await callbacks.keep_callback(
            connection,
            callback_id="cb_1",
            channel="alipay",
            account_id=shop.account.id,
            facts=facts,
            headers={},
            body=b"",
            received_at=NOON,
        )
    async with _counted(database, "settle", statements) as connection:
        await payments.settle(
            connection,
            success,
            ledger_transaction=a_capture(order, attempt),
            notification=event_due,
        )
    async with _counted(database, "record delivery", statements) as connection:
        await notifications.record_delivery(
            connection,
            notification_id=event_due.id,
            result=DeliveryResult(delivered=True, status_code=200),
            next_attempt_at=None,
            now=NOON,
        )

    assert statements == {
        "record order": 1,
        "read facts": 1,
        "prepare": 1,
        "record answer": 1,
        "keep callback": 1,
        "settle": 1,
        "record delivery": 1,
    }


async def test_every_step_of_a_refund_is_one_statement(database: Database) -> None:
    shop = await a_shop(database)
    payment, attempt = await a_paid_payment(database, shop)
    statements: dict[str, int] = {}

    async with _counted(database, "record refund", statements) as connection:
        recorded = await refunds.record_refund(
            connection,
            refund_id=new_id("ref"),
            app_id=shop.app.id,
            payment_id=payment.payment_id,
            refund_no="R-1",
            money=cny(5_00),
            reason="",
            requested_by="key_1",
            fingerprint="f",
            now=NOON,
        )
    order = recorded.order
    async with _counted(database, "keep callback", statements) as connection:
        await callbacks.keep_callback(
            connection,
            callback_id="cb_refund",
            channel="alipay",
            account_id=attempt.route.account_id,
            facts=CallbackFacts(
                channel_event_id="event-2",
                serial=order.refund_serial,
                outcome=Approved(channel_reference="channel-1", money=order.money),
                about="refund",
            ),
            headers={},
            body=b"",
            received_at=NOON,
        )
    async with _counted(database, "move refund", statements) as connection:
        await refunds.make_refund_move(
            connection,
            a_refund_move(order, RefundStatus.SUCCEEDED, callback_ids=("cb_refund",)),
            ledger_transaction=a_refund_posting(order),
            notification=a_refund_notification(order),
            decided_by=None,
        )

    assert statements == {"record refund": 1, "keep callback": 1, "move refund": 1}


@asynccontextmanager
async def _counted(
    database: Database, name: str, statements: dict[str, int]
) -> AsyncIterator[AsyncConnection]:
    async with database.transaction(name) as connection:
        statements[name] = 0

        def count(*_: object) -> None:
            statements[name] += 1

        sync = connection.sync_connection
        event.listen(sync, "before_cursor_execute", count)
        yield connection
        event.remove(sync, "before_cursor_execute", count)
