from datetime import datetime, timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from models.channel import Declined, Outcome, Pending, Unknown
from tests.channels.alipay_side import (
    EXPIRES_AT,
    NOW,
    SERIAL,
    TRADE_NO,
    a_key,
    a_query,
    an_account,
    answer,
)
from tests.channels.faulty_server import FaultyServer, replies

CLOSE = "alipay.trade.close"
CANCEL = "alipay.trade.cancel"
DONE = {"code": "10000", "msg": "Success", "out_trade_no": SERIAL, "trade_no": TRADE_NO}
LONG_AFTER = EXPIRES_AT + timedelta(seconds=60)


async def closed(
    alipay: AlipayChannel,
    gateway: FaultyServer,
    fields: dict[str, str],
    *,
    method: str = "alipay_qr",
    now: datetime = NOW,
) -> Outcome:
    theirs = CANCEL if method == "alipay_buyer_code" else CLOSE
    gateway.behaviour = replies(answer(theirs, fields))
    return (await alipay.close(an_account(), a_query(method), now)).outcome


@pytest.mark.parametrize("method", ["alipay_qr", "alipay_page", "alipay_wap"])
async def test_a_waiting_trade_is_closed(
    alipay: AlipayChannel, gateway: FaultyServer, method: str
) -> None:
    outcome = await closed(alipay, gateway, DONE, method=method)

    assert outcome == Declined(code="closed", detail="closed on request", channel_code="10000")
    assert gateway.requests[0]["method"] == CLOSE


@pytest.mark.parametrize(
    "sub_code",
    [
        "ACQ.TRADE_STATUS_ERROR",
        "ACQ.REASON_TRADE_STATUS_INVALID",
        "ACQ.REASON_ILLEGAL_STATUS",
        "ACQ.SYSTEM_ERROR",
        "ACQ.INVALID_PARAMETER",
        "ACQ.TRADE_HAS_CLOSE",
    ],
)
async def test_a_close_that_is_refused_is_unknown_so_that_the_caller_asks(
    alipay: AlipayChannel, gateway: FaultyServer, sub_code: str
) -> None:
    fields = {"code": "40004", "msg": "Business Failed", "sub_code": sub_code}

    assert isinstance(await closed(alipay, gateway, fields, now=LONG_AFTER), Unknown)


async def test_a_trade_never_opened_cannot_be_closed_before_its_end(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    absent = {"code": "40004", "msg": "", "sub_code": "ACQ.TRADE_NOT_EXIST"}

    early = await closed(alipay, gateway, absent)
    over = await closed(alipay, gateway, absent, now=LONG_AFTER)

    assert isinstance(early, Pending)
    assert isinstance(over, Declined)


async def test_a_close_of_another_serial_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    for method in ("alipay_qr", "alipay_buyer_code"):
        fields = DONE | {"out_trade_no": "another", "action": "close", "retry_flag": "N"}

        assert isinstance(await closed(alipay, gateway, fields, method=method), Unknown)


async def test_a_close_somebody_else_signed_closes_nothing(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(CLOSE, DONE, key=a_key("attacker")))

    outcome = (await alipay.close(an_account(), a_query(), NOW)).outcome

    assert isinstance(outcome, Unknown)


async def test_a_payers_code_is_canceled(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    fields = DONE | {"action": "close", "retry_flag": "N"}

    outcome = await closed(alipay, gateway, fields, method="alipay_buyer_code")

    assert outcome == Declined(code="closed", detail="closed on request", channel_code="10000")
    assert gateway.requests[0]["method"] == CANCEL


async def test_a_cancel_that_gave_money_back_says_so(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    fields = DONE | {"action": "refund", "retry_flag": "N"}

    outcome = await closed(alipay, gateway, fields, method="alipay_buyer_code")

    assert outcome == Declined(
        code="closed",
        detail="it had been paid; canceling it gave the money back",
        channel_code="refund",
    )


@pytest.mark.parametrize("action", ["close", "refund", ""])
async def test_a_cancel_that_wants_to_be_repeated_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, action: str
) -> None:
    fields = DONE | {"action": action, "retry_flag": "Y"}

    assert isinstance(
        await closed(alipay, gateway, fields, method="alipay_buyer_code", now=LONG_AFTER), Unknown
    )


async def test_a_cancel_that_found_nothing_is_an_end(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    nothing = {"code": "10000", "msg": "Success", "out_trade_no": SERIAL, "retry_flag": "N"}

    outcome = await closed(alipay, gateway, nothing, method="alipay_buyer_code")

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.channel_code) == ("closed", "no action")


async def test_an_action_we_do_not_list_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    fields = DONE | {"action": "freeze", "retry_flag": "N"}

    outcome = await closed(alipay, gateway, fields, method="alipay_buyer_code", now=LONG_AFTER)

    assert isinstance(outcome, Unknown)
    assert "freeze" in outcome.detail
