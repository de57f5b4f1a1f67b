"""Card payments: accepted, declined, held, captured, cancelled; by the REST API alone."""

import pytest

from tests.sandbox.card_shop import RETURN_URL, CardShop, Endpoint
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control


async def test_a_good_card_pays_at_once(shop: CardShop, control: Control) -> None:
    order = a_number()

    intent = await shop.pay("pm_card_visa", order=order, amount=19_99, description="Tea")

    assert (intent["status"], intent["amount_received"]) == ("succeeded", 19_99)
    assert intent["metadata"] == {"order": order}
    charge = await shop.get(f"charges/{intent['latest_charge']}")
    assert (charge["captured"], charge["paid"], charge["amount_captured"]) == (True, True, 19_99)
    assert await shop.get(f"payment_intents/{intent['id']}") == intent
    trade = await control.trade(order)
    assert (trade["provider"], trade["status"], trade["executions"]) == ("stripe", "paid", 1)
    assert (trade["currency"], trade["amount_minor"]) == ("USD", 19_99)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
    ],
)
async def test_a_declined_card_says_why(
    shop: CardShop, control: Control, card: str, code: str, decline_code: str | None
) -> None:
    order = a_number()

    answer = await shop.try_to_pay(card, order=order)

    error = answer.json()["error"]
    assert answer.status_code == 402
    assert (error["type"], error["code"]) == ("card_error", code)
    assert error.get("decline_code") == decline_code
    intent = await shop.get(f"payment_intents/{error['payment_intent']['id']}")
    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["code"] == code
    charge = await shop.get(f"charges/{error['charge']}")
    assert (charge["status"], charge["paid"], charge["captured"]) == ("failed", False, False)
    assert (await control.trade(order))["executions"] == 0


async def test_a_declined_intent_can_be_paid_with_another_card(shop: CardShop) -> None:
    declined = await shop.try_to_pay("pm_card_chargeDeclined", order=a_number())
    intent_id = declined.json()["error"]["payment_intent"]["id"]

    paid = await shop.post(
        f"payment_intents/{intent_id}/confirm", payment_method="pm_card_visa", return_url=RETURN_URL
    )

    assert (paid.status_code, paid.json()["status"]) == (200, "succeeded")
    assert paid.json()["last_payment_error"] is None


async def test_creating_and_confirming_can_be_two_steps(shop: CardShop, control: Control) -> None:
    order = a_number()
    params = {"amount": 500, "currency": "eur", "metadata": {"order": order}}

    bare = (await shop.post("payment_intents", **params)).json()
    chosen = (await shop.post("payment_intents", payment_method="pm_card_visa", **params)).json()
    paid = await shop.post(f"payment_intents/{chosen['id']}/confirm", return_url=RETURN_URL)

    assert bare["status"] == "requires_payment_method"
    assert chosen["status"] == "requires_confirmation"
    assert paid.json()["status"] == "succeeded"
    found = (await control.get("/trades", out_trade_no=order))["trades"]
    assert [(trade["executions"], trade["requests"]) for trade in found] == [(0, 1), (1, 2)]


async def test_money_is_held_then_captured_in_part_and_the_rest_released(shop: CardShop) -> None:
    held = await shop.pay("pm_card_visa", order=a_number(), amount=100_00, capture_method="manual")
    captured = await shop.post(f"payment_intents/{held['id']}/capture", amount_to_capture=60_00)
    again = await shop.post(f"payment_intents/{held['id']}/capture")

    assert (held["status"], held["amount_capturable"]) == ("requires_capture", 100_00)
    assert held["amount_received"] == 0
    intent = captured.json()
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 60_00)
    assert (intent["amount"], intent["amount_capturable"]) == (100_00, 0)
    assert again.status_code == 400
    assert again.json()["error"]["code"] == "payment_intent_unexpected_state"


async def test_all_of_it_is_captured_when_no_amount_is_named(shop: CardShop) -> None:
    held = await shop.pay("pm_card_visa", order=a_number(), capture_method="manual")

    captured = await shop.post(f"payment_intents/{held['id']}/capture")

    assert captured.json()["amount_received"] == 20_00


async def test_no_more_is_captured_than_is_held(shop: CardShop, control: Control) -> None:
    order = a_number()
    held = await shop.pay("pm_card_visa", order=order, capture_method="manual")

    refused = await shop.post(f"payment_intents/{held['id']}/capture", amount_to_capture=20_01)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "amount_too_large")
    trade = await control.trade(order)
    assert (trade["status"], trade["authorized_minor"], trade["executions"]) == (
        "authorized",
        20_00,
        0,
    )


async def test_a_cancelled_hold_takes_nothing(shop: CardShop, control: Control) -> None:
    order = a_number()
    held = await shop.pay("pm_card_visa", order=order, capture_method="manual")

    canceled = await shop.post(
        f"payment_intents/{held['id']}/cancel", cancellation_reason="abandoned"
    )
    late = await shop.post(f"payment_intents/{held['id']}/capture")

    assert (canceled.json()["status"], canceled.json()["amount_capturable"]) == ("canceled", 0)
    assert canceled.json()["cancellation_reason"] == "abandoned"
    assert late.json()["error"]["payment_intent"]["status"] == "canceled"
    trade = await control.trade(order)
    assert (trade["status"], trade["executions"], trade["authorized_minor"]) == ("closed", 0, 0)


