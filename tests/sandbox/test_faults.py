"""Every fault strikes, and says that it did."""

import asyncio

import httpx
import pytest

from tests.sandbox.merchant import Merchant, a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver


@pytest.mark.parametrize(("kind", "executed"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_dropped_connection_answers_nothing(
    merchant: Merchant, control: Control, kind: str, executed: int
) -> None:
    number = a_number()
    fault = await control.fault(kind, number)

    with pytest.raises(httpx.RemoteProtocolError):
        await merchant.precreate(number)

    assert await control.fired(fault) == 1
    trades = (await control.get("/trades", out_trade_no=number))["trades"]
    assert len(trades) == executed


@pytest.mark.parametrize(
    ("kind", "code", "status", "executed"),
    [("http_500_before", None, 500, 0), ("http_500_after", "502", 502, 1)],
)
async def test_a_server_error_has_the_status_asked_for(
    merchant: Merchant, control: Control, kind: str, code: str | None, status: int, executed: int
) -> None:
    number = a_number()
    fault = await control.fault(kind, number, code=code)
    content = {"out_trade_no": number, "total_amount": "1.00", "subject": "Tea"}

    response = await merchant.client.post(
        merchant.registered["gateway_url"],
        data=merchant.signed("alipay.trade.precreate", content),
    )

    assert response.status_code == status
    assert await control.fired(fault) == 1
    trades = (await control.get("/trades", out_trade_no=number))["trades"]
    assert len(trades) == executed


async def test_a_delayed_answer_comes_after_it_was_executed(
    merchant: Merchant, control: Control
) -> None:
    number = a_number()
    fault = await control.fault("delay", number, seconds=0.2)
    start = asyncio.get_running_loop().time()

    answer = await merchant.precreate(number)

    assert asyncio.get_running_loop().time() - start >= 0.2
    assert answer.content["code"] == "10000"
    assert await control.fired(fault) == 1


@pytest.mark.parametrize(
    ("more", "code", "sub_code", "executed"),
    [
        ({}, "40099", "ACQ.NEVER_HEARD_OF", 1),
        ({"code": "20000", "sub_code": "aop.unknow-error"}, "20000", "aop.unknow-error", 1),
        ({"executes": False}, "40099", "ACQ.NEVER_HEARD_OF", 0),
    ],
)
async def test_an_unknown_code_is_signed_like_any_other(
    merchant: Merchant,
    control: Control,
    more: dict[str, object],
    code: str,
    sub_code: str,
    executed: int,
) -> None:
    number = a_number()
    fault = await control.fault("unknown_code", number, **more)

    answer = await merchant.precreate(number)

    assert answer.signed
    assert (answer.content["code"], answer.content["sub_code"]) == (code, sub_code)
    assert await control.fired(fault) == 1
    trades = (await control.get("/trades", out_trade_no=number))["trades"]
    assert len(trades) == executed


async def test_the_callback_may_come_before_the_answer(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("callback_before_answer", number)

    answer = await merchant.precreate(number)

    assert receiver.has_more()
    assert (await receiver.next())["trade_status"] == "TRADE_SUCCESS"
    assert answer.content["code"] == "10000"
    assert await control.fired(fault) == 1


async def test_an_answer_can_be_signed_wrongly(merchant: Merchant, control: Control) -> None:
    number = a_number()
    fault = await control.fault("bad_signature", number)

    answer = await merchant.precreate(number)

    assert not answer.signed
    assert answer.content["code"] == "10000"
    assert await control.fired(fault) == 1


async def test_an_answer_can_name_a_wrong_amount(merchant: Merchant, control: Control) -> None:
    number = a_number()
    fault = await control.fault("wrong_amount", number, target="answer")
    await merchant.precreate(number, "99.99")
    await control.post("/trades/pay", out_trade_no=number)

    answer = await merchant.query(number)

    assert answer.signed
    assert answer.content["total_amount"] == "100.00"
    assert await control.fired(fault) == 1


@pytest.mark.parametrize(
    ("kind", "accepted", "amount"),
    [("wrong_amount", True, "20.00"), ("bad_signature", False, "19.99")],
)
async def test_a_notification_can_lie(
    merchant: Merchant,
    control: Control,
    receiver: Receiver,
    kind: str,
    accepted: bool,
    amount: str,
) -> None:
    number = a_number()
    fault = await control.fault(kind, number, target="notification")
    receiver.answers = [b"fail"]
    await merchant.precreate(number)

    await control.post("/trades/pay", out_trade_no=number)
    lie, truth = await receiver.next(), await receiver.next()

    assert (merchant.accepts(lie), lie["total_amount"]) == (accepted, amount)
    assert (merchant.accepts(truth), truth["total_amount"]) == (True, "19.99")
    assert await control.fired(fault) == 1


async def test_a_notification_can_come_many_times_at_once(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("duplicate", number, copies=20)
    await merchant.precreate(number)

    await control.post("/trades/pay", out_trade_no=number)
    forms = [await receiver.next() for _ in range(20)]

    assert len({form["notify_id"] for form in forms}) == 1
    assert await control.fired(fault) == 1


async def test_a_held_notification_waits_for_its_release(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("hold", number)
    await merchant.precreate(number)
    await control.post("/trades/pay", out_trade_no=number, wait=True)

    silent = not receiver.has_more()
    released = await control.post("/notifications/release", out_trade_no=number)

    assert silent
    assert released == {"released": 1}
    assert (await receiver.next())["out_trade_no"] == number
    assert await control.fired(fault) == 1


async def test_a_late_notification_comes_after_its_time(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("hold", number, seconds=0.1)
    await merchant.precreate(number)
    start = asyncio.get_running_loop().time()

    await control.post("/trades/pay", out_trade_no=number)
    await receiver.next()

    assert asyncio.get_running_loop().time() - start >= 0.1
    assert await control.fired(fault) == 1


async def test_a_lost_notification_is_never_sent(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("lose", number)
    await merchant.precreate(number)

    await control.post("/trades/pay", out_trade_no=number, wait=True)

    assert not receiver.has_more()
    assert (await control.trade(number))["sent"][0]["status"] == "lost"
    assert await control.fired(fault) == 1


async def test_old_news_can_follow_the_new(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    fault = await control.fault("reorder", number)
    await merchant.precreate(number)

    await control.post("/trades/pay", out_trade_no=number)
    first, second = await receiver.next(), await receiver.next()

    assert (first["trade_status"], second["trade_status"]) == ("TRADE_SUCCESS", "WAIT_BUYER_PAY")
    assert first["notify_id"] != second["notify_id"]
    assert merchant.accepts(second)
    assert await control.fired(fault) == 1


async def test_a_fault_waits_for_its_turn_and_ends(merchant: Merchant, control: Control) -> None:
    number = a_number()
    fault = await control.fault(
        "unknown_code", number, method="alipay.trade.query", skip=1, times=2
    )
    await merchant.precreate(number)

    codes = [(await merchant.query(number)).content["code"] for _ in range(4)]

    assert codes == ["40004", "40099", "40099", "40004"]
    assert await control.fired(fault) == 2


async def test_a_deleted_fault_strikes_no_more(merchant: Merchant, control: Control) -> None:
    number = a_number()
    fault = await control.fault("unknown_code", number, times=None)

    strange = await merchant.precreate(number)
    await control.delete(f"/faults/{fault}")
    normal = await merchant.precreate(number)

    assert strange.content["code"] == "40099"
    assert normal.content["code"] == "10000"
