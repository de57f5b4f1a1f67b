"""Callbacks about money held first."""

from datetime import UTC, datetime, timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from models.channel import Approved, CallbackFacts, Declined, Pending, Unknown
from models.errors import BadSignature, InvalidRequest
from tests.channels.alipay_holds import AUTH_NO, hold_notice
from tests.channels.alipay_side import NOW, SERIAL, TRADE_NO, an_account, notice, yuan

CHANNEL = AlipayChannel(
    ChannelHttp(connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=1)),
    gateway_url="http://127.0.0.1/",
)


def parse(body: bytes) -> CallbackFacts | None:
    return CHANNEL.parse_callback(an_account(), {}, body, NOW)


def outcome_of(body: bytes) -> object:
    facts = parse(body)
    assert facts is not None
    return facts.outcome


def a_release(paid: str = "0.00", released: str = "19.99") -> bytes:
    return hold_notice(
        notify_type="fund_auth_unfreeze",
        operation_type="UNFREEZE",
        out_request_no=f"{SERIAL}_U",
        amount=released,
        total_unfreeze_amount=released,
        total_pay_amount=paid,
        rest_amount="0.00",
    )


def test_a_notice_of_a_freeze_is_approved_and_held() -> None:
    assert parse(hold_notice()) == CallbackFacts(
        channel_event_id="2026112000222120009000000000000002",
        serial=SERIAL,
        channel_reference=AUTH_NO,
        outcome=Approved(
            channel_reference=AUTH_NO,
            money=yuan("19.99"),
            paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
            held=True,
        ),
    )


def test_a_replay_is_the_same_event() -> None:
    first, again = parse(hold_notice()), parse(hold_notice(notify_time="2026-11-20 12:04:10"))

    assert first == again


def test_a_notice_of_a_full_release_is_declined() -> None:
    assert outcome_of(a_release()) == Declined(
        code="closed", detail="released", channel_code="UNFREEZE"
    )


def test_a_notice_that_the_rest_of_a_capture_was_released_is_no_news() -> None:
    assert parse(a_release(paid="15.00", released="4.99")) is None


def test_a_release_of_a_part_settles_nothing() -> None:
    assert isinstance(outcome_of(a_release(released="4.99")), Unknown)


def test_the_notice_of_the_completing_trade_tells_of_the_capture() -> None:
    outcome = outcome_of(notice(total_amount="15.00"))

    assert isinstance(outcome, Approved)
    assert (outcome.channel_reference, outcome.money, outcome.held) == (
        TRADE_NO,
        yuan("15.00"),
        False,
    )


def test_an_order_that_ran_out_unconfirmed_is_declined() -> None:
    body = hold_notice(notify_type="fund_auth_freeze.closed", status="CLOSED")

    assert outcome_of(body) == Declined(
        code="closed", detail="closed unauthorized", channel_code="CLOSED"
    )


def test_an_order_that_was_opened_is_pending() -> None:
    body = hold_notice(notify_type="fund_auth_freeze.init", status="INIT")

    assert outcome_of(body) == Pending(channel_reference=AUTH_NO)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "ODD"},
        {"operation_type": "PAY"},
        {"operation_type": "UNFREEZE", "status": "CLOSED"},
        {"pre_auth_type": "CREDIT_AUTH"},
    ],
)
def test_what_is_not_listed_or_holds_no_money_is_unknown(changes: dict[str, str]) -> None:
    assert isinstance(outcome_of(hold_notice(changes)), Unknown)


@pytest.mark.parametrize("name", ["app_id", "payee_user_id"])
def test_a_notice_for_somebody_else_is_refused(name: str) -> None:
    with pytest.raises(BadSignature, match=name):
        parse(hold_notice({name: "2088000000000009"}))


def test_a_payee_is_not_always_named() -> None:
    assert parse(hold_notice(without=("payee_user_id",))) == parse(hold_notice())


def test_an_app_is_always_named() -> None:
    with pytest.raises(BadSignature):
        parse(hold_notice(without=("app_id",)))


@pytest.mark.parametrize("name", ["amount", "status", "auth_no", "out_order_no", "operation_type"])
def test_one_changed_value_is_refused(name: str) -> None:
    body = hold_notice()
    changed = body.replace(f"{name}=".encode(), f"{name}=0".encode(), 1)

    assert changed != body
    with pytest.raises(BadSignature):
        parse(changed)


@pytest.mark.parametrize("name", ["amount", "auth_no", "out_order_no", "notify_id"])
def test_a_signed_notice_without_what_we_need_cannot_be_read(name: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(hold_notice(without=(name,)))


@pytest.mark.parametrize("name", ["operation_type", "status"])
def test_a_notice_that_does_not_say_what_was_done_is_unknown(name: str) -> None:
    assert isinstance(outcome_of(hold_notice(without=(name,))), Unknown)


@pytest.mark.parametrize("name", ["total_freeze_amount", "total_unfreeze_amount"])
def test_a_release_without_its_sums_cannot_be_read(name: str) -> None:
    changes = {"operation_type": "UNFREEZE", "notify_type": "fund_auth_unfreeze"}

    with pytest.raises(InvalidRequest, match=name):
        parse(hold_notice(changes, without=(name,)))


def test_an_amount_that_is_none_cannot_be_read() -> None:
    with pytest.raises(InvalidRequest):
        parse(hold_notice(amount="lots"))