async def test_what_is_paid_cannot_be_cancelled_or_confirmed(shop: CardShop) -> None:
    paid = await shop.pay("pm_card_visa", order=a_number())

    canceled = await shop.post(f"payment_intents/{paid['id']}/cancel")
    confirmed = await shop.post(
        f"payment_intents/{paid['id']}/confirm", payment_method="pm_card_visa"
    )

    for refused in (canceled, confirmed):
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, "payment_intent_unexpected_state")
        assert error["payment_intent"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("card", "status"),
    [
        ("pm_sandbox_processing", "succeeded"),
        ("pm_sandbox_processingFails", "requires_payment_method"),
    ],
)
async def test_a_processing_payment_ends_when_time_has_passed(
    shop: CardShop, endpoint: Endpoint, card: str, status: str
) -> None:
    intent = await shop.pay(card, order=a_number())

    told = [(await endpoint.next()).object["status"] for _ in range(2)]

    assert intent["status"] == "processing"
    assert set(told) == {"processing", status}
    assert (await shop.get(f"payment_intents/{intent['id']}"))["status"] == status


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": "19.99"}, "parameter_invalid_integer", "amount"),
        ({"currency": "xyz"}, None, "currency"),
        ({"currency": "kwd", "amount": 10_001}, None, "amount"),
        ({"payment_method": "pm_card_unknown"}, "resource_missing", "payment_method"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"confirm": "yes"}, None, "confirm"),
        ({"nonsense": 1}, "parameter_unknown", "nonsense"),
        ({"description": ""}, "parameter_invalid_empty", "description"),
        ({"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"metadata": {f"k{n}": "v" for n in range(51)}}, None, "metadata"),
    ],
)
async def test_parameters_that_make_no_sense_are_named(
    shop: CardShop, params: dict[str, object], code: str | None, param: str
) -> None:
    answer = await shop.try_to_pay("pm_card_visa", order=a_number(), **params)

    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error.get("code"), error["param"]) == (code, param)


async def test_an_address_to_return_to_is_needed_unless_redirects_are_off(shop: CardShop) -> None:
    params = {
        "amount": 500,
        "currency": "usd",
        "confirm": True,
        "payment_method": "pm_card_visa",
    }
    never = {"enabled": True, "allow_redirects": "never"}

    refused = await shop.post("payment_intents", **params)
    without = await shop.post("payment_intents", automatic_payment_methods=never, **params)
    by_type = await shop.post("payment_intents", payment_method_types=["card"], **params)

    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "return_url")
    assert without.json()["automatic_payment_methods"] == never
    assert by_type.json()["automatic_payment_methods"] is None


async def test_only_a_known_key_and_the_pinned_version_are_served(
    shop: CardShop, control: Control
) -> None:
    stranger = CardShop({**shop.registered, "secret_key": "sk_test_0000000000000000"}, shop.client)

    refused = await stranger.get_raw("balance")
    newer = await shop.post("payment_intents", version="2026-10-28.endive")
    pinned = await shop.post("payment_intents", version="2023-08-16", amount=500, currency="usd")

    assert (refused.status_code, newer.status_code, pinned.status_code) == (401, 400, 200)
    assert "Invalid API Key" in refused.json()["error"]["message"]
    assert refused.headers["request-id"].startswith("req_")
    assert pinned.headers["stripe-version"] == "2023-08-16"


async def test_an_account_sees_nothing_of_another(shop: CardShop, control: Control) -> None:
    other = CardShop(await control.post("/stripe/accounts"), shop.client)
    intent = await shop.pay("pm_card_visa", order=a_number())

    seen = await other.get_raw(f"payment_intents/{intent['id']}")
    refund = await other.post("refunds", payment_intent=intent["id"])

    assert (seen.status_code, seen.json()["error"]["code"]) == (404, "resource_missing")
    assert refund.status_code == 400
    assert (await other.get("payment_intents"))["data"] == []


async def test_intents_are_listed_newest_first_page_by_page(shop: CardShop) -> None:
    made = [(await shop.pay("pm_card_visa", order=a_number()))["id"] for _ in range(3)]

    first = await shop.get("payment_intents", limit=2)
    second = await shop.get("payment_intents", limit=2, starting_after=first["data"][-1]["id"])
    back = await shop.get("payment_intents", limit=1, ending_before=made[0])

    assert [found["id"] for found in first["data"]] == made[:0:-1]
    assert [found["id"] for found in second["data"]] == made[:1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert [found["id"] for found in back["data"]] == [made[1]]


async def test_an_intent_is_found_by_the_order_it_was_made_for(shop: CardShop) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_visa", order=order)

    found = await shop.get("payment_intents/search", query=f"metadata['order']:'{order}'")

    assert [each["id"] for each in found["data"]] == [intent["id"]]


async def test_an_address_that_is_not_served_says_so(shop: CardShop) -> None:
    answer = await shop.get_raw("customers")

    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")
