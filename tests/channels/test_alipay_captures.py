"""Money that is held: taken once, or released; and never both."""

from datetime import UTC, datetime

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from models.channel import Approved, Declined, NotAttempted, Pending, Unknown
from models.money import Money
from tests.channels.alipay_holds import (
    AUTH_NO,
    BUYER,
    CANCEL,
    DETAIL,
    PAY,
    TRADE_QUERY,
    UNFREEZE,
    Desk,
    a_capture,
    about_a_hold,
    order,
    refused,
    released,
    said,
    trade,
)
from tests.channels.alipay_side import NOW, SELLER_ID, SERIAL, TRADE_NO, an_account, yuan
from tests.channels.faulty_server import FaultyServer, hangs_up, is_silent, resets

TAKEN = Approved(
    channel_reference=TRADE_NO,
    money=yuan("15.00"),
    paid_at=datetime(2026, 11, 20, 5, 0, tzinfo=UTC),
)
FINISHED = order("FINISH", total_pay_amount="15.00")
NO_TRADE = refused("ACQ.TRADE_NOT_EXIST")


# ---- taking it --------------------------------------------------------------------------------


async def test_a_capture_is_a_trade_under_our_serial_that_releases_the_rest(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), PAY: trade(None)})

    outcome = await desk.capture()

    assert outcome == TAKEN
    assert desk.asked == [DETAIL, PAY]
    assert desk.fields()["notify_url"] == "https://pay.example/callbacks/alipay/acc_1"
    assert desk.content() == {
        "out_trade_no": SERIAL,
        "total_amount": "15.00",
        "subject": "Two nights",
        "product_code": "PRE_AUTH",
        "auth_no": AUTH_NO,
        "auth_confirm_mode": "COMPLETE",
        "seller_id": SELLER_ID,
        "buyer_id": BUYER,
    }


async def test_a_payer_who_is_known_by_an_open_id_is_named_by_it(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    hold = order(payer_user_id="", payer_open_id="074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5")
    desk = Desk(alipay, gateway, {DETAIL: hold, PAY: trade(None)})

    await desk.capture()

    assert desk.content()["buyer_open_id"].startswith("074a1CcTG1Lelx")
    assert "buyer_id" not in desk.content()


@pytest.mark.parametrize("state", ["FINISH", "AUTHORIZED"])
async def test_a_second_capture_finds_what_the_first_took(
    alipay: AlipayChannel, gateway: FaultyServer, state: str
) -> None:
    taken = order(state, total_pay_amount="15.00")
    desk = Desk(alipay, gateway, {DETAIL: taken, TRADE_QUERY: trade()})

    assert await desk.capture() == TAKEN
    assert desk.asked == [DETAIL, TRADE_QUERY]


@pytest.mark.parametrize("behaviour", [hangs_up, resets, is_silent])
async def test_a_capture_without_an_answer_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, behaviour: object
) -> None:
    script: dict[str, object] = {DETAIL: order(), PAY: behaviour}

    assert isinstance(await Desk(alipay, gateway, script).capture(), Unknown)  # type: ignore[arg-type]  # Reason: parameter


@pytest.mark.parametrize(
    "changes",
    [
        {"total_amount": "15.01"},
        {"total_amount": "14.99"},
        {"total_amount": ""},
        {"trade_no": ""},
        {"out_trade_no": "another"},
        {"trans_currency": "USD"},
    ],
)
async def test_an_answer_about_anything_but_our_capture_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, changes: dict[str, str]
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), PAY: trade(None, **changes)})

    assert isinstance(await desk.capture(), Unknown)


async def test_a_capture_that_alipay_works_on_is_pending(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), PAY: trade(None, code="10003")})

    assert isinstance(await desk.capture(), Pending)


@pytest.mark.parametrize(
    ("sub_code", "code"),
    [
        ("ACQ.AUTH_AMOUNT_NOT_ENOUGH", "capture_amount_invalid"),
        ("ACQ.REQUEST_AMOUNT_EXCEED", "capture_amount_invalid"),
        ("ACQ.AUTH_ORDER_HAS_CLOSED", "closed"),
        ("ACQ.AUTH_NO_ERROR", "misconfigured"),
        ("ACQ.BUYER_BALANCE_NOT_ENOUGH", "insufficient_funds"),
    ],
)
async def test_a_definitive_refusal_of_a_capture_is_declined(
    alipay: AlipayChannel, gateway: FaultyServer, sub_code: str, code: str
) -> None:
    outcome = await Desk(alipay, gateway, {DETAIL: order(), PAY: refused(sub_code)}).capture()

    assert isinstance(outcome, Declined)
    assert outcome.code == code


@pytest.mark.parametrize(
    "sub_code",
    [
        "ACQ.TRADE_HAS_SUCCESS",
        "ACQ.CONTEXT_INCONSISTENT",
        "ACQ.AUTH_ORDER_HAS_FINISHED",
        "ACQ.AUTH_ORDER_NOT_PAID",
        "ACQ.SYSTEM_ERROR",
        "ACQ.NEVER_HEARD_OF",
    ],
)
async def test_a_refusal_that_may_come_of_an_earlier_capture_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, sub_code: str
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), PAY: refused(sub_code)})

    assert isinstance(await desk.capture(), Unknown)


