"""Refunds: each number once, never more than was paid, and told to the merchant."""

import asyncio
import sqlite3

import pytest

from sandbox.books import Books, EventKind, TradeFilter
from sandbox.desk import TradeDesk
from sandbox.refunds import RefundOrder, refunds_of
from tests.sandbox.conftest import START
from tests.sandbox.merchant import Answered, Merchant, a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver
from tests.sandbox.test_books import an_order

REFUND = "alipay.trade.refund"


async def paid(merchant: Merchant, amount: str = "19.99") -> str:
    number = a_number()
    await merchant.pay(number, "285015833990941919", amount)
    return number


async def refund(
    merchant: Merchant, number: str, serial: str, amount: str, **more: object
) -> Answered:
    return await merchant.call(
        REFUND, out_trade_no=number, out_request_no=serial, refund_amount=amount, **more
    )


async def asked(merchant: Merchant, number: str, serial: str) -> dict[str, str]:
    answer = await merchant.call(
        "alipay.trade.fastpay.refund.query",
        out_trade_no=number,
        out_request_no=serial,
        query_options=["gmt_refund_pay"],
    )
    assert answer.signed
    return answer.content


async def test_a_part_goes_back_and_the_trade_stays_paid(
    merchant: Merchant, control: Control
) -> None:
    number = await paid(merchant)

    answer = await refund(merchant, number, "R1", "5.00", refund_reason="冷了 / cold")

    assert answer.signed
    assert answer.content["code"] == "10000"
    assert (answer.content["fund_change"], answer.content["refund_fee"]) == ("Y", "5.00")
    trade = await control.trade(number)
    assert (trade["status"], trade["refunded_minor"]) == ("paid", 5_00)
    [made] = trade["refund_list"]
    assert (made["serial"], made["amount_minor"], made["reason"]) == ("R1", 5_00, "冷了 / cold")
    assert (made["executions"], made["requests"]) == (1, 1)


async def test_the_query_tells_what_was_refunded(merchant: Merchant) -> None:
    number = await paid(merchant)
    await refund(merchant, number, "R1", "5.00")
    await refund(merchant, number, "R2", "0.99")

    found = await asked(merchant, number, "R2")

    assert found["refund_status"] == "REFUND_SUCCESS"
    assert (found["refund_amount"], found["total_amount"]) == ("0.99", "19.99")
    assert (found["out_request_no"], found["out_trade_no"]) == ("R2", number)
    assert len(found["gmt_refund_pay"]) == 19


async def test_a_number_nobody_sent_is_answered_without_a_status(merchant: Merchant) -> None:
    number = await paid(merchant)

    assert await asked(merchant, number, "R9") == {"code": "10000", "msg": "Success"}
    unknown = await asked(merchant, a_number(), "R9")
    assert unknown["sub_code"] == "ACQ.TRADE_NOT_EXIST"


async def test_the_same_number_again_moves_nothing(merchant: Merchant, control: Control) -> None:
    number = await paid(merchant)
    await refund(merchant, number, "R1", "5.00")
    await refund(merchant, number, "R2", "14.99")

    again = await refund(merchant, number, "R1", "5.00")

    assert (again.content["fund_change"], again.content["refund_fee"]) == ("N", "19.99")
    first, second = (await control.trade(number))["refund_list"]
    assert (first["executions"], first["requests"]) == (1, 2)
    assert (second["executions"], second["total_minor"]) == (1, 19_99)


