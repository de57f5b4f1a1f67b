"""Callbacks that an order to hold money was cancelled: they name an action, and no amount."""

from datetime import timedelta

import pytest

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from models.channel import CallbackFacts, Declined, Unknown
from models.errors import BadSignature, InvalidRequest
from tests.channels.alipay_side import APP_ID, NOW, SERIAL, an_account, notice

AUTH_NO = "2026112010002001030501221111"
CHANNEL = AlipayChannel(
    ChannelHttp(connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=1)),
    gateway_url="http://127.0.0.1/",
)


def a_cancel(*, without: str = "", **changes: str) -> bytes:
    """With the fields of a real one, of 2019-06-21."""
    fields = {
        "action": "unfreeze",
        "app_id": APP_ID,
        "auth_app_id": APP_ID,
        "auth_no": AUTH_NO,
        "charset": "utf-8",
        "notify_id": "6a883f5c4c59e9b7e82f10a5941fc9dg02",
        "notify_time": "2026-11-20 12:00:10",
        "notify_type": "fund_auth_operation_cancel",
        "operation_id": "20261120025731320002",
        "out_order_no": SERIAL,
        "out_request_no": f"{SERIAL}_F",
        "version": "1.0",
        **changes,
    }
    return notice(only={name: text for name, text in fields.items() if name != without})


def parse(body: bytes) -> CallbackFacts | None:
    return CHANNEL.parse_callback(an_account(), {}, body, NOW)


@pytest.mark.parametrize(
    ("action", "detail"),
    [("close", "canceled unauthorized"), ("unfreeze", "canceled and released")],
)
def test_a_cancelled_order_is_declined(action: str, detail: str) -> None:
    assert parse(a_cancel(action=action)) == CallbackFacts(
        channel_event_id="6a883f5c4c59e9b7e82f10a5941fc9dg02",
        serial=SERIAL,
        channel_reference=AUTH_NO,
        outcome=Declined(code="closed", detail=detail, channel_code=action),
    )


def test_one_that_is_sent_again_is_the_same_event() -> None:
    assert parse(a_cancel()) == parse(a_cancel(notify_time="2026-11-20 12:04:10"))


@pytest.mark.parametrize("body", [a_cancel(action="maybe"), a_cancel(without="action")])
def test_an_action_we_do_not_know_says_nothing(body: bytes) -> None:
    facts = parse(body)

    assert facts is not None
    assert isinstance(facts.outcome, Unknown)


@pytest.mark.parametrize("name", ["notify_id", "auth_no", "out_order_no"])
def test_one_without_its_numbers_cannot_be_read(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        parse(a_cancel(without=name))


def test_one_for_another_app_is_refused() -> None:
    with pytest.raises(BadSignature, match="app_id"):
        parse(a_cancel(app_id="2021000000000009"))


def test_one_with_another_action_than_was_signed_is_refused() -> None:
    changed = a_cancel(action="close").replace(b"action=close", b"action=unfreeze")

    with pytest.raises(BadSignature):
        parse(changed)
