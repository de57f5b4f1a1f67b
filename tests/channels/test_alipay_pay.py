import base64
import json
import socket
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from channels.alipay.adapter import AlipayChannel
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Confirm,
    Declined,
    NotAttempted,
    Outcome,
    Pending,
    Redirect,
    ShowQrCode,
    Unknown,
)
from models.errors import ChannelMisconfigured
from models.money import Money
from tests.channels.alipay_side import (
    APP_ID,
    EXPIRES_AT,
    NOW,
    SELLER_ID,
    SERIAL,
    TRADE_NO,
    a_certificate_account,
    a_key,
    a_pay_request,
    an_account,
    answer,
    app_key,
    yuan,
)
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
    hangs_up,
    is_silent,
    replies,
    resets,
)

PRECREATE = "alipay.trade.precreate"
PAY = "alipay.trade.pay"
QR_CODE = "https://qr.alipay.example/bax0001"
CREATED = {"code": "10000", "msg": "Success", "out_trade_no": SERIAL, "qr_code": QR_CODE}
PAID = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": SERIAL,
    "trade_no": TRADE_NO,
    "total_amount": "19.99",
    "buyer_user_id": "2088000000000002",
    "buyer_logon_id": "138****0000",
    "gmt_payment": "2026-11-20 12:00:09",
}


def assert_signed_by_the_app(fields: dict[str, str]) -> None:
    content = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "sign")
    app_key().public_key().verify(
        base64.b64decode(fields["sign"]), content.encode(), PKCS1v15(), SHA256()
    )


async def outcome_of(
    alipay: AlipayChannel, gateway: FaultyServer, behaviour: Behaviour, method: str
) -> Outcome:
    gateway.behaviour = behaviour
    return (await alipay.pay(an_account(), a_pay_request(method), NOW)).outcome


# ---- precreate --------------------------------------------------------------------------------


async def test_a_qr_code_is_asked_for_and_shown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(PRECREATE, CREATED))

    paid = await alipay.pay(an_account(), a_pay_request(subject="咖啡 A=B/C&D\n" + "x" * 300), NOW)

    assert paid.outcome == Pending(next_action=ShowQrCode(content=QR_CODE, expires_at=EXPIRES_AT))
    fields = gateway.requests[0]
    assert_signed_by_the_app(fields)
    assert json.loads(fields.pop("biz_content")) == {
        "out_trade_no": SERIAL,
        "total_amount": "19.99",
        "subject": ("咖啡 A＝B／C＆D " + "x" * 300)[:256],
        "time_expire": "2026-11-20 12:15:00",
        "product_code": "FACE_TO_FACE_PAYMENT",
        "seller_id": SELLER_ID,
    }
    fields.pop("sign")
    assert fields == {
        "app_id": APP_ID,
        "method": PRECREATE,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": "2026-11-20 12:00:00",
        "version": "1.0",
        "notify_url": "https://pay.example/callbacks/alipay/acc_1",
    }


async def test_the_fields_sent_are_those_the_adapter_says_it_signs(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(PRECREATE, CREATED))
    request = a_pay_request()

    await alipay.pay(an_account(), request, NOW)

    assert gateway.requests == [alipay.signed_fields(an_account(), request, NOW)]


async def test_certificate_mode_names_the_certificates(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = hangs_up

    await alipay.pay(a_certificate_account(), a_pay_request(), NOW)

    fields = gateway.requests[0]
    assert_signed_by_the_app(fields)
    assert len(fields["app_cert_sn"]) == len(fields["alipay_root_cert_sn"]) == 32


async def test_a_qr_code_ends_after_two_hours_even_if_the_payment_does_not(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(PRECREATE, CREATED))
    request = a_pay_request(expires_at=NOW + timedelta(days=1))

    paid = await alipay.pay(an_account(), request, NOW)

    assert isinstance(paid.outcome, Pending)
    assert isinstance(paid.outcome.next_action, ShowQrCode)
    assert paid.outcome.next_action.expires_at == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    "changes",
    [{"out_trade_no": "another"}, {"qr_code": ""}, {"code": "10003"}],
    ids=["another serial", "no code", "waiting"],
)
async def test_a_precreate_that_does_not_fit_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, changes: dict[str, str]
) -> None:
    behaviour = replies(answer(PRECREATE, CREATED | changes))

    assert isinstance(await outcome_of(alipay, gateway, behaviour, "alipay_qr"), Unknown)


