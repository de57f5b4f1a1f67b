"""The life of a trade as a merchant sees it through the gateway."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.sandbox.merchant import Merchant, a_number, beijing, merchant_key, public_pem
from tests.sandbox.process import Control


async def test_a_precreated_trade_is_invisible_until_the_payer_opens_it(
    merchant: Merchant, control: Control
) -> None:
    number = a_number()

    answer = await merchant.precreate(number)
    before = await merchant.query(number)
    await control.post("/trades/open", out_trade_no=number)
    after = await merchant.query(number)

    assert answer.content["qr_code"].startswith("http://127.0.0.1:")
    assert before.content["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert after.content["trade_status"] == "WAIT_BUYER_PAY"


async def test_a_paid_trade_says_how_much_and_when(merchant: Merchant, control: Control) -> None:
    number = a_number()
    await merchant.precreate(number, "19.90")

    await control.post("/trades/pay", out_trade_no=number)
    answer = await merchant.query(number)

    assert answer.content["trade_status"] == "TRADE_SUCCESS"
    assert answer.content["total_amount"] == "19.90"
    assert answer.content["receipt_amount"] == "19.90"
    assert len(answer.content["send_pay_date"]) == 19
    assert len(answer.content["trade_no"]) == 28


async def test_the_same_number_twice_is_one_trade(merchant: Merchant, control: Control) -> None:
    number = a_number()

    first = await merchant.precreate(number)
    second = await merchant.precreate(number)

    assert first.content["qr_code"] == second.content["qr_code"]
    assert (await control.trade(number))["requests"] == 2


async def test_the_same_number_with_another_amount_is_refused(merchant: Merchant) -> None:
    number = a_number()
    await merchant.precreate(number, "1.00")

    answer = await merchant.precreate(number, "1.01")

    assert answer.content["sub_code"] == "ACQ.CONTEXT_INCONSISTENT"


async def test_a_paid_number_cannot_be_paid_again(merchant: Merchant, control: Control) -> None:
    number = a_number()
    await merchant.precreate(number)
    await control.post("/trades/pay", out_trade_no=number)

    again = await merchant.precreate(number)
    twice = await control.post_raw("/trades/pay", out_trade_no=number)

    assert again.content["sub_code"] == "ACQ.TRADE_HAS_SUCCESS"
    assert twice.status_code == 409
    assert (await control.trade(number))["executions"] == 1


async def test_closing_ends_a_waiting_trade_for_good(merchant: Merchant, control: Control) -> None:
    number = a_number()
    await merchant.precreate(number)
    await control.post("/trades/open", out_trade_no=number)

    closed = await merchant.call("alipay.trade.close", out_trade_no=number)
    query = await merchant.query(number)
    again = await merchant.precreate(number)
    payment = await control.post_raw("/trades/pay", out_trade_no=number)

    assert closed.content["code"] == "10000"
    assert query.content["trade_status"] == "TRADE_CLOSED"
    assert again.content["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert payment.status_code == 409


async def test_closing_what_nobody_opened_does_not_kill_its_code(
    merchant: Merchant, control: Control
) -> None:
    number = a_number()
    await merchant.precreate(number)

    closed = await merchant.call("alipay.trade.close", out_trade_no=number)
    paid = await control.post("/trades/pay", out_trade_no=number)

    assert closed.content["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert paid["status"] == "paid"


async def test_closing_a_paid_trade_is_refused(merchant: Merchant, control: Control) -> None:
    number = a_number()
    await merchant.precreate(number)
    await control.post("/trades/pay", out_trade_no=number)

    closed = await merchant.call("alipay.trade.close", out_trade_no=number)

    assert closed.content["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


@pytest.mark.parametrize(
    ("step", "action", "status"),
    [("pay", "refund", "refunded"), ("open", "close", "closed"), (None, None, "closed")],
)
async def test_cancelling_undoes_whatever_there_is(
    merchant: Merchant, control: Control, step: str | None, action: str | None, status: str
) -> None:
    number = a_number()
    await merchant.precreate(number)
    if step:
        await control.post(f"/trades/{step}", out_trade_no=number)

    answer = await merchant.call("alipay.trade.cancel", out_trade_no=number)
    again = await merchant.call("alipay.trade.cancel", out_trade_no=number)

    assert answer.content["code"] == "10000"
    assert answer.content.get("action") == action
    assert again.content["code"] == "10000"
    trade = await control.trade(number)
    assert trade["status"] == status
    assert trade["refunds"] == (1 if step == "pay" else 0)


@pytest.mark.parametrize(
    ("code", "answered", "sub_code", "executions"),
    [
        ("285015833990941919", "10000", None, 1),
        ("280115833990941919", "10003", None, 0),
        ("280215833990941919", "40004", "ACQ.BUYER_BALANCE_NOT_ENOUGH", None),
        ("280315833990941919", "40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", None),
        ("280415833990941919", "20000", "ACQ.SYSTEM_ERROR", 1),
        ("123", "40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", None),
    ],
)
async def test_a_payers_code_decides_what_happens(
    merchant: Merchant,
    control: Control,
    code: str,
    answered: str,
    sub_code: str | None,
    executions: int | None,
) -> None:
    number = a_number()

    answer = await merchant.pay(number, code)

    assert (answer.content["code"], answer.content.get("sub_code")) == (answered, sub_code)
    trades = (await control.get("/trades", out_trade_no=number))["trades"]
    assert [trade["executions"] for trade in trades] == ([] if executions is None else [executions])


async def test_a_trade_whose_time_is_over_already_is_refused(merchant: Merchant) -> None:
    number = a_number()
    past = beijing(datetime.now(UTC) - timedelta(seconds=5))

    answer = await merchant.precreate(number, time_expire=past)

    assert answer.content["sub_code"] == "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"


@pytest.mark.parametrize(
    "wrong",
    [
        {"total_amount": "0.00"},
        {"total_amount": "1.001"},
        {"total_amount": "-1"},
        {"total_amount": "1e3"},
        {"total_amount": "100000000.01"},
        {"out_trade_no": "with space"},
        {"out_trade_no": "x" * 65},
        {"subject": ""},
        {"time_expire": "soon"},
        {"timeout_express": "16d"},
    ],
)
async def test_a_wrong_parameter_is_named(merchant: Merchant, wrong: dict[str, str]) -> None:
    content = {"out_trade_no": a_number(), "total_amount": "1.00", "subject": "Tea"} | wrong

    answer = await merchant.call("alipay.trade.precreate", **content)

    assert answer.content["sub_code"] == "ACQ.INVALID_PARAMETER"
    assert next(iter(wrong)) in answer.content["sub_msg"]


async def test_one_merchant_cannot_see_the_trades_of_another(
    merchant: Merchant, control: Control, browser: httpx.AsyncClient
) -> None:
    number = a_number()
    await merchant.precreate(number)
    paid = await control.post("/trades/pay", out_trade_no=number)
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    other = Merchant(registered, browser, merchant.notify_url)

    by_trade_no = await other.call("alipay.trade.query", trade_no=paid["trade_no"])
    by_number = await other.query(number)

    assert by_trade_no.content["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    assert by_number.content["sub_code"] == "ACQ.TRADE_NOT_EXIST"


async def test_money_that_arrives_after_closing_is_taken_when_told_to(
    merchant: Merchant, control: Control
) -> None:
    number = a_number()
    await merchant.precreate(number)
    await control.post("/trades/refuse", out_trade_no=number)

    await control.post("/trades/pay", out_trade_no=number, even_if_closed=True)

    assert (await merchant.query(number)).content["trade_status"] == "TRADE_SUCCESS"
