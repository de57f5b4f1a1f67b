"""How the sandbox tells merchants: what is in it, when it is sent again, when it stops."""

import pytest

from tests.sandbox.merchant import Merchant, a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver


async def _pay(merchant: Merchant, control: Control, **how: object) -> str:
    number = a_number()
    await merchant.precreate(number)
    await control.post("/trades/pay", out_trade_no=number, **how)
    return number


async def test_a_payment_is_notified_signed_and_complete(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = await _pay(merchant, control)

    form = await receiver.next()

    assert merchant.accepts(form)
    assert form["out_trade_no"] == number
    assert form["trade_status"] == "TRADE_SUCCESS"
    assert form["notify_type"] == "trade_status_sync"
    assert form["total_amount"] == "19.99"
    assert form["app_id"] == merchant.app_id
    assert form["seller_id"] == merchant.registered["seller_id"]
    assert form["subject"] == "咖啡豆 500g / beans"
    assert {"trade_no", "gmt_create", "gmt_payment", "notify_time", "sign_type"} <= form.keys()


@pytest.mark.parametrize("refusal", [b"fail", b"SUCCESS", b"success\n", b'"success"', b""])
async def test_all_but_the_exact_word_is_sent_again_under_the_same_id(
    merchant: Merchant, control: Control, receiver: Receiver, refusal: bytes
) -> None:
    receiver.answers = [refusal]
    number = await _pay(merchant, control)

    first, second = await receiver.next(), await receiver.next()
    await control.post("/quiesce")

    assert first["notify_id"] == second["notify_id"]
    [sent] = (await control.trade(number))["sent"]
    assert sent["status"] == "acknowledged"
    assert [attempt["acknowledged"] for attempt in sent["attempts"]] == [False, True]


async def test_it_is_given_up_after_eight_attempts(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    await control.put("/settings", time_scale=0.000001)
    receiver.answers = [b"no"] * 8
    number = await _pay(merchant, control)

    forms = [await receiver.next() for _ in range(8)]
    await control.post("/quiesce")

    assert len({form["notify_id"] for form in forms}) == 1
    [sent] = (await control.trade(number))["sent"]
    assert sent["status"] == "exhausted"


async def test_a_merchant_that_is_down_is_tried_again(merchant: Merchant, control: Control) -> None:
    merchant.notify_url = "http://127.0.0.1:9/"
    number = await _pay(merchant, control, wait=True)

    [sent] = (await control.trade(number))["sent"]

    assert sent["attempts"][0]["error"].startswith("ConnectionRefusedError")
    assert sent["status"] == "pending"


async def test_no_address_means_no_notification(merchant: Merchant, control: Control) -> None:
    merchant.notify_url = ""

    number = await _pay(merchant, control)

    assert (await control.trade(number))["notifications"] == 0


async def test_a_notification_can_be_asked_for_again(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = await _pay(merchant, control, wait=True)

    answer = await control.post("/notifications/resend", out_trade_no=number)

    assert answer == {"resent": 1}
    assert (await receiver.next())["notify_id"] == (await receiver.next())["notify_id"]


async def test_the_standing_payer_pays_right_after_the_answer(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    await control.put("/auto-pay", enabled=True, out_trade_no=number)

    await merchant.precreate(number)

    assert (await receiver.next())["out_trade_no"] == number
    assert (await control.trade(number))["executions"] == 1


async def test_the_standing_payer_may_refuse(merchant: Merchant, control: Control) -> None:
    number = a_number()
    await control.put(
        "/auto-pay", enabled=True, action="refuse", delay_seconds=0.01, out_trade_no=number
    )

    await merchant.precreate(number)
    await control.post("/quiesce")

    assert (await merchant.query(number)).content["trade_status"] == "TRADE_CLOSED"


async def test_a_payment_can_be_put_off(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    await merchant.precreate(number)

    later = await control.post("/trades/pay", out_trade_no=number, delay_seconds=0.05)

    assert later["status"] == "prepared"
    assert (await receiver.next())["out_trade_no"] == number
