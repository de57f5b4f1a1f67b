"""Money back, through the public API, on the real stack and in the channel's own books."""

import asyncio
from typing import Any

import pytest

from devstack.api_client import ApiProblem
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number
from devstack.supervisor import Stack

pytestmark = pytest.mark.stack


async def test_a_partial_refund_reaches_the_payer_the_books_and_the_app(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _paid(shop, receiver, sandbox)

    refund = await shop.refund(payment["id"], 5_00)
    told = await asyncio.wait_for(receiver.wait_for(refund["id"]), timeout=30)
    trade = await sandbox.trade(await shop.serial_of(payment["id"]))

    assert told.type == "refund.succeeded"
    assert (await shop.payment(payment["id"]))["amount_refunded"] == 5_00
    assert trade is not None
    assert trade["refunded_minor"] == 5_00


async def test_more_than_was_paid_is_never_given_back(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _paid(shop, receiver, sandbox)
    await shop.refund(payment["id"], 15_00)

    with pytest.raises(ApiProblem) as refused:
        await shop.refund(payment["id"], 5_00)

    assert refused.value.code == "refund-exceeds-captured"


async def test_a_refund_whose_answer_is_lost_is_made_once(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _paid(shop, receiver, sandbox)
    serial = await shop.serial_of(payment["id"])
    await sandbox.fault("drop_after", method="alipay.trade.refund", out_trade_no=serial)

    refund = await shop.refund(payment["id"], 3_00)
    told = await asyncio.wait_for(receiver.wait_for(refund["id"]), timeout=60)
    trade = await sandbox.trade(serial)

    assert told.type == "refund.succeeded"
    assert trade is not None
    assert trade["refunded_minor"] == 3_00


async def test_the_same_refund_number_is_the_same_refund(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await _paid(shop, receiver, sandbox)
    number = new_order_number()

    first = await shop.refund(payment["id"], 1_00, refund_no=number)
    again = await shop.refund(payment["id"], 1_00, refund_no=number)
    with pytest.raises(ApiProblem) as other:
        await shop.refund(payment["id"], 2_00, refund_no=number)

    assert again["id"] == first["id"]
    assert other.value.status == 409


async def test_late_money_that_the_app_does_not_want_goes_back_by_itself(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    body = Order().body(shop.merchant_id, new_order_number())
    payment = await shop.api.post("/v1/payments", body | {"late_success": "refund"})
    serial = await shop.serial_of(payment["id"])
    await sandbox.open(serial)
    await shop.api.post(f"/v1/payments/{payment['id']}/cancel", {"reason": "sold out"})
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    await sandbox.pay(serial, even_if_closed=True)
    late = await asyncio.wait_for(
        receiver.wait_for(payment["id"], lambda one: one.sequence == 2), timeout=60
    )
    refund_id = f"ref_{serial}"
    back = await asyncio.wait_for(receiver.wait_for(refund_id), timeout=60)
    trade = await sandbox.trade(serial)

    assert late.body["data"]["note"] == "late_success_to_be_refunded"
    assert back.type == "refund.succeeded"
    assert trade is not None
    assert trade["refunded_minor"] == trade["amount_minor"]


async def _paid(shop: Shop, receiver: Receiver, sandbox: SandboxControl) -> dict[str, Any]:
    payment = await shop.order(Order(amount=19_99))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)
    return payment