async def test_a_qr_code_somebody_else_signed_is_not_shown(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    behaviour = replies(answer(PRECREATE, CREATED, key=a_key("attacker")))

    assert isinstance(await outcome_of(alipay, gateway, behaviour, "alipay_qr"), Unknown)


# ---- page and wap -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "theirs", "product"),
    [
        ("alipay_page", "alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        ("alipay_wap", "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
    ],
)
async def test_a_cashier_is_a_signed_address_and_no_call(
    alipay: AlipayChannel, gateway: FaultyServer, method: str, theirs: str, product: str
) -> None:
    request = a_pay_request(method, subject="测试 A+B")

    paid = await alipay.pay(an_account(), request, NOW)

    assert gateway.requests == []
    assert paid.exchange is None
    assert isinstance(paid.outcome, Pending)
    assert isinstance(paid.outcome.next_action, Redirect)
    url = urlsplit(paid.outcome.next_action.url)
    fields = dict(parse_qsl(url.query, strict_parsing=True))
    assert_signed_by_the_app(fields)
    assert url._replace(query="").geturl() == gateway.url
    assert fields["method"] == theirs
    assert fields["return_url"] == "https://shop.example/done?a=1&b=2"
    content = json.loads(fields["biz_content"])
    assert content["product_code"] == product
    assert content["subject"] == "测试 A+B"
    assert content.get("quit_url") == (request.return_url if method == "alipay_wap" else None)


# ---- the payer's code -------------------------------------------------------------------------


async def test_a_payers_code_that_is_charged_is_approved(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(PAY, PAID))

    paid = await alipay.pay(an_account(), a_pay_request("alipay_buyer_code"), NOW)

    assert paid.outcome == Approved(
        channel_reference=TRADE_NO,
        money=yuan("19.99"),
        paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
    )
    content = json.loads(gateway.requests[0]["biz_content"])
    assert (content["scene"], content["auth_code"]) == ("bar_code", "285015833990941919")


async def test_a_payer_who_must_enter_a_password_is_pending(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    waiting = {"code": "10003", "msg": "order success pay inprocess", "out_trade_no": SERIAL}
    behaviour = replies(answer(PAY, waiting | {"trade_no": TRADE_NO}))

    outcome = await outcome_of(alipay, gateway, behaviour, "alipay_buyer_code")

    assert isinstance(outcome, Pending)
    assert isinstance(outcome.next_action, Confirm)
    assert outcome.channel_reference == TRADE_NO


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "another"},
        {"total_amount": "20.00"},
        {"total_amount": "0.01"},
        {"total_amount": "+19.99"},
        {"total_amount": ""},
        {"trade_no": ""},
        {"trans_currency": "USD"},
    ],
    ids=str,
)
async def test_a_charge_that_is_not_what_we_asked_for_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, changes: dict[str, str]
) -> None:
    behaviour = replies(answer(PAY, PAID | changes))

    outcome = await outcome_of(alipay, gateway, behaviour, "alipay_buyer_code")

    assert isinstance(outcome, Unknown)


