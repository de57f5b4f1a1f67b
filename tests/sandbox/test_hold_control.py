"""Holds as the control API lists them: what was frozen is captured, released or held, never two."""

from tests.sandbox.merchant import Merchant, a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver

FREEZE = "alipay.fund.auth.order.freeze"
CODE = "285015833990941919"


async def freeze(merchant: Merchant, number: str) -> dict[str, str]:
    """19.99 yuan with the payer's code."""
    answered = await merchant.call(
        FREEZE,
        auth_code=CODE,
        auth_code_type="bar_code",
        out_order_no=number,
        out_request_no=f"{number}_F",
        order_title="押金",
        amount="19.99",
        product_code="PRE_AUTH",
    )
    assert answered.content["code"] == "10000"
    return answered.content


async def capture(merchant: Merchant, number: str, hold: dict[str, str], amount: str) -> None:
    answered = await merchant.call(
        "alipay.trade.pay",
        out_trade_no=number,
        auth_no=hold["auth_no"],
        auth_confirm_mode="COMPLETE",
        total_amount=amount,
        subject="两晚",
        product_code="PRE_AUTH",
        buyer_id=hold["payer_user_id"],
        seller_id=merchant.registered["seller_id"],
    )
    assert answered.content["code"] == "10000"


async def cancel(merchant: Merchant, number: str) -> dict[str, str]:
    answered = await merchant.call(
        "alipay.fund.auth.operation.cancel", out_order_no=number, out_request_no=f"{number}_F"
    )
    return answered.content


def sums(hold: dict[str, int]) -> tuple[int, int, int, int]:
    return tuple(  # type: ignore[return-value]  # Reason: four names make four numbers
        hold[f"{name}_minor"] for name in ("frozen", "captured", "released", "rest")
    )


async def test_each_hold_is_listed_with_what_became_of_it(
    merchant: Merchant, control: Control
) -> None:
    held, captured, released = a_number(), a_number(), a_number()
    for number in (held, captured, released):
        hold = await freeze(merchant, number)
        if number == captured:
            await capture(merchant, number, hold, "15.00")
        if number == released:
            await control.post("/alipay/holds/expire", out_trade_no=number)

    listed = (await control.get("/alipay/holds", app_id=merchant.app_id))["holds"]
    by_number = {hold["out_order_no"]: hold for hold in listed}

    assert [hold["out_order_no"] for hold in listed] == [held, captured, released]
    assert sums(by_number[held]) == (19_99, 0, 0, 19_99)
    assert sums(by_number[captured]) == (19_99, 15_00, 4_99, 0)
    assert sums(by_number[released]) == (19_99, 0, 19_99, 0)
    assert [by_number[number]["order_status"] for number in (held, captured, released)] == [
        "AUTHORIZED",
        "FINISH",
        "CLOSED",
    ]


async def test_the_list_comes_in_pages_and_by_number(merchant: Merchant, control: Control) -> None:
    numbers = [a_number() for _ in range(3)]
    for number in numbers:
        await freeze(merchant, number)

    first = await control.get("/alipay/holds", app_id=merchant.app_id, limit="2")
    rest = await control.get("/alipay/holds", app_id=merchant.app_id, after=first["next"])
    one = await control.get("/alipay/holds", out_trade_no=numbers[1])

    assert [hold["out_order_no"] for hold in first["holds"]] == numbers[:2]
    assert [hold["out_order_no"] for hold in rest["holds"]] == numbers[2:]
    assert rest["next"] is None
    assert [hold["out_order_no"] for hold in one["holds"]] == [numbers[1]]


async def test_a_code_nobody_opened_is_no_order_at_alipay_yet(
    merchant: Merchant, control: Control
) -> None:
    number = a_number()
    await merchant.call(
        "alipay.fund.auth.order.voucher.create",
        out_order_no=number,
        out_request_no=f"{number}_F",
        order_title="押金",
        amount="19.99",
        product_code="PRE_AUTH",
    )

    [hold] = (await control.get("/alipay/holds", out_trade_no=number))["holds"]

    assert (hold["status"], hold["order_status"]) == ("prepared", None)
    assert sums(hold) == (0, 0, 0, 0)


async def test_a_cancel_releases_all_and_is_told_of_by_its_action(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    hold = await freeze(merchant, number)
    await receiver.next()

    canceled = await cancel(merchant, number)
    again = await cancel(merchant, number)
    form = await receiver.next()
    await control.post("/quiesce")

    assert (canceled["action"], again["action"]) == ("unfreeze", "unfreeze")
    assert merchant.accepts(form)
    assert (form["notify_type"], form["action"]) == ("fund_auth_operation_cancel", "unfreeze")
    assert (form["auth_no"], form["out_request_no"]) == (hold["auth_no"], f"{number}_F")
    assert form.keys().isdisjoint({"amount", "operation_type", "status"})
    [shown] = (await control.get("/alipay/holds", out_trade_no=number))["holds"]
    assert sums(shown) == (19_99, 0, 19_99, 0)
    assert len((await control.trade(number))["sent"]) == 2  # the freeze and the cancel, once each


async def test_what_was_captured_is_not_cancelled(merchant: Merchant, control: Control) -> None:
    number = a_number()
    hold = await freeze(merchant, number)
    await capture(merchant, number, hold, "19.99")

    refused = await cancel(merchant, number)

    assert refused["sub_code"] == "ORDER_ALREADY_FINISH"
    [shown] = (await control.get("/alipay/holds", out_trade_no=number))["holds"]
    assert sums(shown) == (19_99, 19_99, 0, 0)


async def test_an_order_nobody_agreed_to_is_closed_by_a_cancel(
    merchant: Merchant, control: Control, receiver: Receiver
) -> None:
    number = a_number()
    await merchant.call(
        "alipay.fund.auth.order.voucher.create",
        out_order_no=number,
        out_request_no=f"{number}_F",
        order_title="押金",
        amount="19.99",
        product_code="PRE_AUTH",
    )
    await control.post("/trades/open", out_trade_no=number)

    canceled = await cancel(merchant, number)
    form = await receiver.next()

    assert canceled["action"] == "close"
    assert (form["notify_type"], form["action"]) == ("fund_auth_operation_cancel", "close")
    [shown] = (await control.get("/alipay/holds", out_trade_no=number))["holds"]
    assert (shown["status"], sums(shown)) == ("closed", (0, 0, 0, 0))
