"""The SDKs as judges of our adapter: of what it signs, and of what it accepts as signed."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from channels.alipay.adapter import AlipayChannel
from channels.alipay.parameters import AlipayParameters
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import Approved, PayRequest, QueryRequest
from models.errors import BadSignature
from models.money import Money
from tests.cross_check.conftest import Driver, private_key_pem
from tests.sandbox.merchant import merchant_key, public_pem

pytestmark = pytest.mark.cross_check

_NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
_SERIAL = "01KAH3ZZZZZZZZZZZZZZZZZZZZ01"
_SUBJECTS = ("Two coffees", "两杯咖啡 + 一块蛋糕", 'a "b" \\ c%20d&e=f/g 😀', "  spaced  ")


@pytest.fixture
async def alipay() -> Any:
    """The adapter; nothing here goes over the network."""
    patience = timedelta(seconds=1)
    async with ChannelHttp(connect_timeout=patience, read_timeout=patience) as http:
        yield AlipayChannel(http, gateway_url="http://127.0.0.1:1/gateway.do")


def _account(app: dict[str, str], *names: str) -> Account:
    wanted = ("app_id", "seller_id", "app_private_key", *names)
    parameters = AlipayParameters.model_validate({name: app[name] for name in wanted})
    return Account(id="acc_1", version=1, parameters=parameters)


@pytest.fixture
def account(app: dict[str, str]) -> Account:
    return _account(app, "alipay_public_key")


@pytest.fixture
def certified_account(certified_app: dict[str, str]) -> Account:
    certificates = ("app_certificate", "alipay_certificate", "alipay_root_certificate")
    return _account(certified_app, *certificates)


def a_payment(method: str, subject: str = _SUBJECTS[0]) -> PayRequest:
    return PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=_SERIAL,
        method=method,
        money=Money(amount_minor=19_99, currency="CNY"),
        subject=subject,
        expires_at=_NOW + timedelta(minutes=15),
        notify_url="https://pay.example/callbacks/alipay/acc_1?a=1&b=2",
        return_url="https://shop.example/done?x=1&y=2",
        payer_code="285015833990941919" if method == "alipay_buyer_code" else None,
    )


def a_query() -> QueryRequest:
    return QueryRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=_SERIAL,
        method="alipay_qr",
        money=Money(amount_minor=19_99, currency="CNY"),
        expires_at=_NOW + timedelta(minutes=15),
    )


_REQUESTS = [
    *(a_payment("alipay_qr", subject) for subject in _SUBJECTS),
    a_payment("alipay_page"),
    a_payment("alipay_wap"),
    a_payment("alipay_buyer_code"),
    a_query(),
]


@pytest.mark.parametrize("request_", _REQUESTS, ids=lambda request: request.method)
def test_the_official_sdk_would_have_signed_the_same(
    official_sdk: Driver,
    alipay: AlipayChannel,
    account: Account,
    request_: PayRequest | QueryRequest,
) -> None:
    fields = alipay.signed_fields(account, request_, _NOW)
    signature = fields.pop("sign")

    content = official_sdk("sign_content", params=fields)
    theirs = official_sdk("sign", private_key=private_key_pem(merchant_key()), content=content)

    assert signature == theirs


def test_the_official_sdk_verifies_our_signature_and_no_other(
    official_sdk: Driver, alipay: AlipayChannel, account: Account
) -> None:
    fields = alipay.signed_fields(account, a_payment("alipay_qr", _SUBJECTS[1]), _NOW)
    signature = fields.pop("sign")
    content = official_sdk("sign_content", params=fields)
    key = public_pem(merchant_key())

    assert official_sdk("verify", public_key=key, content=content, sign=signature)
    assert not official_sdk("verify", public_key=key, content=content + " ", sign=signature)


def test_the_community_sdk_names_our_certificates_as_we_do(
    community_sdk: Driver,
    alipay: AlipayChannel,
    certified_account: Account,
    certified_app: dict[str, str],
) -> None:
    fields = alipay.signed_fields(certified_account, a_query(), _NOW)

    named = community_sdk(
        "serials",
        certificate=certified_app["app_certificate"],
        root=certified_app["alipay_root_certificate"],
    )

    assert fields["app_cert_sn"] == named["certificate"]
    assert fields["alipay_root_cert_sn"] == named["root"]


@cache
def _sdk_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _notice(app: dict[str, str]) -> dict[str, str]:
    return {
        "app_id": app["app_id"],
        "charset": "utf-8",
        "gmt_payment": "2026-11-20 12:00:09",
        "notify_id": "2026112000222120009000000000000001",
        "notify_time": "2026-11-20 12:00:10",
        "notify_type": "trade_status_sync",
        "out_trade_no": _SERIAL,
        "seller_id": app["seller_id"],
        "subject": _SUBJECTS[1],
        "total_amount": "19.99",
        "trade_no": "2026112022001400000000000001",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
    }


@pytest.fixture
def account_that_trusts_the_sdk(app: dict[str, str]) -> Account:
    """Its "Alipay key" is the one the SDK is about to sign with."""
    return _account({**app, "alipay_public_key": public_pem(_sdk_key())}, "alipay_public_key")


def test_we_accept_a_notice_the_official_sdk_signed(
    official_sdk: Driver,
    alipay: AlipayChannel,
    account_that_trusts_the_sdk: Account,
    app: dict[str, str],
) -> None:
    notice = _notice(app)
    content = official_sdk("sign_content", params=notice)
    signature = official_sdk("sign", private_key=private_key_pem(_sdk_key()), content=content)
    body = urlencode({**notice, "sign_type": "RSA2", "sign": signature}).encode()

    facts = alipay.parse_callback(account_that_trusts_the_sdk, {}, body, _NOW)

    assert facts is not None
    assert facts.serial == _SERIAL
    assert isinstance(facts.outcome, Approved)
    assert facts.outcome.money == Money(amount_minor=19_99, currency="CNY")


def test_we_refuse_it_once_a_digit_has_changed(
    official_sdk: Driver,
    alipay: AlipayChannel,
    account_that_trusts_the_sdk: Account,
    app: dict[str, str],
) -> None:
    notice = _notice(app)
    content = official_sdk("sign_content", params=notice)
    signature = official_sdk("sign", private_key=private_key_pem(_sdk_key()), content=content)
    changed = {**notice, "total_amount": "19.98", "sign_type": "RSA2", "sign": signature}

    with pytest.raises(BadSignature):
        alipay.parse_callback(account_that_trusts_the_sdk, {}, urlencode(changed).encode(), _NOW)