async def test_an_empty_account_is_declined(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    refused = {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": "ACQ.BUYER_BALANCE_NOT_ENOUGH",
        "sub_msg": "买家余额不足",
    }

    outcome = await outcome_of(alipay, gateway, replies(answer(PAY, refused)), "alipay_buyer_code")

    assert outcome == Declined(
        code="insufficient_funds",
        detail="买家余额不足",
        channel_code="40004 ACQ.BUYER_BALANCE_NOT_ENOUGH",
    )


async def test_a_refusal_somebody_else_signed_declines_nothing(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    refused = {"code": "40004", "msg": "", "sub_code": "ACQ.PAYMENT_FAIL"}
    behaviour = replies(answer(PAY, refused, key=a_key("attacker")))

    outcome = await outcome_of(alipay, gateway, behaviour, "alipay_buyer_code")

    assert isinstance(outcome, Unknown)


# ---- faults on the way ------------------------------------------------------------------------

FAULTS = [
    pytest.param(resets, id="reset"),
    pytest.param(hangs_up, id="closed"),
    pytest.param(is_silent, id="silent"),
    pytest.param(replies(b"<html>502</html>", status=502), id="502"),
    pytest.param(replies(answer(PAY, PAID), status=500), id="500 with an answer"),
    pytest.param(replies(answer(PAY, PAID), announced=5_000), id="cut on the way"),
    pytest.param(replies(answer(PAY, PAID)[:-30]), id="cut at the source"),
    pytest.param(replies(b""), id="empty"),
    pytest.param(replies(answer(PAY, PAID | {"msg": "成功"}).decode().encode("gbk")), id="gbk"),
    pytest.param(replies(answer(PAY, PAID), headers="Content-Encoding: gzip\r\n", status=203)),
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("method", ["alipay_qr", "alipay_buyer_code"])
async def test_a_fault_after_sending_is_unknown(
    alipay: AlipayChannel, gateway: FaultyServer, fault: Behaviour, method: str
) -> None:
    gateway.behaviour = fault

    paid = await alipay.pay(an_account(), a_pay_request(method), NOW)

    assert isinstance(paid.outcome, Unknown)
    assert paid.exchange is not None
    assert len(gateway.requests) == 1


async def test_a_refused_connection_was_not_attempted(http: ChannelHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/gateway.do"

        paid = await AlipayChannel(http, gateway_url=url).pay(an_account(), a_pay_request(), NOW)

    assert isinstance(paid.outcome, NotAttempted)
    assert paid.exchange is None


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("alipay_buyer_code", {"payer_code": None}),
        ("alipay_qr", {"money": Money(amount_minor=100, currency="USD")}),
        ("alipay_qr", {"money": Money(amount_minor=0, currency="CNY")}),
        ("alipay_qr", {"money": Money(amount_minor=10_000_000_001, currency="CNY")}),
        ("wechat_qr", {}),
    ],
)
async def test_what_alipay_cannot_take_is_not_sent(
    alipay: AlipayChannel, gateway: FaultyServer, method: str, changes: dict[str, object]
) -> None:
    paid = await alipay.pay(an_account(), a_pay_request(method, **changes), NOW)

    assert isinstance(paid.outcome, NotAttempted)
    assert gateway.requests == []


async def test_another_channels_parameters_are_a_misconfiguration(alipay: AlipayChannel) -> None:
    with pytest.raises(ChannelMisconfigured):
        await alipay.pay(Account(id="acc_9", version=1, parameters={}), a_pay_request(), NOW)


# ---- what is kept -----------------------------------------------------------------------------


async def test_the_exchange_kept_shows_neither_payer_nor_signature(
    alipay: AlipayChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = replies(answer(PAY, PAID | {"buyer_user_name": 'a "name"'}))

    exchange = (await alipay.pay(an_account(), a_pay_request("alipay_buyer_code"), NOW)).exchange

    assert exchange is not None
    assert exchange.response is not None
    assert (exchange.operation, exchange.http_status) == ("pay", 200)
    assert exchange.started_at == NOW
    kept = exchange.request + exchange.response
    for secret in ("285015833990941919", "2088000000000002", "138****0000", "name\\"):
        assert secret not in kept
    assert gateway.requests[0]["sign"] not in kept
    assert '"auth_code":"***"' in exchange.request
    assert "method=alipay.trade.pay" in exchange.request
    assert TRADE_NO in exchange.response


async def test_the_exchange_kept_is_bounded(alipay: AlipayChannel, gateway: FaultyServer) -> None:
    gateway.behaviour = replies(b"\x00" * 100_000)

    exchange = (await alipay.pay(an_account(), a_pay_request(), NOW)).exchange

    assert exchange is not None
    assert exchange.response is not None
    assert len(exchange.response) == 16_384
    assert "\x00" not in exchange.response
