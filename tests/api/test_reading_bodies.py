"""Reading a request body: what is refused, with which code, pointing where."""

import json
from typing import Any

import pytest

from api.new_payment import NewPayment
from api.requests import BODY_MAX, RawBody, parse
from models.errors import InvalidRequest

JSON = "application/json"

AN_ORDER: dict[str, Any] = {
    "order_no": "A-1",
    "merchant_id": "mer_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "amount": 1999,
    "currency": "CNY",
    "method": "alipay_qr",
    "subject": "Two tickets",
}


def read(content: bytes, content_type: str = JSON) -> NewPayment:
    return parse(NewPayment, RawBody(content_type, content))


def refusal(content: bytes, content_type: str = JSON) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read(content, content_type)
    return refused.value


def order_with(**fields: Any) -> bytes:
    return json.dumps(AN_ORDER | fields).encode()


def test_a_plain_order_is_read() -> None:
    order = read(order_with())

    assert (order.amount, order.currency, order.expires_in) == (1999, "CNY", None)


@pytest.mark.parametrize(
    "code", ["281234567890123456", "pm_1Oexample00000000000000001", "pm_card_visa"]
)
def test_a_wallets_code_and_a_card_forms_token_are_both_payers_codes(code: str) -> None:
    assert read(order_with(payer_code=code)).payer_code == code


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_in_utf_8_is_the_one_media_type(content_type: str) -> None:
    assert read(order_with(), content_type).order_no == "A-1"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json; charset=utf-16", "application/xml"]
)
def test_another_media_type_is_refused(content_type: str) -> None:
    assert refusal(order_with(), content_type).code == "unsupported-media-type"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"amount": 1} x',
        b'{"amount": NaN}',
        b'{"amount": Infinity}',
        b'{"amount": -Infinity}',
        b'{"amount": 1, "amount": 2}',
        b'{"merchant": {"id": 1, "id": 1}}',
        b'{"subject": "\xff"}',
        b'\xef\xbb\xbf{"amount": 1}',
        '{"subject": "x"}'.encode("utf-16"),
        b"[" * 20_000,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b'{"amount": ' + b"9" * 5_000 + b"}",
        b'{"\\ud800": 1}',
    ],
    ids=lambda content: content[:24].decode("latin-1"),
)
def test_what_is_not_one_plain_json_object_is_malformed(content: bytes) -> None:
    assert refusal(content or b" ").code == "malformed"


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"amount": True}, "#/amount", "not-an-integer"),
        ({"amount": 19.99}, "#/amount", "not-an-integer"),
        ({"amount": 20.0}, "#/amount", "not-an-integer"),
        ({"amount": 1e3}, "#/amount", "not-an-integer"),
        ({"amount": "1999"}, "#/amount", "not-an-integer"),
        ({"amount": "1e3"}, "#/amount", "not-an-integer"),
        ({"amount": None}, "#/amount", "not-an-integer"),
        ({"amount": [1999]}, "#/amount", "not-an-integer"),
        ({"amount": 0}, "#/amount", "too-small"),
        ({"amount": -1}, "#/amount", "too-small"),
        ({"amount": 100_000_000_000_000}, "#/amount", "too-large"),
        ({"amount": 2**70}, "#/amount", "too-large"),
        ({"currency": "XXQ"}, "#/currency", "currency-unsupported"),
        ({"currency": "cny"}, "#/currency", "currency-unsupported"),
        ({"currency": 156}, "#/currency", "not-a-string"),
        ({"currency": "CN"}, "#/currency", "too-short"),
        ({"order_no": ""}, "#/order_no", "too-short"),
        ({"order_no": "x" * 65}, "#/order_no", "too-long"),
        ({"order_no": "A 1"}, "#/order_no", "characters"),
        ({"order_no": "A\n"}, "#/order_no", "characters"),
        ({"order_no": "订单"}, "#/order_no", "characters"),
        ({"order_no": "4111111111111111"}, "#/order_no", "pan-not-accepted"),
        ({"order_no": 17}, "#/order_no", "not-a-string"),
        ({"subject": "a\x00b"}, "#/subject", "control-character"),
        ({"subject": "a\r\nb"}, "#/subject", "control-character"),
        ({"subject": "\ud800"}, "#/subject", "control-character"),
        ({"subject": "   "}, "#/subject", "blank"),
        ({"subject": "x" * 129}, "#/subject", "too-long"),
        ({"subject": "paid by 4111 1111 1111 1111"}, "#/subject", "pan-not-accepted"),
        ({"subject": "378282246310005"}, "#/subject", "pan-not-accepted"),
        ({"subject": "４１１１１１１１１１１１１１１１"}, "#/subject", "pan-not-accepted"),
        ({"expires_in": 59}, "#/expires_in", "too-small"),
        ({"expires_in": 604_801}, "#/expires_in", "too-large"),
        ({"expires_in": "900"}, "#/expires_in", "not-an-integer"),
        ({"return_url": "javascript:alert(1)"}, "#/return_url", "url"),
        ({"return_url": "https://"}, "#/return_url", "url"),
        ({"return_url": "https://me:secret@shop.example.com"}, "#/return_url", "url"),
        ({"return_url": "https://[::1"}, "#/return_url", "url"),
        ({"return_url": "https://shop.example.com/a b"}, "#/return_url", "characters"),
        ({"return_url": "https://shop.example.com/" + "x" * 2048}, "#/return_url", "too-long"),
        ({"payer_code": "12"}, "#/payer_code", "too-short"),
        ({"payer_code": "4111111111111111"}, "#/payer_code", "payer-code"),
        ({"payer_code": "pm_4111111111111111"}, "#/payer_code", "payer-code"),
        ({"payer_code": "sk_test_4eC39HqLyjWDar"}, "#/payer_code", "payer-code"),
        ({"late_success": "keep"}, "#/late_success", "not-a-choice"),
        ({"status": "succeeded"}, "#/status", "unknown-field"),
        ({"a/b~c": 1}, "#/a~1b~0c", "unknown-field"),
        ({"4111111111111111": 1}, "#/redacted", "unknown-field"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_a_wrong_field_is_pointed_at(fields: dict[str, Any], pointer: str, code: str) -> None:
    refused = refusal(order_with(**fields))

    assert [(p.pointer, p.code) for p in refused.problems] == [(pointer, code)]


def test_a_card_number_has_a_code_of_its_own_and_is_not_repeated() -> None:
    refused = refusal(order_with(subject="4111-1111-1111-1111"))

    assert refused.code == "pan-not-accepted"
    assert "4111" not in refused.detail + str(refused.problems)


def test_every_missing_field_is_named() -> None:
    refused = refusal(b"{}")

    # Without a method the payer chooses one.
    assert {p.pointer for p in refused.problems} == {f"#/{name}" for name in AN_ORDER} - {
        "#/method"
    }
    assert {p.code for p in refused.problems} == {"required"}


def test_long_order_numbers_that_are_no_card_numbers_are_taken() -> None:
    assert read(order_with(order_no="20261120123456782")).order_no == "20261120123456782"


def test_the_bound_of_bodies_is_far_above_the_largest_of_ours() -> None:
    assert len(order_with(subject="x" * 128, return_url="https://a.example/" + "x" * 2000)) < (
        BODY_MAX // 16
    )
