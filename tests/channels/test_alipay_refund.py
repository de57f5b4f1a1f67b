"""What each answer to a refund, and to the question about it, means for the money."""

import json
from datetime import UTC, datetime

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.base import Operation, Refunding
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Declined,
    NotAttempted,
    Outcome,
    Pending,
    Unknown,
)
from models.money import Money
from tests.channels.alipay_side import (
    NOW,
    SERIAL,
    TRADE_NO,
    a_key,
    a_refund,
    an_account,
    answer,
    yuan,
)
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, replies, resets

REFUND = "alipay.trade.refund"
REFUND_QUERY = "alipay.trade.fastpay.refund.query"
MADE = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": SERIAL,
    "trade_no": TRADE_NO,
    "fund_change": "Y",
    "refund_fee": "5.00",
    "gmt_refund_pay": "2026-11-20 12:00:09",
}
FOUND = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": SERIAL,
    "trade_no": TRADE_NO,
    "out_request_no": "R1",
    "total_amount": "19.99",
    "refund_amount": "5.00",
    "refund_status": "REFUND_SUCCESS",
    "gmt_refund_pay": "2026-11-20 12:00:09",
}
GIVEN_BACK = Approved(
    channel_reference=TRADE_NO,
    money=yuan("5.00"),
    paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
)


def without(fields: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in names}


def refused(sub_code: str, code: str = "40004") -> dict[str, str]:
    return {"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "words"}


async def refunded(
    alipay: AlipayChannel,
    gateway: FaultyServer,
    fields: dict[str, str],
    **changes: object,
) -> Outcome:
    gateway.behaviour = replies(answer(REFUND, fields))
    return (await alipay.refund(an_account(), a_refund(**changes), NOW)).outcome


async def asked(
    alipay: AlipayChannel, gateway: FaultyServer, fields: dict[str, str], **changes: object
) -> Outcome:
    gateway.behaviour = replies(answer(REFUND_QUERY, fields))
    return (await alipay.query_refund(an_account(), a_refund(**changes), NOW)).outcome


def test_the_channel_refunds_and_says_so(alipay: AlipayChannel) -> None:
    assert isinstance(alipay, Refunding)
    assert Operation.REFUND in alipay.capabilities.operations


# ---- asking for it ----------------------------------------------------------------------------


async def test_a_refund_that_moved_money_is_approved_with_what_we_asked(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await refunded(alipay, gateway, MADE, reason="one cup = cold")

    assert outcome == GIVEN_BACK
    assert gateway.requests[0]["method"] == REFUND
    assert json.loads(gateway.requests[0]["biz_content"]) == {
        "out_trade_no": SERIAL,
        "out_request_no": "R1",
        "refund_amount": "5.00",
        "refund_reason": "one cup ＝ cold",
    }


async def test_a_refund_without_a_reason_sends_none(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    await refunded(alipay, gateway, MADE)

    assert "refund_reason" not in gateway.requests[0]["biz_content"]


async def test_a_later_refund_names_the_sum_of_all(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    assert await refunded(alipay, gateway, MADE | {"refund_fee": "19.99"}) == GIVEN_BACK


async def test_no_change_of_funds_proves_nothing(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await refunded(alipay, gateway, MADE | {"fund_change": "N"})

    assert outcome == Pending(
        detail="accepted, but no money moved this time: made before, or not yet",
        channel_reference=TRADE_NO,
    )


@pytest.mark.parametrize(
    "fields",
    [
        without(MADE, "fund_change"),
        MADE | {"fund_change": "M"},
        without(MADE, "refund_fee"),
        MADE | {"refund_fee": "4.99"},
        MADE | {"refund_fee": "20.00"},
        MADE | {"refund_fee": "-5.00"},
        MADE | {"refund_fee": "five"},
        MADE | {"out_trade_no": "another"},
        MADE | {"trade_no": "another"},
        without(MADE, "trade_no"),
        MADE | {"fund_change": "N", "out_trade_no": "another"},
    ],
)
async def test_an_answer_that_does_not_fit_the_request_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, fields: dict[str, str]
) -> None:
    assert isinstance(await refunded(alipay, gateway, fields), Unknown)


async def test_without_a_reference_any_trade_number_will_do(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    assert await refunded(alipay, gateway, MADE, channel_reference=None) == GIVEN_BACK


@pytest.mark.parametrize(
    ("sub_code", "ours"),
    [
        ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "refund_amount_invalid"),
        ("ACQ.REASON_TRADE_REFUND_FEE_ERR", "refund_amount_invalid"),
        ("ACQ.NOT_ALLOW_PARTIAL_REFUND", "refund_amount_invalid"),
        ("ACQ.TRADE_HAS_FINISHED", "not_refundable"),
        ("ACQ.TRADE_NOT_ALLOW_REFUND", "not_refundable"),
        ("ACQ.BUYER_ENABLE_STATUS_FORBID", "payer_not_allowed"),
        ("ACQ.REFUND_ACCOUNT_NOT_EXIST", "misconfigured"),
        ("ACQ.INVALID_PARAMETER", "invalid_request"),
    ],
)
async def test_a_definitive_refusal_is_declined(
    alipay: AlipayChannel, gateway: FaultyServer, sub_code: str, ours: str
) -> None:
    outcome = await refunded(alipay, gateway, refused(sub_code))

    assert outcome == Declined(code=ours, detail="words", channel_code=f"40004 {sub_code}")


@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("40004", "ACQ.SYSTEM_ERROR"),
        ("20000", "isp.unknow-error"),
        ("40004", "ACQ.DISCORDANT_REPEAT_REQUEST"),
        ("40004", "ACQ.TRADE_NOT_EXIST"),
        ("40004", "ACQ.TRADE_HAS_CLOSE"),
        ("40004", "ACQ.TRADE_STATUS_ERROR"),
        ("40004", "ACQ.NEVER_HEARD_OF"),
        # listed for a payment, where they are final; no document lists them for a refund
        ("40004", "ACQ.BUYER_BALANCE_NOT_ENOUGH"),
        ("40004", "ACQ.TOTAL_FEE_EXCEED"),
        ("40002", "isv.unknow-error"),
        ("40002", "isv.never-heard-of"),
    ],
)
async def test_a_refusal_that_settles_nothing_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, code: str, sub_code: str
) -> None:
    assert isinstance(await refunded(alipay, gateway, refused(sub_code, code)), Unknown)


@pytest.mark.parametrize(
    ("code", "sub_code"),
    [
        ("40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH"),
        ("40004", "ACQ.REASON_TRADE_BEEN_FREEZEN"),
        ("40005", "isv.app-call-limited"),
        ("40002", "isv.invalid-signature"),
        ("40006", "isv.insufficient-isv-permissions"),
        ("20001", "aop.invalid-app-auth-token"),
    ],
)
async def test_what_may_be_mended_is_not_attempted_and_may_be_sent_again(
    alipay: AlipayChannel, gateway: FaultyServer, code: str, sub_code: str
) -> None:
    outcome = await refunded(alipay, gateway, refused(sub_code, code))

    assert outcome == NotAttempted(detail="words", channel_code=f"{code} {sub_code}")


@pytest.mark.parametrize(
    "changes",
    [
        {"money": yuan("20.00")},
        {"money": yuan("0.00")},
        {"money": Money(amount_minor=500, currency="USD")},
    ],
)
async def test_what_cannot_be_right_is_never_sent(
    alipay: AlipayChannel, gateway: FaultyServer, changes: dict[str, object]
) -> None:
    outcome = await refunded(alipay, gateway, MADE, **changes)

    assert isinstance(outcome, NotAttempted)
    assert gateway.requests == []


# ---- asking about it --------------------------------------------------------------------------


async def test_a_refund_the_query_knows_is_approved(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    outcome = await asked(alipay, gateway, FOUND)

    assert outcome == GIVEN_BACK
    assert gateway.requests[0]["method"] == REFUND_QUERY
    assert json.loads(gateway.requests[0]["biz_content"]) == {
        "out_trade_no": SERIAL,
        "out_request_no": "R1",
        "query_options": ["gmt_refund_pay"],
    }


@pytest.mark.parametrize(
    "fields", [{"code": "10000", "msg": "Success"}, without(FOUND, "refund_status")]
)
async def test_a_refund_without_a_status_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, fields: dict[str, str]
) -> None:
    assert await asked(alipay, gateway, fields) == Unknown(
        detail="Alipay knows no refund under this number, or not yet"
    )


@pytest.mark.parametrize(
    "fields",
    [
        FOUND | {"refund_status": "REFUND_PROCESSING"},
        FOUND | {"refund_amount": "5.01"},
        without(FOUND, "refund_amount"),
        FOUND | {"out_request_no": "R2"},
        without(FOUND, "out_request_no"),
        FOUND | {"out_trade_no": "another"},
        FOUND | {"trade_no": "another"},
        FOUND | {"total_amount": "20.00"},
        refused("TRADE_NOT_EXIST"),
        refused("ACQ.TRADE_NOT_EXIST"),
        refused("ACQ.SYSTEM_ERROR"),
        refused("ACQ.INVALID_PARAMETER"),
        refused("isv.invalid-signature", "40002"),
    ],
)
async def test_every_other_answer_of_the_query_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, fields: dict[str, str]
) -> None:
    assert isinstance(await asked(alipay, gateway, fields), Unknown)


