"""A hundred refunds of one payment at once: exactly what was paid goes back, on every book."""

import asyncio
from http import HTTPStatus
from typing import Any

import pytest

from devstack.api_client import ApiProblem
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number

pytestmark = pytest.mark.stack

PAID, EACH, ASKED = 100_00, 7_00, 100
# 14 times 7.00 is 98.00; a fifteenth would be more than was paid.
FIT = 14


async def test_a_hundred_refunds_at_once_give_back_exactly_what_fits(
    shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(Order(amount=PAID))
    serial = await shop.serial_of(payment["id"])
    await sandbox.pay(serial)
    async with asyncio.timeout(30):
        await receiver.wait_for(payment["id"])

    answers = await asyncio.gather(*(_ask(shop, payment["id"]) for _ in range(ASKED)))
    accepted = [answer for answer in answers if answer.startswith("ref_")]
    async with asyncio.timeout(60):
        for refund_id in accepted:
            await receiver.wait_for(refund_id)

    assert len(accepted) == FIT
    assert answers.count("refund-exceeds-captured") == ASKED - FIT
    trade = await sandbox.trade(serial)
    assert trade is not None
    assert trade["refunded_minor"] == FIT * EACH
    after = await shop.payment(payment["id"])
    assert after["amount_refunded"] == FIT * EACH
    assert _given_back(await shop.explain(payment["id"])) == FIT


async def _ask(shop: Shop, payment_id: str) -> str:
    """The refund's id, or the code of the refusal. What is busy is asked again, as an app would."""
    number = new_order_number()
    while True:
        try:
            return str((await shop.refund(payment_id, EACH, refund_no=number))["id"])
        except ApiProblem as problem:
            if problem.status != HTTPStatus.SERVICE_UNAVAILABLE:
                return problem.code


def _given_back(told: dict[str, Any]) -> int:
    """How many ledger transactions say that a refund reached the payer."""
    entries = [entry for entry in told["timeline"] if entry["kind"] == "ledger"]
    return sum("refund.succeeded" in str(entry) for entry in entries)
