"""3-D Secure: the page a person accepts or refuses on, and the same by control."""

import httpx
import pytest

from tests.sandbox.card_shop import CardShop
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control


def _page(intent: dict[str, dict[str, dict[str, str]]]) -> str:
    return intent["next_action"]["redirect_to_url"]["url"]


@pytest.mark.parametrize(
    ("step", "status", "said"),
    [
        ("accept", "succeeded", "succeeded"),
        ("refuse", "requires_payment_method", "failed"),
    ],
)
async def test_a_person_decides_and_goes_back_to_the_shop(
    shop: CardShop, browser: httpx.AsyncClient, step: str, status: str, said: str
) -> None:
    intent = await shop.pay("pm_card_threeDSecure2Required", order=a_number(), amount=19_99)

    page = await browser.get(_page(intent))
    gone = await browser.post(f"{_page(intent)}/{step}")

    assert intent["status"] == "requires_action"
    assert "19.99" in page.text
    assert gone.status_code == 303
    way_back = httpx.URL(gone.headers["location"])
    assert way_back.host == "shop.example"
    assert dict(way_back.params) == {
        "order": "7",
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": said,
    }
    after = await shop.get(f"payment_intents/{intent['id']}")
    assert (after["status"], after["next_action"]) == (status, None)


async def test_a_refused_challenge_says_so_and_charges_nothing(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_authenticationRequired", order=order)

    refused = await control.post("/trades/refuse", out_trade_no=order)

    after = await shop.get(f"payment_intents/{intent['id']}")
    assert after["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert after["latest_charge"] is None
    assert (refused["status"], refused["executions"]) == ("waiting", 0)


async def test_an_accepted_challenge_of_a_held_payment_holds(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_threeDSecure2Required", order=order, capture_method="manual")

    held = await control.post("/trades/pay", out_trade_no=intent["id"])

    assert (held["status"], held["authorizations"], held["executions"]) == ("authorized", 1, 0)


async def test_a_card_may_be_declined_though_its_owner_accepted(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_threeDSecureRequiredChargeDeclined", order=order)

    await control.post("/trades/pay", out_trade_no=order)

    after = await shop.get(f"payment_intents/{intent['id']}")
    assert after["last_payment_error"]["code"] == "card_declined"


async def test_a_decision_is_made_once(shop: CardShop, browser: httpx.AsyncClient) -> None:
    intent = await shop.pay("pm_card_threeDSecure2Required", order=a_number())
    await browser.post(f"{_page(intent)}/accept")

    again = await browser.post(f"{_page(intent)}/refuse")
    page = await browser.get(_page(intent))

    assert again.headers["location"] in _page(intent)
    assert "验证通过" in page.text
    assert (await shop.get(f"payment_intents/{intent['id']}"))["status"] == "succeeded"


async def test_a_cancelled_payment_can_no_longer_be_accepted(
    shop: CardShop, browser: httpx.AsyncClient, control: Control
) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_threeDSecure2Required", order=order)
    await shop.post(f"payment_intents/{intent['id']}/cancel")

    await browser.post(f"{_page(intent)}/accept")
    page = await browser.get(_page(intent))
    refused = await control.post_raw("/trades/pay", out_trade_no=order)

    assert "验证已结束" in page.text
    assert (refused.status_code, refused.json()["error"]) == (409, "not-payable")
    assert (await control.trade(order))["executions"] == 0


@pytest.mark.parametrize("path", ["pi_0/none", "pi_0/none/accept"])
async def test_a_page_that_is_not_there_is_not_found(
    shop: CardShop, browser: httpx.AsyncClient, path: str
) -> None:
    url = f"{shop.registered['base_url']}/3ds/{path}"

    if path.endswith("accept"):
        answer = await browser.post(url, follow_redirects=True)
    else:
        answer = await browser.get(url)

    assert answer.status_code == 404


async def test_a_payer_who_is_not_there_cannot_be_asked(shop: CardShop) -> None:
    answer = await shop.try_to_pay(
        "pm_card_authenticationRequired", order=a_number(), off_session=True
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "authentication_required")


async def test_the_standing_payer_accepts_right_after_the_answer(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    await control.put("/auto-pay", enabled=True, out_trade_no=order)

    asked = await shop.pay("pm_card_authenticationRequired", order=order)
    await control.post("/quiesce")

    assert asked["status"] == "requires_action"
    assert (await control.trade(order))["status"] == "paid"