# ---- faults on the way ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        resets,
        replies(b"", status=500),
        replies(b"<html>"),
        replies(answer(REFUND, MADE, key=a_key("attacker"))),
        replies(answer("alipay.trade.query", MADE)),
    ],
)
async def test_whatever_alipay_did_not_sign_as_this_answer_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    gateway.behaviour = behaviour

    sent = await alipay.refund(an_account(), a_refund(), NOW)
    known = await alipay.query_refund(an_account(), a_refund(), NOW)

    assert isinstance(sent.outcome, Unknown)
    assert isinstance(known.outcome, Unknown)


async def test_a_refund_that_could_not_be_sent_was_not_attempted(http: ChannelHttp) -> None:
    nobody = AlipayChannel(http, gateway_url="http://127.0.0.1:1/gateway.do")

    sent = await nobody.refund(an_account(), a_refund(), NOW)
    known = await nobody.query_refund(an_account(), a_refund(), NOW)

    assert isinstance(sent.outcome, NotAttempted)
    assert isinstance(known.outcome, Unknown)


async def test_the_exchange_is_kept_without_who_the_payer_is(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(REFUND, MADE | {"buyer_logon_id": "someone@example.com"}))

    given = await alipay.refund(an_account(), a_refund(), NOW)

    assert given.exchange is not None
    assert given.exchange.operation == "refund"
    assert "someone" not in (given.exchange.response or "")
