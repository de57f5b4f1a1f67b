"""Stripe's own SDK as merchant of the sandbox and judge of its webhooks; its specification."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cross_check.conftest import Driver
from tests.sandbox.card_shop import RETURN_URL, CardShop, Endpoint, Webhook
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control

pytestmark = pytest.mark.cross_check

_SPECIFICATION = (
    Path(__file__).parents[3] / "shared" / "specs" / "stripe" / "spec3.2023-08-16.flat.json"
)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def shop(control: Control, endpoint: Endpoint, browser: httpx.AsyncClient) -> CardShop:
    return CardShop(await control.post("/stripe/accounts", webhook_url=endpoint.url), browser)


class Sdk:
    """The SDK with one account's key."""

    def __init__(self, drive: Driver, shop: CardShop) -> None:
        self._drive = drive
        self._account = {
            "secret_key": shop.registered["secret_key"],
            "base_url": shop.registered["base_url"],
        }

    def call(self, method: str, *ids: str, key: object = None, **params: object) -> Any:
        options = {"idempotency_key": key} if key else {}
        return self._drive(
            "call", method=method, ids=ids, params=params, options=options, **self._account
        )

    def read_all(self, method: str, **params: object) -> Any:
        return self._drive("read_all", method=method, params=params, **self._account)

    def pay(self, card: str, **more: object) -> Any:
        params: dict[str, object] = {
            "amount": 19_99,
            "currency": "usd",
            "payment_method": card,
            "confirm": True,
            "return_url": RETURN_URL,
            "metadata": {"order": a_number()},
        }
        return self.call("payment_intents.create", **{**params, **more})

    def judge(self, webhook: Webhook, secret: str) -> Any:
        return self._drive(
            "construct_event",
            payload=webhook.body.decode(),
            header=webhook.headers["stripe-signature"],
            secret=secret,
        )


@pytest.fixture
def sdk(stripe_sdk: Driver, shop: CardShop) -> Sdk:
    return Sdk(stripe_sdk, shop)


def test_it_pays_reads_and_refunds(sdk: Sdk) -> None:
    paid = sdk.pay("pm_card_visa")["answer"]
    read = sdk.call("payment_intents.retrieve", paid["id"])["answer"]
    refund = sdk.call("refunds.create", payment_intent=paid["id"], amount=5_00)["answer"]
    listed = sdk.call("refunds.list", payment_intent=paid["id"])["answer"]

    assert (paid["status"], paid["amount_received"]) == ("succeeded", 19_99)
    assert read == paid
    assert (refund["status"], refund["amount"]) == ("succeeded", 5_00)
    assert [found["id"] for found in listed["data"]] == [refund["id"]]


def test_it_holds_captures_a_part_and_cancels(sdk: Sdk) -> None:
    first = sdk.pay("pm_card_visa", capture_method="manual")["answer"]
    second = sdk.pay("pm_card_visa", capture_method="manual")["answer"]
    captured = sdk.call("payment_intents.capture", first["id"], amount_to_capture=7_00)["answer"]
    canceled = sdk.call("payment_intents.cancel", second["id"])["answer"]

    assert first["status"] == "requires_capture"
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 7_00)
    assert canceled["status"] == "canceled"


def test_it_raises_its_own_errors(sdk: Sdk, shop: CardShop, stripe_sdk: Driver) -> None:
    declined = sdk.pay("pm_card_chargeDeclinedInsufficientFunds")
    wrong = sdk.pay("pm_card_visa", amount=1)
    unknown = sdk.call("payment_intents.retrieve", "pi_none")
    stranger = {"secret_key": "sk_test_nobody", "base_url": shop.registered["base_url"]}
    refused = stripe_sdk("call", method="balance.retrieve", **stranger)

    assert (declined["error"], declined["status"]) == ("CardError", 402)
    assert declined["body"]["error"]["decline_code"] == "insufficient_funds"
    assert (wrong["error"], wrong["code"]) == ("InvalidRequestError", "amount_too_small")
    assert (unknown["error"], unknown["code"]) == ("InvalidRequestError", "resource_missing")
    assert (refused["error"], refused["status"]) == ("AuthenticationError", 401)


def test_its_idempotency_keys_do_what_it_expects(sdk: Sdk) -> None:
    params = {"amount": 5_00, "currency": "usd"}

    first = sdk.call("payment_intents.create", key="the-key", **params)
    again = sdk.call("payment_intents.create", key="the-key", **params)
    other = sdk.call("payment_intents.create", key="the-key", amount=6_00, currency="usd")

    assert again["answer"] == first["answer"]
    assert {name.lower() for name in again["headers"]} >= {"idempotent-replayed", "request-id"}
    assert (other["error"], other["status"]) == ("IdempotencyError", 400)


async def test_its_own_retries_take_the_money_once(
    stripe_sdk: Driver, shop: CardShop, control: Control
) -> None:
    order = a_number()
    await control.fault("drop_after", order)
    await control.fault("http_500_before", order, code="409", skip=1)
    account = {name: shop.registered[name] for name in ("secret_key", "base_url")}

    paid = stripe_sdk(
        "call",
        method="payment_intents.create",
        params={
            "amount": 19_99,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": RETURN_URL,
            "metadata": {"order": order},
        },
        retries=3,
        **account,
    )

    assert paid["answer"]["status"] == "succeeded"
    trades = (await control.get("/trades", out_trade_no=order))["trades"]
    assert [trade["executions"] for trade in trades] == [1]


