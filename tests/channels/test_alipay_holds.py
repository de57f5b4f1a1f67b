"""Money held first: asked for, and found again."""

from datetime import UTC, datetime, timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.base import Capturing
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Confirm,
    Declined,
    NotAttempted,
    Pending,
    ShowQrCode,
    Unknown,
)
from tests.channels.alipay_holds import (
    AUTH_NO,
    DETAIL,
    FREEZE,
    TRADE_QUERY,
    VOUCHER,
    Desk,
    a_hold,
    about_a_hold,
    frozen,
    order,
    refused,
    said,
    trade,
)
from tests.channels.alipay_side import (
    EXPIRES_AT,
    NOW,
    SELLER_ID,
    SERIAL,
    TRADE_NO,
    a_pay_request,
    an_account,
    yuan,
)
from tests.channels.faulty_server import FaultyServer, hangs_up, is_silent, replies, resets

CODE = "https://qr.alipay.example/auth0001"
CREATED = said(
    out_order_no=SERIAL, out_request_no=f"{SERIAL}_F", code_type="qrCode", code_value=CODE
)
HELD = Approved(
    channel_reference=AUTH_NO,
    money=yuan("19.99"),
    paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
    held=True,
)
CLOSED_UNPAID = trade("TRADE_CLOSED")


def test_alipay_holds_money_by_codes_alone(alipay: AlipayChannel) -> None:
    assert isinstance(alipay, Capturing)
    held = {one.name: one.hold_seconds for one in alipay.capabilities.methods if one.manual_capture}
    assert held == {"alipay_qr": 7 * 24 * 3600, "alipay_buyer_code": 7 * 24 * 3600}


# ---- asking for it ----------------------------------------------------------------------------


async def test_a_code_to_freeze_with_is_asked_for_and_shown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {VOUCHER: CREATED})

    outcome = await desk.pay()

    assert outcome == Pending(next_action=ShowQrCode(content=CODE, expires_at=EXPIRES_AT))
    assert desk.fields()["notify_url"] == "https://pay.example/callbacks/alipay/acc_1"
    assert desk.content() == {
        "out_order_no": SERIAL,
        "out_request_no": f"{SERIAL}_F",
        "order_title": "Two coffees",
        "amount": "19.99",
        "payee_user_id": SELLER_ID,
        "pay_timeout": "15m",
        "product_code": "PRE_AUTH",
    }


@pytest.mark.parametrize(
    ("left", "minutes"),
    [
        (timedelta(seconds=1), "1m"),
        (timedelta(seconds=60), "1m"),
        (timedelta(seconds=61), "2m"),
        (timedelta(days=15), "21600m"),
    ],
)
async def test_the_payers_time_is_whole_minutes_rounded_up(
    alipay: AlipayChannel, gateway: FaultyServer, left: timedelta, minutes: str
) -> None:
    desk = Desk(alipay, gateway, {VOUCHER: CREATED})

    await desk.pay(a_hold(expires_at=NOW + left))

    assert desk.content()["pay_timeout"] == minutes


async def test_the_payers_code_holds_at_once(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    desk = Desk(alipay, gateway, {FREEZE: frozen()})

    outcome = await desk.pay(a_hold("alipay_buyer_code"))

    assert outcome == HELD
    content = desk.content()
    assert (content["auth_code"], content["auth_code_type"]) == ("285015833990941919", "bar_code")
    assert (content["out_order_no"], content["product_code"]) == (SERIAL, "PRE_AUTH")


@pytest.mark.parametrize("code", ["10000", "10003"])
async def test_a_payer_who_has_to_confirm_is_waited_for(
    alipay: AlipayChannel, gateway: FaultyServer, code: str
) -> None:
    desk = Desk(alipay, gateway, {FREEZE: frozen(code=code, status="INIT")})

    outcome = await desk.pay(a_hold("alipay_buyer_code"))

    assert isinstance(outcome, Pending)
    assert isinstance(outcome.next_action, Confirm)
    assert outcome.channel_reference == AUTH_NO


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "19.98"},
        {"amount": "20.00"},
        {"amount": "much"},
        {"amount": "-19.99"},
        {"auth_no": ""},
        {"out_order_no": "another"},
        {"status": "DONE"},
        {"pre_auth_type": "CREDIT_AUTH"},
        {"trans_currency": "USD"},
    ],
)
async def test_an_answer_about_anything_but_our_hold_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, changes: dict[str, str]
) -> None:
    desk = Desk(alipay, gateway, {FREEZE: frozen(**changes), DETAIL: order() | _of_query(changes)})

    assert isinstance(await desk.pay(a_hold("alipay_buyer_code")), Unknown)
    assert isinstance(await desk.query(about_a_hold("alipay_buyer_code")), Unknown)


