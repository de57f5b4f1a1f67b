"""Money held first, by Alipay's protocol: taken, told of, and shown by the control API."""

import pytest

from tests.sandbox.hold_counter import WAITS, Counter, sub_code
from tests.sandbox.merchant import Merchant
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver
from tests.sandbox.test_bills import asked, today, unpack
from tests.sandbox.test_refunds import refund

# ---- taking it --------------------------------------------------------------------------------


async def test_a_capture_takes_a_part_and_releases_the_rest(
    counter: Counter, receiver: Receiver
) -> None:
    await counter.freeze()
    await receiver.next()

    taken = await counter.capture()
    hold = await counter.query()
    forms = {form["notify_type"]: form for form in [await receiver.next(), await receiver.next()]}

    assert (taken.content["code"], taken.content["total_amount"]) == ("10000", "15.00")
    shown = [hold.content[name] for name in ("order_status", "rest_amount", "total_pay_amount")]
    assert shown == ["FINISH", "0.00", "15.00"]
    assert forms["trade_status_sync"]["out_trade_no"] == counter.number
    assert forms["trade_status_sync"]["total_amount"] == "15.00"
    rest = forms["fund_auth_unfreeze"]
    names = ("operation_type", "amount", "total_unfreeze_amount", "total_pay_amount", "rest_amount")
    assert [rest[name] for name in names] == ["UNFREEZE", "4.99", "4.99", "15.00", "0.00"]
    books = await counter.books()
    assert (books["status"], books["executions"], books["captured_minor"]) == ("paid", 1, 15_00)


async def test_each_capture_has_a_number_and_takes_once(counter: Counter) -> None:
    await counter.freeze()
    first = await counter.capture("5.00", auth_confirm_mode="NOT_COMPLETE")
    again = await counter.capture("5.00", auth_confirm_mode="NOT_COMPLETE")
    other = await counter.capture("6.00", auth_confirm_mode="NOT_COMPLETE")

    second = await counter.capture("4.00", number=f"{counter.number}B")
    hold = await counter.query()

    assert first.content["code"] == second.content["code"] == "10000"
    assert sub_code(again) == "ACQ.TRADE_HAS_SUCCESS"
    assert sub_code(other) == "ACQ.CONTEXT_INCONSISTENT"
    assert (hold.content["total_pay_amount"], hold.content["order_status"]) == ("9.00", "FINISH")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total_amount": "20.00"}, "ACQ.AUTH_AMOUNT_NOT_ENOUGH"),
        ({"auth_no": "1"}, "ACQ.AUTH_NO_ERROR"),
        ({"product_code": "PRE_AUTH_ONLINE"}, "ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT"),
        ({"seller_id": "2088000000000099"}, "ACQ.SELLER_NOT_EXIST"),
        ({"buyer_id": "2088000000000099"}, "ACQ.PAYER_UNMATCHED"),
        ({"buyer_id": ""}, "ACQ.INVALID_PARAMETER"),
        ({"auth_confirm_mode": "MAYBE"}, "ACQ.INVALID_PARAMETER"),
    ],
)
async def test_a_capture_that_cannot_be_is_refused_and_the_money_stays_held(
    counter: Counter, changes: dict[str, str], code: str
) -> None:
    await counter.freeze()

    assert sub_code(await counter.capture(**changes)) == code
    assert (await counter.query()).content["rest_amount"] == "19.99"


async def test_only_what_is_held_can_be_captured(counter: Counter) -> None:
    await counter.freeze(WAITS)
    early = await counter.capture()
    await counter.control.post("/trades/pay", out_trade_no=counter.number)
    await counter.unfreeze()
    late = await counter.capture()

    assert sub_code(early) == "ACQ.AUTH_ORDER_NOT_PAID"
    assert sub_code(late) == "ACQ.AUTH_ORDER_HAS_CLOSED"
    assert (await counter.books())["executions"] == 0


