"""The story of a payment, told from what is on disk."""

from models.channel import Approved, CallbackFacts
from models.views import TimelineKind
from storage.callbacks import keep_callback
from storage.database import Database
from storage.explain import timeline
from storage.payments import record_exchange
from tests.factories import NOON, an_exchange
from tests.storage.arrange import a_prepared_payment, a_shop, a_success, settle


async def test_everything_that_happened_is_told_in_order(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    facts = CallbackFacts(
        channel_event_id="event-1",
        serial=attempt.serial,
        outcome=Approved(channel_reference="channel-1", money=order.money),
    )
    async with database.transaction("test") as connection:
        for _ in range(2):  # a repeated activity
            await record_exchange(
                connection,
                payment_id=order.payment_id,
                serial=attempt.serial,
                exchange=an_exchange(),
            )
        kept = await keep_callback(
            connection,
            callback_id="cb_1",
            channel="alipay",
            account_id=shop.account.id,
            facts=facts,
            headers={},
            body=b"raw body",
            received_at=NOON,
        )
    await settle(database, a_success(order, attempt, callback_ids=(kept.id,)))

    async with database.transaction("test") as connection:
        entries = await timeline(connection, order.payment_id)

    assert [(entry.kind, entry.summary) for entry in entries] == [
        (TimelineKind.ORDER, f"order {order.order_no}: 19.99 CNY by alipay_qr"),
        (TimelineKind.VERDICT, "validation says yes"),
        (TimelineKind.VERDICT, "risk says yes"),
        (TimelineKind.VERDICT, "routing says yes"),
        (TimelineKind.EXCHANGE, f"pay of {attempt.serial}: HTTP 200"),
        (TimelineKind.CALLBACK, f"callback approved for {attempt.serial} (matched)"),
        (TimelineKind.LEDGER, "payment.captured booked"),
        (TimelineKind.STATUS, "created -> succeeded (answer)"),
        (TimelineKind.NOTIFICATION, "payment.succeeded due after 0 tries"),
    ]
    booked = next(entry for entry in entries if entry.kind is TimelineKind.LEDGER)
    assert booked.detail["line_1"] == f"debit 1101:{shop.account.id} 19.87 CNY"
    assert booked.detail["line_4"] == "credit 4101 0.12 CNY"
    assert "raw body" not in str(entries)


async def test_a_payment_that_is_not_there_has_no_story(database: Database) -> None:
    async with database.transaction("test") as connection:
        assert await timeline(connection, "pay_nowhere") == ()
