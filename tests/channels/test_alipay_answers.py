"""Cutting the signed object out of an answer, and believing nothing unsigned."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.alipay.answers import Trade, members_of, read_answer
from channels.alipay.certificates import serial_number
from channels.http import Reply
from models.channel import Unknown
from tests.channels.alipay_side import (
    NOW,
    SERIAL,
    a_certificate_account,
    a_key,
    alipay_certificate,
    an_account,
    answer,
    next_alipay_certificate,
    root,
)

METHOD = "alipay.trade.query"
PAID = {"code": "10000", "msg": "Success", "out_trade_no": SERIAL, "trade_status": "TRADE_SUCCESS"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
spacing = st.sampled_from(["", " ", "\n", "\t ", "\r\n"])


def read(body: bytes, *, status: int = 200, certificates: bool = False) -> Any:
    account = a_certificate_account() if certificates else an_account()
    return read_answer(
        Reply(status=status, body=body, duration_ms=1),
        method=METHOD,
        parameters=account.parameters,
        now=NOW,
    )


@given(
    value=st.dictionaries(st.text(), json_values, max_size=5),
    before=json_values,
    after=json_values,
    space=spacing,
    escaped=st.booleans(),
)
def test_the_characters_cut_out_are_those_that_were_written(
    value: dict[str, Any], before: Any, after: Any, space: str, escaped: bool
) -> None:
    written = json.dumps(value, ensure_ascii=escaped, indent=1)
    text = (
        f'{space}{{{space}"a":{json.dumps(before)},{space}"it"{space}:{space}{written}{space},'
        f'"z":{json.dumps(after)}}}{space}'
    )

    members = members_of(text)

    assert members["it"].text == written
    assert members["it"].value == value
    assert list(members) == ["a", "it", "z"]


@given(inner=st.text())
def test_braces_and_quotes_inside_a_text_do_not_end_the_object(inner: str) -> None:
    written = json.dumps({"subject": '}"{\\' + inner, "n": {"m": [{}]}}, ensure_ascii=False)

    members = members_of(f'{{"it":{written},"sign":"x"}}')

    assert members["it"].text == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"a":1',
        '{"a":1,}',
        '{"a":1 "b":2}',
        '{"a" 1}',
        '{1:"a"}',
        '{"a":1}{"a":1}',
        '{"a":1} x',
        '{"a":NaN}',
        '{"a":1,"a":1}',
        '{"a":{"b":"\n"}}',
        '{"a":' + "[" * 100_000,
    ],
)
def test_what_is_not_one_json_object_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        members_of(text)


def test_a_signed_answer_is_believed() -> None:
    trade = read(answer(METHOD, PAID))

    assert isinstance(trade, Trade)
    assert trade.trade_status == "TRADE_SUCCESS"


def test_an_answer_signed_by_somebody_else_is_unknown() -> None:
    trade = read(answer(METHOD, PAID, key=a_key("attacker")))

    assert isinstance(trade, Unknown)
    assert "signature" in trade.detail


def test_an_answer_without_a_signature_is_unknown() -> None:
    body = json.dumps({"alipay_trade_query_response": PAID}).encode()

    assert isinstance(read(body), Unknown)


def test_an_unsigned_refusal_is_unknown_and_says_what_it_claimed() -> None:
    refused = {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.PAYMENT_FAIL"}
    body = json.dumps({"alipay_trade_query_response": refused}).encode()

    trade = read(body)

    assert isinstance(trade, Unknown)
    assert trade.channel_code == "40004 ACQ.PAYMENT_FAIL"


def test_a_signature_over_another_object_of_the_answer_counts_for_nothing() -> None:
    signed = answer(METHOD, PAID, name="something_else_response").decode()
    forged = json.dumps(PAID | {"out_trade_no": "other"})
    body = f'{{"alipay_trade_query_response":{forged},{signed[1:]}'

    assert isinstance(read(body.encode()), Unknown)


def test_two_answers_in_one_are_unknown() -> None:
    signed = answer(METHOD, PAID).decode()
    body = f'{{"alipay_trade_query_response":{{"code":"10000"}},{signed[1:]}'

    assert isinstance(read(body.encode()), Unknown)


def test_an_answer_to_another_method_is_unknown() -> None:
    assert isinstance(read(answer("alipay.trade.pay", PAID)), Unknown)


def test_an_error_response_may_be_signed_but_may_not_say_success() -> None:
    refused = {"code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-app-id"}

    assert isinstance(read(answer(METHOD, refused, name="error_response")), Trade)
    assert isinstance(read(answer(METHOD, PAID, name="error_response")), Unknown)


@pytest.mark.parametrize("status", [201, 302, 400, 404, 500, 502, 503])
def test_any_status_but_200_is_unknown_whatever_the_body(status: int) -> None:
    trade = read(answer(METHOD, PAID), status=status)

    assert isinstance(trade, Unknown)
    assert str(status) in trade.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        answer(METHOD, PAID)[:-20],
        answer(METHOD, PAID | {"msg": "成功"}).decode().encode("gbk"),
        b'{"alipay_trade_query_response":"10000","sign":"x"}',
        b'{"alipay_trade_query_response":{"msg":"no code"},"sign":"x"}',
        b"[" * 200_000,
    ],
    ids=["empty", "html", "cut", "gbk", "no object", "no code", "deep"],
)
def test_an_answer_that_cannot_be_read_is_unknown(body: bytes) -> None:
    assert isinstance(read(body), Unknown)


def test_an_amount_that_is_a_number_and_no_text_is_unknown() -> None:
    assert isinstance(read(answer(METHOD, PAID | {"total_amount": 19.99})), Unknown)


@given(data=st.data())
def test_a_flipped_bit_in_an_answer_is_never_believed(data: st.DataObject) -> None:
    body = bytearray(answer(METHOD, PAID))
    start = body.index(b'{"code"')
    end = body.rindex(b'"}')
    at = data.draw(st.integers(start, end - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))

    trade = read(bytes(body))

    assert isinstance(trade, Unknown)


@pytest.mark.parametrize("issued", [alipay_certificate(), next_alipay_certificate()])
def test_in_certificate_mode_the_answer_names_its_certificate(issued: Any) -> None:
    serial = serial_number(issued.certificate)

    trade = read(answer(METHOD, PAID, key=issued.key, certificate_serial=serial), certificates=True)

    assert isinstance(trade, Trade)


@pytest.mark.parametrize(
    "serial",
    [None, "0" * 32, serial_number(next_alipay_certificate().certificate)],
    ids=["none", "unknown", "another"],
)
def test_a_certificate_that_is_unknown_or_not_the_one_named_proves_nothing(
    serial: str | None,
) -> None:
    key = alipay_certificate().key

    trade = read(answer(METHOD, PAID, key=key, certificate_serial=serial), certificates=True)

    assert isinstance(trade, Unknown)


def test_a_root_does_not_sign_answers() -> None:
    serial = serial_number(root().certificate)

    trade = read(answer(METHOD, PAID, key=root().key, certificate_serial=serial), certificates=True)

    assert isinstance(trade, Unknown)
    assert serial in trade.detail