def _of_query(changes: dict[str, str]) -> dict[str, str]:
    """The same of a query, which has other names for the status and for what is on hold."""
    names = {"status": "order_status", "amount": "rest_amount"}
    return {names.get(name, name): value for name, value in changes.items()}


async def test_a_freeze_that_was_closed_is_declined(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {FREEZE: frozen(status="CLOSED")})

    outcome = await desk.pay(a_hold("alipay_buyer_code"))

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"


async def test_a_code_that_is_missing_from_the_answer_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {VOUCHER: CREATED | {"code_value": ""}})

    assert isinstance(await desk.pay(), Unknown)


@pytest.mark.parametrize("method", ["alipay_page", "alipay_wap"])
async def test_pages_hold_nothing(
    alipay: AlipayChannel, gateway: FaultyServer, method: str
) -> None:
    outcome = await Desk(alipay, gateway, {}).pay(a_hold(method))

    assert outcome == NotAttempted(detail=f"Alipay holds no money by {method}")
    assert gateway.requests == []


@pytest.mark.parametrize(
    "behaviour", [hangs_up, resets, is_silent, replies(b"{}"), replies(b"", status=502)]
)
async def test_a_freeze_without_a_proven_answer_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, behaviour: object
) -> None:
    desk = Desk(alipay, gateway, {FREEZE: behaviour})  # type: ignore[dict-item]  # Reason: param

    assert isinstance(await desk.pay(a_hold("alipay_buyer_code")), Unknown)


async def test_a_freeze_that_was_not_sent_was_not_attempted(http: ChannelHttp) -> None:
    nowhere = AlipayChannel(http, gateway_url="http://127.0.0.1:1/")

    answer = await nowhere.pay(an_account(), a_hold(), NOW)

    assert isinstance(answer.outcome, NotAttempted)


async def test_who_pays_is_not_in_the_record(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    Desk(alipay, gateway, {DETAIL: order(payer_logon_id="138****0000")})

    answer = await alipay.query(an_account(), about_a_hold(), NOW)

    assert answer.exchange is not None
    assert answer.exchange.response is not None
    assert "2088000000000002" not in answer.exchange.response
    assert "138****0000" not in answer.exchange.response
    assert AUTH_NO in answer.exchange.response


# ---- finding it -------------------------------------------------------------------------------


async def test_money_on_hold_is_found_by_the_number_of_its_freeze(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order()})

    assert await desk.query() == HELD
    assert desk.asked == [DETAIL]
    assert desk.content() == {
        "out_order_no": SERIAL,
        "out_request_no": f"{SERIAL}_F",
        "operation_type": "FREEZE",
    }


async def test_an_order_the_payer_looks_at_is_pending(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order("INIT")})

    assert await desk.query() == Pending(channel_reference=AUTH_NO)


@pytest.mark.parametrize("sub_code", ["AUTH_ORDER_NOT_EXIST", "AUTH_OPERATION_NOT_EXIST"])
async def test_an_order_nobody_opened_is_pending_until_its_time_is_certainly_over(
    alipay: AlipayChannel, gateway: FaultyServer, sub_code: str
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: refused(sub_code)})
    just_before = about_a_hold(expires_at=NOW - timedelta(seconds=119))
    after = about_a_hold(expires_at=NOW - timedelta(seconds=120))

    waiting = await desk.query()
    late = await desk.query(just_before)
    over = await desk.query(after)
    at_the_till = await desk.query(about_a_hold("alipay_buyer_code"))

    assert waiting == late == Pending(detail="the payer has not opened it yet")
    assert isinstance(over, Declined)
    assert over.code == "expired"
    assert isinstance(at_the_till, Unknown)


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
async def test_what_was_taken_is_asked_for_after_the_order_was_seen_over(
    alipay: AlipayChannel, gateway: FaultyServer, status: str
) -> None:
    finished = order("FINISH", total_pay_amount="15.00")
    desk = Desk(alipay, gateway, {DETAIL: finished, TRADE_QUERY: trade(status)})

    outcome = await desk.query()

    assert outcome == Approved(
        channel_reference=TRADE_NO,
        money=yuan("15.00"),
        paid_at=datetime(2026, 11, 20, 5, 0, tzinfo=UTC),
    )
    assert desk.asked == [DETAIL, TRADE_QUERY]
    assert desk.content() == {"out_trade_no": SERIAL}