async def test_the_same_number_with_another_amount_is_refused(merchant: Merchant) -> None:
    number = await paid(merchant)
    await refund(merchant, number, "R1", "5.00")

    other = await refund(merchant, number, "R1", "5.01")

    assert other.content["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"


async def test_two_trades_may_use_the_same_refund_number(merchant: Merchant) -> None:
    numbers = [await paid(merchant), await paid(merchant)]

    answers = [await refund(merchant, number, "R1", "5.00") for number in numbers]

    assert [answer.content["fund_change"] for answer in answers] == ["Y", "Y"]


async def test_all_of_it_closes_the_trade_and_nothing_more_goes_back(merchant: Merchant) -> None:
    number = await paid(merchant)

    whole = await merchant.call(REFUND, out_trade_no=number, refund_amount="19.99")
    more = await refund(merchant, number, "R2", "0.01")

    assert whole.content["fund_change"] == "Y"
    assert (await merchant.query(number)).content["trade_status"] == "TRADE_CLOSED"
    assert more.content["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert (await asked(merchant, number, number))["refund_amount"] == "19.99"


async def test_a_hundred_at_once_never_exceed_what_was_paid(
    merchant: Merchant, control: Control
) -> None:
    number = await paid(merchant, "10.00")

    answers = await asyncio.gather(*(refund(merchant, number, f"R{n}", "0.30") for n in range(100)))

    moved = [a for a in answers if a.content.get("fund_change") == "Y"]
    refused = {a.content["sub_code"] for a in answers if a.content["code"] != "10000"}
    assert len(moved) == 33
    assert refused == {"ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"}
    assert (await control.trade(number))["refunded_minor"] == 9_90


@pytest.mark.parametrize(
    ("step", "sub_code"),
    [
        (None, "ACQ.TRADE_NOT_EXIST"),
        ("open", "ACQ.TRADE_STATUS_ERROR"),
        ("refuse", "ACQ.TRADE_HAS_CLOSE"),
    ],
)
async def test_what_was_never_paid_cannot_be_refunded(
    merchant: Merchant, control: Control, step: str | None, sub_code: str
) -> None:
    number = a_number()
    await merchant.precreate(number)
    if step:
        await control.post(f"/trades/{step}", out_trade_no=number)

    answer = await refund(merchant, number, "R1", "1.00")

    assert answer.content["sub_code"] == sub_code


@pytest.mark.parametrize(
    "content",
    [
        {"refund_amount": "5.00"},
        {"refund_amount": "0.00", "out_request_no": "R1"},
        {"refund_amount": "-1.00", "out_request_no": "R1"},
        {"refund_amount": "1.001", "out_request_no": "R1"},
        {"out_request_no": "R1"},
        {"refund_amount": "1.00", "out_request_no": "R 1"},
        {"refund_amount": "1.00", "out_request_no": "R1", "refund_reason": "x" * 257},
    ],
)
async def test_a_refund_that_makes_no_sense_is_refused(
    merchant: Merchant, content: dict[str, object]
) -> None:
    number = await paid(merchant)

    answer = await merchant.call(REFUND, out_trade_no=number, **content)

    assert answer.content["sub_code"] == "ACQ.INVALID_PARAMETER"


async def test_a_refund_is_told_at_the_address_of_its_trade(
    merchant: Merchant, receiver: Receiver
) -> None:
    number = await paid(merchant)
    payment = await receiver.next()

    await refund(merchant, number, "R1", "5.00")
    part = await receiver.next()
    await refund(merchant, number, "R2", "14.99")
    whole = await receiver.next()

    assert "out_biz_no" not in payment
    assert merchant.accepts(part)
    assert (part["trade_status"], part["out_biz_no"], part["refund_fee"]) == (
        "TRADE_SUCCESS",
        "R1",
        "5.00",
    )
    assert (whole["trade_status"], whole["out_biz_no"], whole["refund_fee"]) == (
        "TRADE_CLOSED",
        "R2",
        "19.99",
    )
    assert whole["gmt_refund"] >= whole["gmt_payment"]
    assert len({payment["notify_id"], part["notify_id"], whole["notify_id"]}) == 3


async def test_a_cancel_gives_back_only_what_is_left(merchant: Merchant, control: Control) -> None:
    number = await paid(merchant)
    await refund(merchant, number, "R1", "5.00")

    await merchant.call("alipay.trade.cancel", out_trade_no=number)

    trade = await control.trade(number)
    assert (trade["status"], trade["refunded_minor"]) == ("refunded", 19_99)
    assert [made["amount_minor"] for made in trade["refund_list"]] == [5_00, 14_99]


# ---- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "moved"), [("http_500_before", 0), ("http_500_after", 5_00)])
async def test_a_fault_strikes_a_refund_by_its_own_number(
    merchant: Merchant, control: Control, kind: str, moved: int
) -> None:
    number, serial = await paid(merchant), a_number()
    fault = await control.fault(kind, serial, method=REFUND)
    content = {"out_trade_no": number, "out_request_no": serial, "refund_amount": "5.00"}

    response = await merchant.client.post(
        merchant.registered["gateway_url"], data=merchant.signed(REFUND, content)
    )

    assert response.status_code == 500
    assert await control.fired(fault) == 1
    assert (await control.trade(number))["refunded_minor"] == moved
    assert (await refund(merchant, number, serial, "5.00")).content["fund_change"] == (
        "N" if moved else "Y"
    )


async def test_the_sellers_empty_account_is_a_code_to_ask_for(
    merchant: Merchant, control: Control
) -> None:
    number = await paid(merchant)
    await control.fault(
        "unknown_code",
        number,
        method=REFUND,
        code="40004",
        sub_code="ACQ.SELLER_BALANCE_NOT_ENOUGH",
        executes=False,
    )

    first = await refund(merchant, number, "R1", "5.00")
    after_a_top_up = await refund(merchant, number, "R1", "5.00")

    assert first.content["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert after_a_top_up.content["fund_change"] == "Y"


@pytest.mark.parametrize(
    ("method", "field", "shown"),
    [
        (REFUND, "refund_fee", "5.01"),
        ("alipay.trade.fastpay.refund.query", "refund_amount", "5.01"),
    ],
)
async def test_an_answer_may_name_a_wrong_amount(
    merchant: Merchant, control: Control, method: str, field: str, shown: str
) -> None:
    number = await paid(merchant)
    await control.fault("wrong_amount", number, method=method, target="answer")

    made = await refund(merchant, number, "R1", "5.00")
    found = await asked(merchant, number, "R1")

    assert (made.content if method == REFUND else found)[field] == shown


async def test_only_the_news_of_a_refund_may_be_lost(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = await paid(merchant)
    await receiver.next()
    await control.fault("lose", number, method=REFUND)

    await refund(merchant, number, "R1", "5.00")
    await refund(merchant, number, "R2", "1.00")

    assert (await receiver.next())["out_biz_no"] == "R2"


async def test_the_news_may_be_quicker_than_the_answer(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = await paid(merchant)
    await receiver.next()
    await control.fault("callback_before_answer", number, method=REFUND)

    await refund(merchant, number, "R1", "5.00")

    assert receiver.has_more()


# ---- the books --------------------------------------------------------------------------------


def test_the_database_itself_refuses_a_refund_twice(books: Books, desk: TradeDesk) -> None:
    trade = desk.pay(desk.submit(an_order(desk)))
    order = RefundOrder(serial="R1", amount_minor=5_00)
    trade = desk.refund(trade, order).trade

    with pytest.raises(sqlite3.IntegrityError):
        books.append(trade, EventKind.REFUNDED, START, 5_00, order.as_details())

    assert books.money_moved(EventKind.REFUNDED) == (1, 5_00)


def test_what_the_events_say_of_refunds_is_what_the_trades_show(
    books: Books, desk: TradeDesk
) -> None:
    trade = desk.pay(desk.submit(an_order(desk)))
    trade = desk.refund(trade, RefundOrder(serial="R1", amount_minor=5_00)).trade
    trade = desk.refund(trade, RefundOrder(serial="R1", amount_minor=5_00)).trade
    desk.refund(trade, RefundOrder(serial="R2", amount_minor=14_99))
    shown = books.list_trades(TradeFilter())

    books.rebuild()

    assert books.list_trades(TradeFilter()) == shown
    assert (shown[0].status.value, shown[0].refunded_minor, shown[0].refunds) == (
        "refunded",
        19_99,
        2,
    )
    made = refunds_of(books.events(trade.trade_no))
    assert [(r.serial, r.executions, r.requests) for r in made] == [("R1", 1, 2), ("R2", 1, 1)]
    assert books.money_moved(EventKind.REFUNDED) == (2, 19_99)
