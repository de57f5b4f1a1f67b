"""An idempotency key: what it keeps, what it refuses, and that it survives the process."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.sandbox.card_shop import CardShop
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control, SandboxProcess


async def test_a_repeat_is_answered_alike_and_takes_nothing(
    shop: CardShop, control: Control
) -> None:
    order = a_number()

    first = await shop.try_to_pay("pm_card_visa", order=order, key=order)
    again = await shop.try_to_pay("pm_card_visa", order=order, key=order)

    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"]
    assert again.headers["idempotency-key"] == order
    trades = (await control.get("/trades", out_trade_no=order))["trades"]
    assert [(trade["executions"], trade["requests"]) for trade in trades] == [(1, 2)]


async def test_a_decline_is_repeated_too(shop: CardShop) -> None:
    order = a_number()

    first = await shop.try_to_pay("pm_card_chargeDeclined", order=order, key=order)
    again = await shop.try_to_pay("pm_card_chargeDeclined", order=order, key=order)

    assert (first.status_code, again.status_code) == (402, 402)
    assert again.content == first.content


@pytest.mark.parametrize("change", [{"amount": 20_01}, {"description": "Tea"}])
async def test_the_same_key_with_other_parameters_is_refused(
    shop: CardShop, change: dict[str, object]
) -> None:
    order = a_number()
    await shop.try_to_pay("pm_card_visa", order=order, key=order)

    refused = await shop.try_to_pay("pm_card_visa", order=order, key=order, **change)

    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")


async def test_the_same_key_for_another_operation_is_refused(shop: CardShop) -> None:
    order = a_number()
    intent = await shop.pay("pm_card_visa", order=order, key=order)

    refused = await shop.post("refunds", payment_intent=intent["id"], key=order)

    assert refused.json()["error"]["type"] == "idempotency_error"


async def test_accounts_do_not_share_keys(shop: CardShop, control: Control) -> None:
    other = CardShop(await control.post("/stripe/accounts"), shop.client)
    order = a_number()

    first = await shop.pay("pm_card_visa", order=order, key="same")
    second = await other.pay("pm_card_visa", order=order, key="same")

    assert first["id"] != second["id"]


async def test_a_request_that_never_began_may_be_corrected_under_its_key(shop: CardShop) -> None:
    order = a_number()

    wrong = await shop.try_to_pay("pm_card_visa", order=order, amount="much", key=order)
    right = await shop.try_to_pay("pm_card_visa", order=order, key=order)

    assert (wrong.status_code, right.status_code) == (400, 200)


async def test_two_at_once_with_one_key_conflict(shop: CardShop, control: Control) -> None:
    order = a_number()
    await control.fault("delay", order, seconds=0.5)

    answers = await asyncio.gather(
        *(shop.try_to_pay("pm_card_visa", order=order, key=order) for _ in range(4))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["error"]["code"] == "idempotency_key_in_use"
    assert (await control.trade(order))["executions"] == 1


async def test_after_a_dropped_answer_the_repeat_tells_the_truth(
    shop: CardShop, control: Control
) -> None:
    order = a_number()
    await control.fault("drop_after", order)

    with pytest.raises(httpx.RemoteProtocolError):
        await shop.try_to_pay("pm_card_visa", order=order, key=order)
    again = await shop.try_to_pay("pm_card_visa", order=order, key=order)

    assert again.json()["status"] == "succeeded"
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await control.get("/trades", out_trade_no=order))["trades"]) == 1


@pytest.mark.parametrize(("code", "kept"), [(None, 500), ("502", 200)])
async def test_stripes_own_500_is_kept_and_a_proxys_502_is_not(
    shop: CardShop, control: Control, code: str | None, kept: int
) -> None:
    order = a_number()
    await control.fault("http_500_after", order, code=code)

    first = await shop.try_to_pay("pm_card_visa", order=order, key=order)
    again = await shop.try_to_pay("pm_card_visa", order=order, key=order)

    assert first.status_code == int(code or 500)
    assert again.status_code == kept
    found = await shop.get("payment_intents/search", query=f"metadata['order']:'{order}'")
    assert [intent["status"] for intent in found["data"]] == ["succeeded"]


@pytest.mark.parametrize("code", [None, "429", "409"])
async def test_what_failed_before_it_began_is_done_by_the_repeat(
    shop: CardShop, control: Control, code: str | None
) -> None:
    order = a_number()
    await control.fault("http_500_before", order, code=code)

    first = await shop.try_to_pay("pm_card_visa", order=order, key=order)
    again = await shop.try_to_pay("pm_card_visa", order=order, key=order)

    assert first.status_code == int(code or 500)
    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert "idempotent-replayed" not in again.headers


async def test_keys_survive_a_kill(tmp_path: Path, browser: httpx.AsyncClient) -> None:
    process = SandboxProcess(tmp_path).start()
    control = Control(process.base_url, browser)
    shop = CardShop(await control.post("/stripe/accounts"), browser)
    paid = await shop.try_to_pay("pm_card_visa", order="T1", key="k1")

    process.kill()
    process.start()
    again = await shop.try_to_pay("pm_card_visa", order="T1", key="k1")
    totals = await control.get("/totals")
    process.kill()

    assert again.content == paid.content
    assert totals["stripe"]["executions"] == 1