async def test_a_capture_on_its_way_is_asked_for_though_the_order_is_open(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    half = order("AUTHORIZED", total_pay_amount="15.00", rest_amount="4.99")
    desk = Desk(alipay, gateway, {DETAIL: half, TRADE_QUERY: trade()})

    outcome = await desk.query()

    assert isinstance(outcome, Approved)
    assert (outcome.money, outcome.held) == (yuan("15.00"), False)


async def test_what_was_given_back_in_full_was_taken(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    finished = order("FINISH", total_pay_amount="15.00")
    desk = Desk(alipay, gateway, {DETAIL: finished, TRADE_QUERY: trade("TRADE_CLOSED")})

    outcome = await desk.query()

    assert isinstance(outcome, Approved)
    assert outcome.money == yuan("15.00")


@pytest.mark.parametrize("answer", [refused("ACQ.TRADE_NOT_EXIST"), CLOSED_UNPAID])
async def test_an_order_that_was_closed_and_of_which_nothing_was_taken_is_declined(
    alipay: AlipayChannel, gateway: FaultyServer, answer: dict[str, str]
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order("CLOSED"), TRADE_QUERY: answer})

    outcome = await desk.query()

    assert outcome == Declined(code="closed", detail="released", channel_code="CLOSED")


async def test_an_order_that_was_never_authorized_says_so(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    never = order("CLOSED", status="CLOSED", total_freeze_amount="0.00")
    script = {DETAIL: never, TRADE_QUERY: refused("ACQ.TRADE_NOT_EXIST")}

    outcome = await Desk(alipay, gateway, script).query()

    assert outcome == Declined(
        code="closed", detail="closed before it was authorized", channel_code="CLOSED"
    )


@pytest.mark.parametrize(
    ("hold", "found"),
    [
        # taken under a number that is not ours
        (order("FINISH", total_pay_amount="15.00"), refused("ACQ.TRADE_NOT_EXIST")),
        (order("FINISH", total_pay_amount="lots"), refused("ACQ.TRADE_NOT_EXIST")),
        # no answer, or none about our trade
        (order("CLOSED"), hangs_up),
        (order("CLOSED"), refused("ACQ.SYSTEM_ERROR")),
        (order("FINISH"), trade(out_trade_no="another")),
        (order("FINISH"), trade("TRADE_ODD")),
        # more than was held, or nothing
        (order("FINISH"), trade(total_amount="20.00")),
        (order("FINISH"), trade(total_amount="0.00")),
        (order("FINISH"), trade(total_amount="")),
        (order("FINISH"), trade(trans_currency="USD")),
        (order("FINISH"), trade(trade_no="")),
        # not about the freeze, or about nothing
        (order(operation_type="UNFREEZE"), trade()),
        (order("ODD"), trade()),
        (refused("SYSTEM_ERROR"), trade()),
        (refused("HAS_NO_PRIVILEGE"), trade()),
        (hangs_up, trade()),
    ],
)
async def test_whatever_does_not_say_where_the_money_is_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, hold: object, found: object
) -> None:
    script: dict[str, object] = {DETAIL: hold, TRADE_QUERY: found}

    assert isinstance(await Desk(alipay, gateway, script).query(), Unknown)  # type: ignore[arg-type]  # Reason: parameters


def test_the_fields_the_adapter_says_it_signs_are_those_of_the_hold(alipay: AlipayChannel) -> None:
    paid = alipay.signed_fields(an_account(), a_hold(), NOW)
    asked = alipay.signed_fields(an_account(), about_a_hold(), NOW)
    plain = alipay.signed_fields(an_account(), a_pay_request(), NOW)

    assert (paid["method"], asked["method"]) == (VOUCHER, DETAIL)
    assert plain["method"] == "alipay.trade.precreate"
