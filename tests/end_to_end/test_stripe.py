"""A card payment at Stripe, through the same API and the same workflow as any other channel."""

import asyncio
from typing import Any

import pytest

from devstack.api_client import Access, ApiClient
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop

pytestmark = pytest.mark.stack


async def _pay(shop: Shop, card: str) -> dict[str, Any]:
    order = Order(
        amount=25_00,
        currency="USD",
        method="stripe_card",
        payer_code=card,
        return_url="https://shop.example/back",
    )
    return await shop.order(order)


async def test_a_card_that_is_good_is_charged_within_the_first_answer(
    shop: Shop, receiver: Receiver
) -> None:
    payment = await _pay(shop, "pm_card_visa")
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert payment["status"] == "succeeded"
    assert told.type == "payment.succeeded"


async def test_a_declined_card_fails_with_a_reason_the_app_can_show(shop: Shop) -> None:
    payment = await _pay(shop, "pm_card_chargeDeclinedInsufficientFunds")

    assert payment["status"] == "failed"
    assert payment["failure"]["code"] == "insufficient_funds"


async def test_a_3ds_payment_is_settled_by_stripes_webhook(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _pay(shop, "pm_card_threeDSecure2Required")

    await sandbox.pay(await shop.serial_of(payment["id"]))
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert payment["status"] == "requires_action"
    assert payment["next_action"]["type"] == "redirect"
    assert told.type == "payment.succeeded"


async def test_a_3ds_payment_that_is_refused_fails(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _pay(shop, "pm_card_threeDSecure2Required")

    await sandbox.refuse(await shop.serial_of(payment["id"]))
    told = await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    assert told.type == "payment.failed"


async def test_an_answer_that_is_lost_charges_the_card_once(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    await sandbox.fault("drop_after", method="payment_intents.create")

    payment = await _pay(shop, "pm_card_visa")
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=60)
    trade = await sandbox.trade(await shop.serial_of(payment["id"]))

    assert trade is not None
    assert (trade["executions"], trade["status"]) == (1, "paid")


async def test_a_card_payment_is_refunded_in_part(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _pay(shop, "pm_card_visa")

    refund = await shop.refund(payment["id"], 10_00)
    told = await asyncio.wait_for(receiver.wait_for(refund["id"]), timeout=30)
    trade = await sandbox.trade(await shop.serial_of(payment["id"]))

    assert told.type == "refund.succeeded"
    assert trade is not None
    assert trade["refunded_minor"] == 10_00


async def test_webhook_secrets_are_replaced_while_payments_go_on(
    admin: Access, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    async with ApiClient(admin.url, admin.key) as api:
        listed = await api.get(f"/v1/channel-accounts?merchant_id={shop.merchant_id}")
        (ours,) = (one for one in listed["items"] if one["channel"] == "stripe")
        theirs = await sandbox.stripe_account_told_at(f"{admin.url}/callbacks/stripe/{ours['id']}")

        # Ours is new before theirs is: what they sign with the former one still counts.
        await _replace_secret(api, ours["id"], "whsec_" + "n" * 32)
        between = await _paid_by_webhook(shop, receiver, sandbox)
        secret = await sandbox.new_webhook_secret(theirs["account_id"])
        await _replace_secret(api, ours["id"], secret)
        afterwards = await _paid_by_webhook(shop, receiver, sandbox)

    assert between == afterwards == "requires_action -> succeeded (callback)"


async def _replace_secret(api: ApiClient, account_id: str, secret: str) -> None:
    body = {"parameters": {"webhook_secrets": secret}, "overlap_seconds": 3600}
    await api.post(f"/v1/channel-accounts/{account_id}/rotate", body)


async def _paid_by_webhook(shop: Shop, receiver: Receiver, sandbox: SandboxControl) -> str:
    """Pay by a card that asks for proof, and say what moved the payment in the end."""
    payment = await _pay(shop, "pm_card_threeDSecure2Required")
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)
    told = await shop.explain(payment["id"])
    return str([e["summary"] for e in told["timeline"] if e["kind"] == "status"][-1])