def test_it_reads_the_statement_page_by_page(sdk: Sdk) -> None:
    for _ in range(3):
        sdk.pay("pm_card_visa")

    lines = sdk.read_all("balance_transactions.list", limit=2, type="charge")
    expanded = sdk.call("balance_transactions.list", expand=["data.source"])["answer"]

    assert [line["amount"] for line in lines] == [19_99] * 3
    assert {line["source"]["object"] for line in expanded["data"]} == {"charge"}


async def test_it_believes_the_webhooks_and_no_others(
    sdk: Sdk, shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    paid = sdk.pay("pm_card_visa")["answer"]
    good = await endpoint.next()
    rolled = await control.post(f"/stripe/accounts/{shop.id}/webhook-secrets")
    sdk.pay("pm_card_visa")
    twice_signed = await endpoint.next()
    order = a_number()
    await control.fault("bad_signature", order, target="notification")
    sdk.pay("pm_card_visa", metadata={"order": order})
    bad = await endpoint.next()

    believed = sdk.judge(good, shop.secret)
    assert believed["type"] == "payment_intent.succeeded"
    assert believed["object"]["id"] == paid["id"]
    for secret in (shop.secret, rolled["webhook_secret"]):
        assert sdk.judge(twice_signed, secret)["type"] == "payment_intent.succeeded"
        assert sdk.judge(bad, secret) == {"error": "SignatureVerificationError"}
    assert sdk.judge(good, rolled["webhook_secret"]) == {"error": "SignatureVerificationError"}
    altered = Webhook(good.headers, good.body.replace(b"1999", b"2999"))
    assert sdk.judge(altered, shop.secret) == {"error": "SignatureVerificationError"}


async def test_every_object_is_as_the_specification_says(
    stripe_sdk: Driver, shop: CardShop, endpoint: Endpoint, control: Control
) -> None:
    if not _SPECIFICATION.exists():
        pytest.skip("the specification is not here: ../shared/specs/stripe")
    seen = _Seen()

    await _pay_in_every_way(shop, control, seen)
    await _refund_in_every_way(shop, control, seen)
    await _read_everything(shop, seen)
    while endpoint.has_more():
        event = (await endpoint.next()).event
        seen.add(event)
        seen.add(event["data"]["object"])

    wrong = stripe_sdk("validate", specification=str(_SPECIFICATION), objects=seen.objects)
    spoiled = [("refund", {"id": "re_1", "object": "refund", "amount": "5.00", "colour": "red"})]
    noticed = stripe_sdk("validate", specification=str(_SPECIFICATION), objects=spoiled)

    assert wrong == []
    assert len(noticed) == 4  # no currency, no time, a text for an amount, and what nobody knows
    assert {name for name, _ in seen.objects} == {
        *("payment_intent", "charge", "refund", "balance_transaction", "balance", "event"),
        "error",
    }


class _Seen:
    """Objects that the sandbox answered, each with the name of its schema."""

    def __init__(self) -> None:
        self.objects: list[tuple[str, Any]] = []

    def add(self, shown: Any) -> Any:
        if "error" in shown:
            self.objects.append(("error", shown))
        elif shown["object"] in {"list", "search_result"}:
            for item in shown["data"]:
                self.add(item)
        else:
            self.objects.append((shown["object"], shown))
        return shown


async def _pay_in_every_way(shop: CardShop, control: Control, seen: _Seen) -> None:
    for card in (
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "pm_card_chargeDeclinedExpiredCard",
        "pm_card_threeDSecure2Required",
        "pm_sandbox_processing",
    ):
        order = a_number()
        seen.add((await shop.try_to_pay(card, order=order, description="茶 & tea")).json())
    asked = a_number()
    intent = seen.add((await shop.try_to_pay("pm_card_authenticationRequired", order=asked)).json())
    await control.post("/trades/refuse", out_trade_no=asked)
    seen.add(await shop.get(f"payment_intents/{intent['id']}"))
    seen.add((await shop.post(f"payment_intents/{intent['id']}/cancel")).json())
    seen.add((await shop.post(f"payment_intents/{intent['id']}/cancel")).json())
    seen.add((await shop.post("payment_intents", amount=500, currency="usd")).json())
    seen.add((await shop.post("payment_intents", amount=1, currency="usd")).json())
    held = seen.add(await shop.pay("pm_card_visa", order=a_number(), capture_method="manual"))
    part = await shop.post(f"payment_intents/{held['id']}/capture", amount_to_capture=7_00)
    seen.add(part.json())


async def _refund_in_every_way(shop: CardShop, control: Control, seen: _Seen) -> None:
    for card in ("pm_card_visa", "pm_card_refundFail", "pm_card_pendingRefund"):
        paid = seen.add(await shop.pay(card, order=a_number()))
        part = {"amount": 5_00, "reason": "duplicate", "metadata": {"refund": "R1"}}
        refund = seen.add(await shop.refund(paid["id"], **part))
        if card != "pm_card_visa":
            await control.post("/stripe/settle", id=refund["id"])
            seen.add(await shop.get(f"refunds/{refund['id']}"))
        seen.add((await shop.post("refunds", payment_intent=paid["id"], amount=99_00)).json())


async def _read_everything(shop: CardShop, seen: _Seen) -> None:
    for path in ("payment_intents", "charges", "refunds", "balance_transactions", "events"):
        seen.add(await shop.get(path, limit=100))
    seen.add(await shop.get("balance"))
    seen.add((await shop.get_raw("refunds/re_none")).json())
