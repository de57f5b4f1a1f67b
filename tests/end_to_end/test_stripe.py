"""A card payment at Stripe, through the same API and the same workflow as any other channel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from devstack.api_client import Access, ApiClient
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop, new_order_number

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class CardShop:
    """A shop whose merchant also takes cards."""

    shop: Shop
    merchant_id: str

    async def pay(self, card: str, *, amount: int = 25_00) -> dict[str, Any]:
        body = {
            "order_no": new_order_number(),
            "merchant_id": self.merchant_id,
            "amount": amount,
            "currency": "USD",
            "method": "stripe_card",
            "subject": "Two tickets",
            "payer_code": card,
            "return_url": "https://shop.example/back",
        }
        return await self.shop.api.post("/v1/payments", body)


@pytest_asyncio.fixture(loop_scope="session")
async def cards(admin: Access, shop: Shop, sandbox: SandboxControl) -> AsyncIterator[CardShop]:
    stripe = await sandbox.stripe_account()
    async with ApiClient(admin.url, admin.key) as api:
        account = await api.post(
            "/v1/channel-accounts",
            {
                "merchant_id": shop.merchant_id,
                "channel": "stripe",
                "methods": ["stripe_card"],
                "fee_bps": 290,
                "parameters": {
                    "secret_key": stripe["secret_key"],
                    "publishable_key": stripe["publishable_key"],
                    "webhook_secrets": stripe["webhook_secret"],
                },
            },
        )
    await sandbox.stripe_account(
        account_id=stripe["account_id"],
        webhook_url=f"{admin.url}/callbacks/stripe/{account['id']}",
    )
    yield CardShop(shop, shop.merchant_id)


async def test_a_card_that_is_good_is_charged_within_the_first_answer(
    cards: CardShop, receiver: Receiver
) -> None:
    payment = await cards.pay("pm_card_visa")
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert payment["status"] == "succeeded"
    assert told.type == "payment.succeeded"


async def test_a_declined_card_fails_with_a_reason_the_app_can_show(cards: CardShop) -> None:
    payment = await cards.pay("pm_card_chargeDeclinedInsufficientFunds")

    assert payment["status"] == "failed"
    assert payment["failure"]["code"] == "insufficient_funds"


async def test_a_3ds_payment_is_settled_by_stripes_webhook(
    cards: CardShop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await cards.pay("pm_card_threeDSecure2Required")

    await sandbox.pay(await cards.shop.serial_of(payment["id"]))
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert payment["status"] == "requires_action"
    assert payment["next_action"]["type"] == "redirect"
    assert told.type == "payment.succeeded"


async def test_a_3ds_payment_that_is_refused_fails(
    cards: CardShop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await cards.pay("pm_card_threeDSecure2Required")

    await sandbox.refuse(await cards.shop.serial_of(payment["id"]))
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert told.type == "payment.failed"


async def test_an_answer_that_is_lost_charges_the_card_once(
    cards: CardShop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    await sandbox.fault("drop_after", method="payment_intents.create")

    payment = await cards.pay("pm_card_visa")
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=60)
    trade = await sandbox.trade(await cards.shop.serial_of(payment["id"]))

    assert trade is not None
    assert (trade["executions"], trade["status"]) == (1, "paid")


async def test_a_card_payment_is_refunded_in_part(
    cards: CardShop, receiver: Receiver, sandbox: SandboxControl, admin: Access
) -> None:
    payment = await cards.pay("pm_card_visa")
    body = {"payment_id": payment["id"], "refund_no": new_order_number(), "amount": 10_00}

    refund = await cards.shop.api.post("/v1/refunds", body)
    told = await asyncio.wait_for(receiver.wait_for(refund["id"]), timeout=30)
    trade = await sandbox.trade(await cards.shop.serial_of(payment["id"]))

    assert told.type == "refund.succeeded"
    assert trade is not None
    assert trade["refunded_minor"] == 10_00
