"""Puts payments on disk, up to where a test begins."""

from dataclasses import dataclass
from datetime import datetime

from models.channel import ChannelAccount
from models.merchant import App, Merchant
from models.notification import Notification
from models.payment import Attempt, AttemptStatus, PaymentOrder, PaymentStatus, Settlement
from storage import payments
from storage.apps import create_app
from storage.channel_accounts import create_channel_account
from storage.database import Database
from storage.merchants import create_merchant
from storage.vault import Vault
from tests.factories import (
    NOON,
    a_capture,
    a_channel_account,
    a_merchant,
    a_notification,
    a_preparation,
    a_transition,
    an_app,
    an_attempt,
    an_order,
)

VAULT = Vault({"k1": bytes(range(32))}, active="k1")
WEBHOOK_SECRET = b"w" * 32
SECRETS = {"private_key": "not-a-real-key"}


@dataclass(frozen=True)
class Shop:
    """An app with a merchant and an account, all on disk."""

    app: App
    merchant: Merchant
    account: ChannelAccount


async def a_shop(database: Database, *, webhook_url: str | None = "https://shop.example") -> Shop:
    app = an_app(webhook_url=webhook_url)
    merchant = a_merchant(app)
    account = a_channel_account(merchant)
    async with database.transaction("arrange") as connection:
        await create_app(connection, VAULT, app, WEBHOOK_SECRET)
        await create_merchant(connection, merchant)
        await create_channel_account(connection, VAULT, account, SECRETS)
    return Shop(app=app, merchant=merchant, account=account)


async def an_order_on_disk(
    database: Database, shop: Shop, *, created_at: datetime = NOON, payer_code: str | None = None
) -> PaymentOrder:
    order = an_order(shop.merchant, created_at=created_at, payer_code=payer_code)
    async with database.transaction("arrange") as connection:
        await payments.record_order(connection, order, request_id="req_1")
    return order


async def a_prepared_payment(database: Database, shop: Shop) -> tuple[PaymentOrder, Attempt]:
    """An order with its attempt reserved: the channel may be called."""
    order = await an_order_on_disk(database, shop)
    attempt = an_attempt(order, shop.account)
    async with database.transaction("arrange") as connection:
        await payments.record_preparation(connection, order, a_preparation(attempt), NOON)
    return order, attempt


def a_success(
    order: PaymentOrder, attempt: Attempt, *, callback_ids: tuple[str, ...] = ()
) -> Settlement:
    transition = a_transition(order, PaymentStatus.SUCCEEDED, attempt_status=AttemptStatus.CHARGED)
    charged = attempt.model_copy(update={"channel_reference": "channel-1"})
    return Settlement(
        order=order, attempt=charged, transition=transition, callback_ids=callback_ids
    )


async def settle(
    database: Database, settlement: Settlement, *, notification: Notification | None = None
) -> bool:
    assert settlement.attempt is not None
    async with database.transaction("settle") as connection:
        return await payments.settle(
            connection,
            settlement,
            ledger_transaction=a_capture(settlement.order, settlement.attempt),
            notification=notification or a_notification(settlement.order),
        )