async def test_a_finished_order_is_finished(counter: Counter) -> None:
    await counter.freeze()
    await counter.capture()

    assert sub_code(await counter.capture(number="T2")) == "ACQ.AUTH_ORDER_HAS_FINISHED"
    assert sub_code(await counter.unfreeze("4.99")) == "ORDER_ALREADY_FINISH"
    assert sub_code(await counter.cancel()) == "ORDER_ALREADY_FINISH"


# ---- control ----------------------------------------------------------------------------------


async def test_one_number_is_one_entry_from_hold_to_refund(counter: Counter) -> None:
    await counter.voucher()
    prepared = await counter.books()
    await counter.control.post("/trades/pay", out_trade_no=counter.number, wait=True)
    held = await counter.books()
    counter.auth_no = held["trade_no"]
    await counter.capture()
    listed = await counter.control.get("/trades", app_id=counter.merchant.app_id)
    one = await counter.control.get(f"/trades/{counter.number}")

    assert (prepared["status"], prepared["executions"]) == ("prepared", 0)
    assert (held["status"], held["authorized_minor"], held["acknowledged"]) == ("held", 19_99, 1)
    assert [(trade["status"], trade["executions"]) for trade in listed["trades"]] == [("paid", 1)]
    kinds = [event["kind"] for event in one["events"]]
    assert kinds == [
        "prepared",
        "opened",
        "frozen",
        "captured",
        "released",
        "prepared",
        "opened",
        "paid",
    ]


async def test_holds_and_trades_are_listed_page_by_page(
    merchant: Merchant, control: Control
) -> None:
    counters = [Counter(merchant, control) for _ in range(3)]
    for counter in counters:
        await counter.voucher()
        await merchant.precreate(f"{counter.number}T")

    numbers: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await control.get("/trades", app_id=merchant.app_id, limit="4", after=after)
        numbers += [trade["out_trade_no"] for trade in page["trades"]]
        after = page["next"]

    assert numbers == [n for one in counters for n in (one.number, f"{one.number}T")]


async def test_a_standing_payer_agrees_to_holds_too(counter: Counter, control: Control) -> None:
    await control.put("/auto-pay", enabled=True, out_trade_no=counter.number)

    await counter.voucher()
    await control.post("/quiesce")

    assert (await counter.books())["status"] == "held"


async def test_agreeing_before_the_answer_is_out_is_told_of_first(
    counter: Counter, control: Control, receiver: Receiver
) -> None:
    await control.fault("callback_before_answer", counter.number)

    made = await counter.voucher()

    assert made.content["code"] == "10000"
    assert receiver.has_more()
    assert (await receiver.next())["notify_type"] == "fund_auth_freeze"


@pytest.mark.parametrize("kind", ["duplicate", "bad_signature", "wrong_amount"])
async def test_news_of_a_hold_can_be_spoiled(
    counter: Counter, control: Control, receiver: Receiver, kind: str
) -> None:
    target = {} if kind == "duplicate" else {"target": "notification"}
    fault = await control.fault(kind, counter.number, **target)

    await counter.freeze()
    form = await receiver.next()

    assert await control.fired(fault) == 1
    assert counter.merchant.accepts(form) == (kind != "bad_signature")
    assert form["amount"] == ("20.00" if kind == "wrong_amount" else "19.99")


async def test_a_hold_is_no_line_of_the_bill_and_its_capture_is(
    counter: Counter, control: Control
) -> None:
    await counter.freeze()
    await control.put("/alipay/bills/settings", same_day=True)

    before = await asked(counter.merchant, today().isoformat())
    await counter.capture()
    await refund(counter.merchant, counter.number, "R1", "5.00")
    after = await asked(counter.merchant, today().isoformat())
    bill = await counter.merchant.client.get(after.content["bill_download_url"])
    await control.put("/alipay/bills/settings", same_day=False)

    assert sub_code(before) == "BILL_NOT_EXIST"
    names = ("业务类型", "商户订单号", "订单金额（元）")
    assert [[row[name] for name in names] for row in unpack(bill.content).rows] == [
        ["交易", counter.number, "15.00"],
        ["退款", counter.number, "-5.00"],
    ]
