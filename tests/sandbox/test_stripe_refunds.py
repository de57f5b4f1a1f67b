"""Refunds: never more than was captured, now or later, one or a hundred at once."""

import asyncio

import pytest

from tests.sandbox.card_shop import CardShop, Endpoint
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control


async def test_a_payment_is_refunded_in_parts(shop: CardShop, control: Control) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_visa", order=order, amount=100_00)

    first = await shop.refund(paid["id"], amount=30_00, metadata={"refund": "R1"})
    rest = await shop.refund(paid["id"], reason="requested_by_customer", metadata={"refund": "R2"})

    assert (first["status"], first["amount"], rest["amount"]) == ("succeeded", 30_00, 70_00)
    charge = await shop.get(f"charges/{paid['latest_charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (100_00, True)
    listed = await shop.get("refunds", payment_intent=paid["id"])
    assert [refund["id"] for refund in listed["data"]] == [rest["id"], first["id"]]
    assert await shop.get(f"refunds/{first['id']}") == first
    trade = await control.trade(order)
    assert (trade["status"], trade["refunds"], trade["refunded_minor"]) == ("refunded", 2, 100_00)
    assert [refund["serial"] for refund in trade["refund_list"]] == ["R1", "R2"]


async def test_no_more_is_refunded_than_is_left(shop: CardShop) -> None:
    paid = await shop.pay("pm_card_visa", order=a_number(), amount=100_00)
    await shop.refund(paid["id"], amount=30_00)

    too_much = await shop.post("refunds", payment_intent=paid["id"], amount=70_01)
    await shop.refund(paid["id"], amount=70_00)
    nothing_left = await shop.post("refunds", payment_intent=paid["id"], amount=1)

    assert (too_much.status_code, too_much.json()["error"]["param"]) == (400, "amount")
    assert nothing_left.json()["error"]["code"] == "charge_already_refunded"


async def test_only_what_was_captured_can_be_refunded(shop: CardShop) -> None:
    held = await shop.pay("pm_card_visa", order=a_number(), amount=100_00, capture_method="manual")

    early = await shop.post("refunds", payment_intent=held["id"])
    await shop.post(f"payment_intents/{held['id']}/capture", amount_to_capture=60_00)
    too_much = await shop.post("refunds", payment_intent=held["id"], amount=60_01)
    all_of_it = await shop.refund(held["id"])

    assert (early.status_code, too_much.status_code) == (400, 400)
    assert all_of_it["amount"] == 60_00


async def test_a_hundred_refunds_at_once_give_back_no_more_than_was_taken(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_visa", order=order, amount=100_00)

    answers = await asyncio.gather(
        *(shop.post("refunds", payment_intent=paid["id"], amount=3_00) for _ in range(100))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 33 + [400] * 67
    assert (await control.trade(order))["refunded_minor"] == 99_00


async def test_a_refund_may_fail_later_and_can_then_be_made_again(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_refundFail", order=order, amount=100_00)
    refund = await shop.refund(paid["id"], amount=100_00)

    told = {(await endpoint.next()).type for _ in range(4)}

    assert refund["status"] == "succeeded"
    assert told == {
        "payment_intent.succeeded",
        "charge.refunded",
        "refund.failed",
        "refund.updated",
    }
    failed = await shop.get(f"refunds/{refund['id']}")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "unknown")
    assert (await control.trade(order))["refunded_minor"] == 0
    again = await shop.refund(paid["id"])
    assert again["amount"] == 100_00


async def test_a_refund_may_be_pending_first(shop: CardShop, endpoint: Endpoint) -> None:
    paid = await shop.pay("pm_card_pendingRefund", order=a_number())
    refund = await shop.refund(paid["id"], amount=5_00)

    told = [await endpoint.next() for _ in range(3)]

    assert refund["status"] == "pending"
    updated = next(webhook for webhook in told if webhook.type == "refund.updated")
    assert (updated.object["id"], updated.object["status"]) == (refund["id"], "succeeded")


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_a_pending_refund_ends_as_it_is_told(
    shop: CardShop, control: Control, outcome: str
) -> None:
    await control.put("/settings", time_scale=1000)
    paid = await shop.pay("pm_card_pendingRefund", order=a_number())
    refund = await shop.refund(paid["id"], amount=5_00)

    await control.post("/stripe/settle", id=refund["id"], outcome=outcome)
    again = await control.post_raw("/stripe/settle", id=refund["id"])

    assert (await shop.get(f"refunds/{refund['id']}"))["status"] == outcome
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "payment_intent"),
        ({"payment_intent": "pi_none"}, "payment_intent"),
        ({"charge": "ch_none"}, "charge"),
        ({"charge": "ch_none", "amount": 0}, "amount"),
        ({"charge": "ch_none", "reason": "because"}, "reason"),
    ],
)
async def test_a_refund_of_nothing_is_refused(
    shop: CardShop, params: dict[str, object], param: str
) -> None:
    answer = await shop.post("refunds", **params)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_repeated_refund_is_counted_and_made_once(shop: CardShop, control: Control) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_visa", order=order)

    first = await shop.refund(paid["id"], amount=5_00, key=order, metadata={"refund": "R1"})
    again = await shop.refund(paid["id"], amount=5_00, key=order, metadata={"refund": "R1"})

    assert again == first
    trade = await control.trade(order)
    assert (trade["requests"], trade["refunded_minor"]) == (1, 5_00)
    assert [(each["serial"], each["requests"]) for each in trade["refund_list"]] == [("R1", 2)]


async def test_refunds_of_a_payment_that_is_not_there_are_not_listed(shop: CardShop) -> None:
    answer = await shop.get_raw("refunds?payment_intent=pi_none")

    assert answer.json()["error"]["code"] == "resource_missing"
