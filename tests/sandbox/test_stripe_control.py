"""Control of Stripe's accounts and trades, beside Alipay's."""

import pytest

from tests.sandbox.card_shop import CardShop, Endpoint
from tests.sandbox.merchant import Merchant, a_number
from tests.sandbox.process import Control


@pytest.mark.parametrize(
    "body",
    [
        {"account_id": "short"},
        {"secret_key": "sk_live_123456789"},
        {"webhook_url": "nonsense"},
        {"enabled_events": ["payment_intent.exploded"]},
        {"fee_bps": -1},
        {"unknown": 1},
    ],
)
async def test_an_account_that_cannot_work_is_refused(
    control: Control, body: dict[str, object]
) -> None:
    assert (await control.post_raw("/stripe/accounts", **body)).status_code == 422


async def test_an_account_is_changed_only_where_it_is_told(
    control: Control, shop: CardShop, endpoint: Endpoint
) -> None:
    key = f"sk_test_{a_number()}"

    changed = await control.post("/stripe/accounts", account_id=shop.id, secret_key=key)
    refused = await shop.get_raw("balance")
    again = CardShop(changed, shop.client)
    twice = await control.post_raw("/stripe/accounts", secret_key=key)

    assert changed == {**shop.registered, "secret_key": key}
    assert refused.status_code == 401
    assert (await again.get("balance"))["object"] == "balance"
    assert (changed["webhook_url"], twice.status_code) == (endpoint.url, 422)
    listed = (await control.get("/stripe/accounts"))["accounts"]
    assert changed in listed


async def test_both_providers_trades_are_listed_in_one_shape(
    control: Control, shop: CardShop, merchant: Merchant
) -> None:
    number = a_number()
    await merchant.precreate(number)
    await shop.pay("pm_card_visa", order=number)

    both = (await control.get("/trades", out_trade_no=number))["trades"]
    first = await control.get("/trades", out_trade_no=number, limit="1")
    second = await control.get("/trades", out_trade_no=number, after=first["next"])
    one = (await control.get("/trades", out_trade_no=number, provider="stripe"))["trades"]

    assert [trade["provider"] for trade in both] == ["alipay", "stripe"]
    assert set(both[0]) <= set(both[1])
    numbers = [trade["trade_no"] for trade in both]
    assert [trade["trade_no"] for trade in first["trades"] + second["trades"]] == numbers
    assert [trade["trade_no"] for trade in one] == numbers[1:]


async def test_trades_are_found_by_account_status_and_intent(
    control: Control, shop: CardShop
) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_visa", order=order)
    await shop.pay("pm_card_visa", order=order, capture_method="manual")

    mine = (await control.get("/trades", app_id=shop.id))["trades"]
    held = (await control.get("/trades", app_id=shop.id, status="authorized"))["trades"]
    by_intent = await control.trade(paid["id"])

    assert [trade["status"] for trade in mine] == ["paid", "authorized"]
    assert [trade["trade_no"] for trade in held] == [mine[1]["trade_no"]]
    assert by_intent["trade_no"] == paid["id"]
    kinds = {event["kind"] for event in by_intent["events"]}
    assert kinds == {"created", "captured"}


async def test_a_payer_can_be_late(control: Control, shop: CardShop) -> None:
    order = a_number()
    await shop.pay("pm_card_threeDSecure2Required", order=order)

    accepted = await control.post_raw("/trades/pay", out_trade_no=order, delay_seconds=0.05)
    await control.post("/quiesce")

    assert accepted.status_code == 202
    assert (await control.trade(order))["status"] == "paid"


async def test_an_account_that_is_not_there_is_not_found(control: Control) -> None:
    answer = await control.post_raw("/stripe/accounts/acct_none/webhook-secrets")

    assert answer.status_code == 404


async def test_a_hold_runs_out_and_the_merchant_is_told(
    control: Control, shop: CardShop, endpoint: Endpoint
) -> None:
    order = a_number()
    held = await shop.pay("pm_card_visa", order=order, capture_method="manual")
    await endpoint.next()

    expired = await control.post("/stripe/expire", id=order)
    again = await control.post_raw("/stripe/expire", id=order)
    nobody = await control.post_raw("/stripe/expire", id="T-NOBODY")
    told = await endpoint.next()

    assert expired == {"id": held["id"], "status": "canceled"}
    assert (again.status_code, nobody.status_code) == (409, 404)
    assert told.type == "payment_intent.canceled"
    assert told.object["cancellation_reason"] == "automatic"


@pytest.mark.parametrize(("currency", "least"), [("gbp", 30), ("usd", 50), ("huf", 175_00)])
async def test_each_currency_has_its_own_least_amount(
    shop: CardShop, currency: str, least: int
) -> None:
    enough = await shop.post("payment_intents", amount=least, currency=currency)
    too_little = await shop.post("payment_intents", amount=least - 1, currency=currency)

    assert enough.status_code == 200
    assert too_little.json()["error"]["code"] == "amount_too_small"
