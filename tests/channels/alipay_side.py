"""Alipay's side of the protocol, for tests: its keys, its signed answers, its notices.

Written from the protocol, not with the adapter's code, so that the two check each other.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from channels.alipay.parameters import AlipayParameters
from channels.base import Account
from models.channel import PayRequest, QueryRequest, RefundRequest
from models.money import Money

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
EXPIRES_AT = NOW + timedelta(minutes=15)
APP_ID = "2021000000000001"
SELLER_ID = "2088000000000001"
SERIAL = "01KAH3ZZZZZZZZZZZZZZZZZZZZ01"
TRADE_NO = "2026112022001400000000000001"


@cache
def a_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A fresh key, the same one for the same name."""
    return rsa.generate_private_key(65537, bits)


def app_key() -> rsa.RSAPrivateKey:
    return a_key("app")


def alipay_key() -> rsa.RSAPrivateKey:
    return a_key("alipay")


def private_pem(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def in_key_mode() -> dict[str, str]:
    """Parameters as an admin enters them in key mode."""
    return {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "app_private_key": private_pem(app_key()),
        "alipay_public_key": public_pem(alipay_key()),
    }


# ---- certificates -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def issue(
    name: str,
    *,
    by: Issued | None = None,
    authority: bool = False,
    start: datetime = NOW - timedelta(days=1),
    end: datetime = NOW + timedelta(days=365),
) -> Issued:
    """A certificate for a key of its own, self-signed unless issued `by` somebody."""
    key = a_key(name)
    subject = _name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test 测试"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


@cache
def root() -> Issued:
    return issue("root", authority=True)


@cache
def intermediate() -> Issued:
    return issue("intermediate", by=root(), authority=True)


@cache
def app_certificate() -> Issued:
    return issue("app", by=root())


@cache
def alipay_certificate() -> Issued:
    return issue("alipay", by=intermediate())


@cache
def next_alipay_certificate() -> Issued:
    return issue("alipay next", by=intermediate())


def in_certificate_mode(*more_alipay: Issued) -> dict[str, str]:
    """Parameters as an admin enters them in certificate mode."""
    bundle = (alipay_certificate(), *more_alipay, intermediate())
    return {
        "app_id": APP_ID,
        "seller_id": SELLER_ID,
        "app_private_key": private_pem(app_key()),
        "app_certificate": app_certificate().pem,
        "alipay_certificate": "\n".join(issued.pem for issued in bundle),
        "alipay_root_certificate": root().pem,
    }


@cache
def an_account() -> Account:
    parameters = AlipayParameters.model_validate(in_key_mode())
    return Account(id="acc_1", version=1, parameters=parameters)


@cache
def a_certificate_account() -> Account:
    parameters = AlipayParameters.model_validate(in_certificate_mode(next_alipay_certificate()))
    return Account(id="acc_2", version=1, parameters=parameters)


# ---- messages ---------------------------------------------------------------------------------


def signature(content: bytes, key: rsa.RSAPrivateKey | None = None) -> str:
    raw = (key or alipay_key()).sign(content, padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(raw).decode()


def answer(
    method: str,
    fields: Mapping[str, object],
    *,
    key: rsa.RSAPrivateKey | None = None,
    certificate_serial: str | None = None,
    name: str | None = None,
) -> bytes:
    """A signed answer of the gateway to `method`."""
    content = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    parts = [f'"{name or method.replace(".", "_") + "_response"}":{content}']
    if certificate_serial is not None:
        parts.append(f'"alipay_cert_sn":"{certificate_serial}"')
    parts.append(f'"sign":"{signature(content.encode(), key)}"')
    return f"{{{','.join(parts)}}}".encode()


def notice_fields(**changes: str) -> dict[str, str]:
    """The fields of a paid trade's notice, unsigned."""
    return {
        "app_id": APP_ID,
        "auth_app_id": APP_ID,
        "buyer_id": "2088000000000002",
        "charset": "utf-8",
        "fund_bill_list": '[{"amount":"19.99","fundChannel":"ALIPAYACCOUNT"}]',
        "gmt_create": "2026-11-20 12:00:01",
        "gmt_payment": "2026-11-20 12:00:09",
        "notify_id": "2026112000222120009000000000000001",
        "notify_time": "2026-11-20 12:00:10",
        "notify_type": "trade_status_sync",
        "out_trade_no": SERIAL,
        "seller_id": SELLER_ID,
        "subject": "两杯咖啡 + 一块蛋糕",
        "total_amount": "19.99",
        "trade_no": TRADE_NO,
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
        **changes,
    }


def notice(
    changed: Mapping[str, str] | None = None,
    *,
    key: rsa.RSAPrivateKey | None = None,
    with_sign_type: bool = False,
    encoding: str = "utf-8",
    only: Mapping[str, str] | None = None,
    **changes: str,
) -> bytes:
    """A signed notice as it arrives; `only`: these are all of its fields."""
    fields = dict(only) if only else notice_fields(**changes, **(changed or {}))
    signed = {**fields, "sign_type": "RSA2"} if with_sign_type else fields
    content = "&".join(f"{name}={signed[name]}" for name in sorted(signed)).encode(encoding)
    sent = {**fields, "sign_type": "RSA2", "sign": signature(content, key)}
    return "&".join(
        f"{name}={quote_plus(value, encoding=encoding)}" for name, value in sent.items()
    ).encode()


def yuan(text: str) -> Money:
    return Money.from_decimal_text(text, "CNY")


def a_pay_request(method: str = "alipay_qr", **changes: object) -> PayRequest:
    request = PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=SERIAL,
        method=method,
        money=Money(amount_minor=19_99, currency="CNY"),
        subject="Two coffees",
        expires_at=EXPIRES_AT,
        notify_url="https://pay.example/callbacks/alipay/acc_1",
        return_url="https://shop.example/done?a=1&b=2",
        payer_code="285015833990941919" if method == "alipay_buyer_code" else None,
    )
    return request.model_copy(update=changes)


def a_query(method: str = "alipay_qr", **changes: object) -> QueryRequest:
    request = QueryRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=SERIAL,
        method=method,
        money=Money(amount_minor=19_99, currency="CNY"),
        expires_at=EXPIRES_AT,
    )
    return request.model_copy(update=changes)


def a_refund(**changes: object) -> RefundRequest:
    request = RefundRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        refund_id="ref_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        refund_serial="R1",
        serial=SERIAL,
        channel_reference=TRADE_NO,
        money=Money(amount_minor=5_00, currency="CNY"),
        paid=Money(amount_minor=19_99, currency="CNY"),
    )
    return request.model_copy(update=changes)
