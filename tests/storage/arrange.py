"""Puts payments on disk, up to where a test begins."""

from dataclasses import dataclass
from datetime import datetime

from models.channel import ChannelAccount
from models.ids import new_id
from models.merchant import App, Merchant
from models.money import Money
from models.notification import Notification
from models.payment import (
    Attempt,
    AttemptStatus,
    EvidenceKind,
    Failure,
    PaymentOrder,
    PaymentStatus,
    Settlement,
)
from models.refund import (
    RecordedRefund,
    RefundFunding,
    RefundOrder,
    RefundState,
    RefundStatus,
)
from storage import payments, refunds
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
    a_refund_move,
    a_refund_notification,
    a_refund_posting,
    a_transition,
    an_app,
    an_attempt,
    an_exchange,
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


async def a_shop(
    database: Database,
    *,
    webhook_url: str | None = "https://shop.example",
    refund_approval_above_minor: int | None = None,
) -> Shop:
    app = an_app(webhook_url=webhook_url, refund_approval_above_minor=refund_approval_above_minor)
    merchant = a_merchant(app)
    account = a_channel_account(merchant)
    async with database.transaction("arrange") as connection:
        await create_app(connection, VAULT, app, WEBHOOK_SECRET)
        await create_merchant(connection, merchant)
        await create_channel_account(connection, VAULT, account, SECRETS)
    return Shop(app=app, merchant=merchant, account=account)


async def an_order_on_disk(
    database: Database,
    shop: Shop,
    *,
    created_at: datetime = NOON,
    payer_code: str | None = None,
    money: Money | None = None,
) -> PaymentOrder:
    order = an_order(shop.merchant, created_at=created_at, payer_code=payer_code, money=money)
    async with database.transaction("arrange") as connection:
        await payments.record_order(connection, order, request_id="req_1")
    return order


async def a_prepared_payment(
    database: Database, shop: Shop, *, money: Money | None = None
) -> tuple[PaymentOrder, Attempt]:
    """An order with its attempt reserved: the channel may be called."""
    order = await an_order_on_disk(database, shop, money=money)
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


async def a_paid_payment(
    database: Database, shop: Shop, *, money: Money | None = None
) -> tuple[PaymentOrder, Attempt]:
    """A payment that succeeded: its money can be given back."""
    order, attempt = await a_prepared_payment(database, shop, money=money)
    success = a_success(order, attempt)
    await settle(database, success)
    assert success.attempt is not None
    return order, success.attempt.model_copy(update={"status": AttemptStatus.CHARGED})


async def a_refund(
    database: Database,
    order: PaymentOrder,
    money: Money,
    *,
    refund_no: str | None = None,
    app_id: str | None = None,
    funding: RefundFunding = RefundFunding.MERCHANT,
    created_at: datetime = NOON,
) -> RecordedRefund:
    """Ask for a refund, as the app of the payment unless another is named."""
    refund_id = new_id("ref")
    async with database.transaction("record refund") as connection:
        return await refunds.record_refund(
            connection,
            refund_id=refund_id,
            app_id=app_id or order.app_id,
            payment_id=order.payment_id,
            refund_no=refund_no or refund_id,
            money=money,
            reason="the show was cancelled",
            requested_by="key_of_the_app",
            fingerprint=f"fingerprint-{refund_id}",
            funding=funding,
            now=created_at,
        )


async def move_refund(
    database: Database,
    refund: RefundOrder,
    to: RefundStatus,
    *,
    before: RefundState | None = None,
    decided_by: str | None = None,
    failure: Failure | None = None,
    with_all: bool = False,
) -> bool:
    """One move; `with_all` brings books, a notification and an exchange."""
    move = a_refund_move(
        refund,
        to,
        before=before,
        evidence=EvidenceKind.COMMAND if decided_by else EvidenceKind.ANSWER,
        failure=failure,
        exchange=an_exchange("refund") if with_all else None,
    )
    async with database.statement("move refund") as connection:
        return await refunds.make_refund_move(
            connection,
            move,
            ledger_transaction=a_refund_posting(refund) if with_all else None,
            notification=a_refund_notification(refund) if with_all else None,
            decided_by=decided_by,
        )
