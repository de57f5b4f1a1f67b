"""Webhooks: what is told, how it is signed, how often it is tried, how it goes wrong."""

import asyncio

import pytest

from tests.sandbox.card_shop import CardShop, Endpoint
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control


async def test_a_payment_is_told_signed_and_acknowledged(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()

    paid = await shop.pay("pm_card_visa", order=order, key="k1", description="茶 & tea")
    webhook = await endpoint.next()
    await control.post("/quiesce")

    assert webhook.is_signed_with(shop.secret)
    assert not webhook.is_signed_with("whsec_another")
    assert (webhook.event["object"], webhook.type) == ("event", "payment_intent.succeeded")
    assert webhook.event["api_version"] == "2023-08-16"
    assert webhook.event["request"]["idempotency_key"] == "k1"
    assert webhook.object == paid
    trade = await control.trade(order)
    assert (trade["notifications"], trade["acknowledged"]) == (1, 1)
    assert trade["sent"][0]["provider"] == "stripe"


async def test_each_step_has_its_event(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_threeDSecure2Required", order=order, capture_method="manual")
    told = [await endpoint.next()]
    await control.post("/trades/pay", out_trade_no=order)
    told.append(await endpoint.next())
    await shop.post(f"payment_intents/{intent['id']}/capture", amount_to_capture=5_00)
    told.append(await endpoint.next())
    await shop.refund(intent["id"], amount=1_00)
    told.append(await endpoint.next())

    assert [(webhook.type, webhook.object["object"]) for webhook in told] == [
        ("payment_intent.requires_action", "payment_intent"),
        ("payment_intent.amount_capturable_updated", "payment_intent"),
        ("payment_intent.succeeded", "payment_intent"),
        ("charge.refunded", "charge"),
    ]
    assert told[1].object["amount_capturable"] == 20_00
    assert told[2].object["amount_received"] == 5_00
    assert told[3].object["amount_refunded"] == 1_00


async def test_a_decline_and_a_cancellation_are_told(shop: CardShop, endpoint: Endpoint) -> None:
    declined = await shop.try_to_pay("pm_card_chargeDeclined", order=a_number())
    failed = await endpoint.next()
    intent_id = declined.json()["error"]["payment_intent"]["id"]
    await shop.post(f"payment_intents/{intent_id}/cancel")
    canceled = await endpoint.next()

    assert failed.type == "payment_intent.payment_failed"
    assert failed.object["last_payment_error"]["decline_code"] == "generic_decline"
    assert canceled.type == "payment_intent.canceled"


async def test_only_events_that_are_enabled_are_told(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    await control.post("/stripe/accounts", account_id=shop.id, enabled_events=["charge.refunded"])

    paid = await shop.pay("pm_card_visa", order=a_number())
    await shop.refund(paid["id"])

    assert (await endpoint.next()).type == "charge.refunded"


async def test_two_secrets_both_sign_while_one_is_replaced(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    rolled = await control.post(f"/stripe/accounts/{shop.id}/webhook-secrets")
    await shop.pay("pm_card_visa", order=a_number())
    both = await endpoint.next()
    left = await control.delete(f"/stripe/accounts/{shop.id}/webhook-secrets")
    await shop.pay("pm_card_visa", order=a_number())
    newest = await endpoint.next()

    assert rolled["webhook_secrets"][1] == shop.secret
    assert len(both.signatures()) == 2
    assert both.is_signed_with(shop.secret)
    assert both.is_signed_with(rolled["webhook_secret"])
    assert left["webhook_secrets"] == [rolled["webhook_secret"]]
    assert not newest.is_signed_with(shop.secret)
    assert newest.is_signed_with(rolled["webhook_secret"])


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_what_is_not_acknowledged_is_sent_again(
    shop: CardShop, endpoint: Endpoint, control: Control, status: int
) -> None:
    order = a_number()
    endpoint.statuses = [status, status, 204]

    await shop.pay("pm_card_visa", order=order)
    told = [(await endpoint.next()).event["id"] for _ in range(3)]
    await control.post("/quiesce")

    assert len(set(told)) == 1
    sent = (await control.trade(order))["sent"][0]
    assert (sent["status"], sent["attempts"][0]["http_status"]) == ("acknowledged", status)
    assert not endpoint.has_more()


async def test_a_webhook_can_be_held_and_released(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.fault("hold", order)
    await shop.pay("pm_card_visa", order=order)
    await control.post("/quiesce")
    held = not endpoint.has_more()

    await control.post("/notifications/release", out_trade_no=order)

    assert held
    assert (await endpoint.next()).type == "payment_intent.succeeded"


async def test_a_webhook_can_be_lost_and_asked_for_later(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.fault("lose", order, method="payment_intent.succeeded")
    paid = await shop.pay("pm_card_visa", order=order)
    await control.post("/quiesce")

    assert not endpoint.has_more()
    events = (await shop.get("events"))["data"]
    assert events[0]["data"]["object"]["id"] == paid["id"]


async def test_a_webhook_can_come_several_times_at_once(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.fault("duplicate", order, copies=5)

    await shop.pay("pm_card_visa", order=order)

    assert len({(await endpoint.next()).event["id"] for _ in range(5)}) == 1


async def test_a_webhook_can_be_signed_wrongly(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.post(f"/stripe/accounts/{shop.id}/webhook-secrets")
    fault = await control.fault("bad_signature", order, target="notification")

    await shop.pay("pm_card_visa", order=order)
    webhook = await endpoint.next()

    assert len(webhook.signatures()) == 2
    assert not webhook.is_signed_with(shop.secret)
    assert await control.fired(fault) == 1


async def test_a_webhook_can_name_a_wrong_amount(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.fault("wrong_amount", order)

    await shop.pay("pm_card_visa", order=order, amount=19_99)
    webhook = await endpoint.next()

    assert webhook.is_signed_with(shop.secret)
    assert (webhook.object["amount"], webhook.object["amount_received"]) == (20_00, 20_00)


async def test_old_news_can_follow_the_newer(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await control.fault("reorder", order)

    await shop.pay("pm_card_visa", order=order)
    newer, older = await endpoint.next(), await endpoint.next()

    assert (newer.type, older.type) == ("payment_intent.succeeded", "payment_intent.processing")
    assert older.is_signed_with(shop.secret)
    assert older.event["id"] != newer.event["id"]
    assert older.event["created"] < newer.event["created"]
    assert older.object["status"] == "processing"


@pytest.mark.parametrize(
    ("card", "answered", "told"),
    [
        ("pm_card_visa", "succeeded", {"payment_intent.succeeded"}),
        (
            "pm_card_threeDSecure2Required",
            "requires_action",
            {"payment_intent.requires_action", "payment_intent.succeeded"},
        ),
    ],
)
async def test_the_webhook_may_come_before_the_answer(
    shop: CardShop, endpoint: Endpoint, control: Control, card: str, answered: str, told: set[str]
) -> None:
    order = a_number()
    await control.fault("callback_before_answer", order)

    intent = await shop.pay(card, order=order)

    assert endpoint.has_more()
    assert intent["status"] == answered
    assert {(await endpoint.next()).type for _ in told} == told
    assert (await control.trade(order))["status"] == "paid"


async def test_an_answer_can_have_a_status_nobody_knows(shop: CardShop, control: Control) -> None:
    order, other = a_number(), a_number()
    await control.fault("unknown_code", order)
    await control.fault("unknown_code", other, executes=False, code="brand_new_code")

    strange = await shop.try_to_pay("pm_card_visa", order=order, key=order)
    again = await shop.try_to_pay("pm_card_visa", order=order, key=order)
    refused = await shop.try_to_pay("pm_card_visa", order=other)

    assert strange.json()["status"] == "never_heard_of"
    assert again.json()["status"] == "succeeded"
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "brand_new_code")
    assert (await control.get("/trades", out_trade_no=other))["trades"] == []


async def test_an_answer_can_name_a_wrong_amount_or_come_late(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    await control.fault("wrong_amount", order, target="answer")
    await control.fault("delay", order, seconds=0.2)
    start = asyncio.get_running_loop().time()

    answer = await shop.pay("pm_card_visa", order=order, amount=19_99)

    assert answer["amount"] == 20_00
    assert asyncio.get_running_loop().time() - start >= 0.2
    assert (await control.trade(order))["amount_minor"] == 19_99


async def test_a_fault_can_strike_one_operation_alone(shop: CardShop, control: Control) -> None:
    order = a_number()
    fault = await control.fault("http_500_before", order, method="refunds.create")

    paid = await shop.pay("pm_card_visa", order=order)
    refused = await shop.post("refunds", payment_intent=paid["id"])
    made = await shop.refund(paid["id"])

    assert refused.status_code == 500
    assert made["status"] == "succeeded"
    assert await control.fired(fault) == 1


async def test_a_webhook_can_be_asked_for_again(
    shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    order = a_number()
    await shop.pay("pm_card_visa", order=order)
    first = await endpoint.next()
    await control.post("/quiesce")

    resent = await control.post("/notifications/resend", out_trade_no=order)

    assert resent == {"resent": 1}
    assert (await endpoint.next()).event["id"] == first.event["id"]