@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("40002", "isv.invalid-signature"),
        ("40006", "isv.insufficient-isv-permissions"),
        ("40005", "isv.app-call-limited"),
    ],
)
async def test_a_capture_the_gateway_turned_away_was_not_attempted(
    alipay: AlipayChannel, gateway: FaultyServer, code: str, sub_code: str
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), PAY: refused(sub_code, code)})

    assert isinstance(await desk.capture(), NotAttempted)


async def test_more_than_is_on_hold_is_declined_without_asking_for_it(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(rest_amount="9.99")})

    over_order = await desk.capture(a_capture(20_00))
    asked_nothing = list(desk.asked)
    over_rest = await desk.capture(a_capture(10_00))

    assert asked_nothing == []
    assert desk.asked == [DETAIL]
    for outcome in (over_order, over_rest):
        assert isinstance(outcome, Declined)
        assert outcome.code == "capture_amount_invalid"


@pytest.mark.parametrize(
    "request_",
    [
        a_capture(money=Money(amount_minor=1, currency="USD")),
        a_capture(authorized=Money(amount_minor=19_99, currency="USD")),
        a_capture(0),
    ],
)
async def test_a_capture_that_makes_no_sense_is_not_sent(
    alipay: AlipayChannel, gateway: FaultyServer, request_: object
) -> None:
    desk = Desk(alipay, gateway, {})

    outcome = await desk.capture(request_)  # type: ignore[arg-type]  # Reason: parameter

    assert isinstance(outcome, NotAttempted)
    assert desk.asked == []


async def test_a_hold_that_is_gone_cannot_be_captured(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order("CLOSED"), TRADE_QUERY: NO_TRADE})

    outcome = await desk.capture()

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"
    assert PAY not in desk.asked


@pytest.mark.parametrize(
    "hold", [order("INIT"), refused("AUTH_ORDER_NOT_EXIST"), refused("SYSTEM_ERROR"), hangs_up]
)
async def test_a_capture_of_what_is_not_seen_to_be_held_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, hold: object
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: hold})  # type: ignore[dict-item]  # Reason: parameter

    assert isinstance(await desk.capture(), Unknown)
    assert desk.asked == [DETAIL]


async def test_a_capture_that_was_not_sent_was_not_attempted(http: ChannelHttp) -> None:
    nowhere = AlipayChannel(http, gateway_url="http://127.0.0.1:1/")

    captured = await nowhere.capture(an_account(), a_capture(), NOW)
    voided = await nowhere.void(an_account(), about_a_hold(), NOW)

    assert isinstance(captured.outcome, NotAttempted)
    assert isinstance(voided.outcome, Unknown)


# ---- releasing it -----------------------------------------------------------------------------


async def test_a_release_gives_up_all_that_is_on_hold_under_a_number_of_its_own(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(), UNFREEZE: released()})

    outcome = await desk.void()

    assert outcome == Declined(code="closed", detail="released on request", channel_code="10000")
    assert desk.content() == {
        "auth_no": AUTH_NO,
        "out_request_no": f"{SERIAL}_U",
        "amount": "19.99",
        "remark": "released by the merchant",
    }


async def test_a_release_of_what_nobody_agreed_to_cancels_it(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    cancelled = said(auth_no=AUTH_NO, out_order_no=SERIAL, action="close")
    desk = Desk(alipay, gateway, {DETAIL: order("INIT"), CANCEL: cancelled})

    outcome = await desk.void()

    assert isinstance(outcome, Declined)
    assert desk.asked == [DETAIL, CANCEL]


async def test_what_was_taken_is_never_released(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: FINISHED, TRADE_QUERY: trade()})

    assert await desk.void() == TAKEN
    assert desk.asked == [DETAIL, TRADE_QUERY]


async def test_a_second_release_finds_the_first(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order("CLOSED"), TRADE_QUERY: NO_TRADE})

    outcome = await desk.void()

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"


@pytest.mark.parametrize(
    "told",
    [
        hangs_up,
        refused("ORDER_ALREADY_FINISH"),
        refused("REQUEST_AMOUNT_EXCEED"),
        refused("SYSTEM_ERROR"),
        refused("isv.invalid-signature", "40002"),
        released(amount="4.99"),
        released(auth_no="another"),
        released(status="INIT"),
    ],
)
async def test_a_release_that_proves_nothing_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, told: object
) -> None:
    script: dict[str, object] = {DETAIL: order(), UNFREEZE: told}

    assert isinstance(await Desk(alipay, gateway, script).void(), Unknown)  # type: ignore[arg-type]  # Reason: parameter


async def test_an_amount_on_hold_that_cannot_be_read_is_not_released(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    desk = Desk(alipay, gateway, {DETAIL: order(rest_amount="lots")})

    assert isinstance(await desk.void(), Unknown)
    assert desk.asked == [DETAIL]
