from datetime import UTC, datetime, timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from models.channel import Approved, Declined, Outcome, Pending, Unknown
from tests.channels.alipay_side import (
    EXPIRES_AT,
    NOW,
    SERIAL,
    TRADE_NO,
    a_key,
    a_query,
    an_account,
    answer,
    yuan,
)
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, replies, resets

QUERY = "alipay.trade.query"
FOUND = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": SERIAL,
    "trade_no": TRADE_NO,
    "total_amount": "19.99",
    "trade_status": "TRADE_SUCCESS",
    "send_pay_date": "2026-11-20 12:00:09",
}
ABSENT = {
    "code": "40004",
    "msg": "Business Failed",
    "sub_code": "ACQ.TRADE_NOT_EXIST",
    "sub_msg": "交易不存在",
}
LONG_AFTER = EXPIRES_AT + timedelta(seconds=60)


async def asked(
    alipay: AlipayChannel,
    gateway: FaultyServer,
    fields: dict[str, str],
    *,
    method: str = "alipay_qr",
    now: datetime = NOW,
) -> Outcome:
    gateway.behaviour = replies(answer(QUERY, fields))
    return (await alipay.query(an_account(), a_query(method), now)).outcome


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
async def test_a_paid_trade_is_approved(
    alipay: AlipayChannel, gateway: FaultyServer, status: str
) -> None:
    outcome = await asked(alipay, gateway, FOUND | {"trade_status": status})

    assert outcome == Approved(
        channel_reference=TRADE_NO,
        money=yuan("19.99"),
        paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
    )
    assert gateway.requests[0]["biz_content"] == f'{{"out_trade_no":"{SERIAL}"}}'


async def test_a_paid_trade_of_another_amount_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await asked(alipay, gateway, FOUND | {"total_amount": "19.98"})

    assert outcome == Unknown(detail="the answer names 19.98 CNY, we asked for 19.99 CNY")


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED", "WAIT_BUYER_PAY"])
async def test_an_answer_about_another_serial_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, status: str
) -> None:
    fields = FOUND | {"out_trade_no": "another", "trade_status": status}

    assert isinstance(await asked(alipay, gateway, fields), Unknown)


async def test_a_trade_that_waits_for_the_payer_is_pending(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await asked(alipay, gateway, FOUND | {"trade_status": "WAIT_BUYER_PAY"})

    assert outcome == Pending(channel_reference=TRADE_NO)


async def test_a_closed_trade_is_declined(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    outcome = await asked(alipay, gateway, FOUND | {"trade_status": "TRADE_CLOSED"})

    assert outcome == Declined(code="closed", detail="closed", channel_code="TRADE_CLOSED")


async def test_a_state_we_do_not_list_is_unknown_and_says_what_it_was(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await asked(alipay, gateway, FOUND | {"trade_status": "TRADE_FROZEN"})

    assert isinstance(outcome, Unknown)
    assert "TRADE_FROZEN" in outcome.detail


@pytest.mark.parametrize("method", ["alipay_qr", "alipay_page", "alipay_wap"])
async def test_a_trade_the_payer_never_opened_is_pending_until_it_cannot_be_opened(
    alipay: AlipayChannel, gateway: FaultyServer, method: str
) -> None:
    just_before = LONG_AFTER - timedelta(microseconds=1)

    early = await asked(alipay, gateway, ABSENT, method=method)
    late = await asked(alipay, gateway, ABSENT, method=method, now=just_before)
    over = await asked(alipay, gateway, ABSENT, method=method, now=LONG_AFTER)

    assert isinstance(early, Pending)
    assert isinstance(late, Pending)
    assert isinstance(over, Declined)
    assert over.code == "expired"


async def test_a_payers_code_alipay_does_not_know_may_still_be_on_its_way(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    early = await asked(alipay, gateway, ABSENT, method="alipay_buyer_code")
    over = await asked(alipay, gateway, ABSENT, method="alipay_buyer_code", now=LONG_AFTER)

    assert isinstance(early, Unknown)
    assert isinstance(over, Declined)


@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("20000", "isp.unknow-error"),
        ("40004", "ACQ.SYSTEM_ERROR"),
        ("40004", "ACQ.INVALID_PARAMETER"),
        ("40004", "ACQ.PAYMENT_FAIL"),
        ("40002", "isv.invalid-signature"),
        ("40005", "isv.app-call-limited"),
        ("40006", "isv.insufficient-isv-permissions"),
        ("10003", ""),
        ("40004", "ACQ.NEVER_HEARD_OF"),
    ],
)
async def test_a_query_that_is_refused_says_nothing_about_the_payment(
    alipay: AlipayChannel, gateway: FaultyServer, code: str, sub_code: str
) -> None:
    fields = {"code": code, "msg": "x", "sub_code": sub_code}

    outcome = await asked(alipay, gateway, fields, now=LONG_AFTER)

    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("fields", [FOUND, ABSENT, FOUND | {"trade_status": "TRADE_CLOSED"}])
async def test_nothing_somebody_else_signed_is_believed(
    alipay: AlipayChannel, gateway: FaultyServer, fields: dict[str, str]
) -> None:
    gateway.behaviour = replies(answer(QUERY, fields, key=a_key("attacker")))

    answered = await alipay.query(an_account(), a_query(), LONG_AFTER)

    assert isinstance(answered.outcome, Unknown)


@pytest.mark.parametrize("fault", [resets, hangs_up, replies(b"", status=502)])
async def test_a_query_that_fails_on_the_way_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, fault: Behaviour
) -> None:
    gateway.behaviour = fault

    answered = await alipay.query(an_account(), a_query(), LONG_AFTER)

    assert isinstance(answered.outcome, Unknown)


async def test_a_query_that_was_not_sent_is_unknown_and_never_not_attempted(
    http: ChannelHttp,
) -> None:
    channel = AlipayChannel(http, gateway_url="http://no-such-host.invalid/gateway.do")

    queried = await channel.query(an_account(), a_query(), NOW)
    closed = await channel.close(an_account(), a_query(), NOW)

    assert isinstance(queried.outcome, Unknown)
    assert isinstance(closed.outcome, Unknown)
    assert queried.exchange is None
