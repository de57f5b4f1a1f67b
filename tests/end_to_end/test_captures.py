"""Money that is held first, on the whole stack: captured in part, released, its answer lost."""

import asyncio
from typing import Any

import pytest

from devstack.receiver import Received, Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop

pytestmark = pytest.mark.stack

CARD = Order(
    amount=25_00,
    currency="USD",
    method="stripe_card",
    payer_code="pm_card_visa",
    return_url="https://shop.example/back",
    capture_method="manual",
)
QR = Order(amount=19_99, method="alipay_qr", capture_method="manual")


async def told(receiver: Receiver, payment_id: str, event_type: str) -> Received:
    async with asyncio.timeout(40):
        return await receiver.wait_for(payment_id, lambda event: event.type == event_type)


async def taken(shop: Shop, sandbox: SandboxControl, payment_id: str) -> dict[str, Any]:
    trade = await sandbox.trade(await shop.serial_of(payment_id))
    assert trade is not None
    return trade


async def test_a_card_is_held_and_captured_in_part(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(CARD)
    held = await shop.payment(payment["id"])

    captured = await shop.capture(payment["id"], 18_00)
    event = await told(receiver, payment["id"], "payment.partially_captured")

    assert (held["status"], held["amount_captured"]) == ("requires_capture", 0)
    assert (captured["status"], captured["amount_captured"]) == ("partially_captured", 18_00)
    assert event.verified
    assert (await taken(shop, sandbox, payment["id"]))["executions"] == 1
    refund = await shop.refund(payment["id"], 18_00)
    assert refund["status"] in ("succeeded", "pending")


async def test_a_capture_whose_answer_is_lost_takes_the_money_once(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(CARD)
    await sandbox.fault("drop_after", method="payment_intents.capture")

    await shop.capture(payment["id"], 10_00)
    await told(receiver, payment["id"], "payment.partially_captured")

    trade = await taken(shop, sandbox, payment["id"])
    assert (trade["executions"], trade["status"]) == (1, "paid")
    assert (await shop.payment(payment["id"]))["amount_captured"] == 10_00


async def test_what_is_not_wanted_is_released(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(CARD)

    released = await shop.cancel(payment["id"])
    await told(receiver, payment["id"], "payment.canceled")

    assert released["status"] == "canceled"
    trade = await taken(shop, sandbox, payment["id"])
    assert (trade["executions"], trade["status"]) == (0, "closed")


async def test_a_held_card_with_3ds_is_captured_whole(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    order = Order(
        amount=30_00,
        currency="USD",
        method="stripe_card",
        payer_code="pm_card_threeDSecure2Required",
        return_url="https://shop.example/back",
        capture_method="manual",
    )
    payment = await shop.order(order)

    await sandbox.pay(await shop.serial_of(payment["id"]))
    await told(receiver, payment["id"], "payment.requires_capture")
    captured = await shop.capture(payment["id"])

    assert payment["status"] == "requires_action"
    assert (captured["status"], captured["amount_captured"]) == ("succeeded", 30_00)


async def held_by_qr_code(shop: Shop, receiver: Receiver, sandbox: SandboxControl) -> str:
    """A payment whose payer agreed to 19.99 yuan being held; we know by callback."""
    payment = await shop.order(QR)
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await told(receiver, payment["id"], "payment.requires_capture")
    return str(payment["id"])


async def test_a_qr_code_is_held_by_callback_and_captured_in_part(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment_id = await held_by_qr_code(shop, receiver, sandbox)
    held = await taken(shop, sandbox, payment_id)

    captured = await shop.capture(payment_id, 15_00)
    event = await told(receiver, payment_id, "payment.partially_captured")

    assert (held["status"], held["executions"], held["authorized_minor"]) == ("held", 0, 19_99)
    assert (captured["status"], captured["amount_captured"]) == ("partially_captured", 15_00)
    assert event.verified
    trade = await taken(shop, sandbox, payment_id)
    assert (trade["executions"], trade["captured_minor"], trade["authorized_minor"]) == (
        1,
        15_00,
        0,
    )
    refund = await shop.refund(payment_id, 15_00)
    assert refund["status"] in ("succeeded", "pending")


async def test_a_hold_at_alipay_that_is_not_wanted_is_released(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment_id = await held_by_qr_code(shop, receiver, sandbox)

    released = await shop.cancel(payment_id)
    await told(receiver, payment_id, "payment.canceled")

    assert released["status"] == "canceled"
    trade = await taken(shop, sandbox, payment_id)
    assert (trade["executions"], trade["status"]) == (0, "released")


@pytest.mark.parametrize("callback", ["heard", "lost"])
async def test_a_capture_at_alipay_whose_answer_is_lost_takes_the_money_once(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl, callback: str
) -> None:
    payment_id = await held_by_qr_code(shop, receiver, sandbox)
    serial = await shop.serial_of(payment_id)
    await sandbox.fault("drop_after", method="alipay.trade.pay", out_trade_no=serial)
    if callback == "lost":
        await sandbox.fault("lose", out_trade_no=serial, times=None)

    await shop.capture(payment_id, 15_00)
    await told(receiver, payment_id, "payment.partially_captured")

    trade = await taken(shop, sandbox, payment_id)
    assert (trade["executions"], trade["status"], trade["captured_minor"]) == (1, "paid", 15_00)
    assert (await shop.payment(payment_id))["amount_captured"] == 15_00


async def test_a_hold_whose_callback_is_lost_is_found_and_captured_whole(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(QR)
    serial = await shop.serial_of(payment["id"])
    await sandbox.fault("lose", out_trade_no=serial, times=None)

    await sandbox.pay(serial)
    await told(receiver, payment["id"], "payment.requires_capture")
    captured = await shop.capture(payment["id"])

    assert (captured["status"], captured["amount_captured"]) == ("succeeded", 19_99)


async def test_a_code_at_the_till_is_held_by_the_answer_and_captured(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    order = Order(
        amount=19_99,
        method="alipay_buyer_code",
        payer_code="280000000000000001",
        capture_method="manual",
    )
    payment = await shop.order(order)

    captured = await shop.capture(payment["id"], 5_00)
    await told(receiver, payment["id"], "payment.partially_captured")

    assert payment["status"] == "requires_capture"
    assert captured["amount_captured"] == 5_00
    assert (await taken(shop, sandbox, payment["id"]))["captured_minor"] == 5_00
