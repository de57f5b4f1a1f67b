from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from channels.alipay.adapter import AlipayChannel
from channels.http import ChannelHttp
from models.channel import Approved, CallbackFacts, Declined, Pending, Unknown
from models.errors import BadSignature, InvalidRequest
from tests.channels.alipay_side import (
    NOW,
    SERIAL,
    TRADE_NO,
    a_certificate_account,
    a_key,
    alipay_certificate,
    an_account,
    next_alipay_certificate,
    notice,
    yuan,
)

CHANNEL = AlipayChannel(
    ChannelHttp(connect_timeout=timedelta(seconds=1), read_timeout=timedelta(seconds=1)),
    gateway_url="http://127.0.0.1/",
)
NOTICE = notice()


def parse(body: bytes) -> CallbackFacts:
    facts = CHANNEL.parse_callback(an_account(), {}, body, NOW)
    assert facts is not None
    return facts


def fields_of(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")


def test_a_notice_of_a_paid_trade_is_approved_with_its_amount() -> None:
    facts = parse(NOTICE)

    assert facts == CallbackFacts(
        channel_event_id="2026112000222120009000000000000001",
        serial=SERIAL,
        channel_reference=TRADE_NO,
        outcome=Approved(
            channel_reference=TRADE_NO,
            money=yuan("19.99"),
            paid_at=datetime(2026, 11, 20, 4, 0, 9, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_FINISHED"])
def test_both_paid_states_are_approved(status: str) -> None:
    assert isinstance(parse(notice(trade_status=status)).outcome, Approved)


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED", "TRADE_FINISHED"])
def test_a_notice_of_a_refund_is_about_that_refund_and_no_payment(status: str) -> None:
    body = notice(
        trade_status=status,
        gmt_refund="2026-11-21 10:00:00.000",
        refund_fee="1.00",
        out_biz_no="R1",
    )

    assert parse(body) == CallbackFacts(
        channel_event_id="2026112000222120009000000000000001",
        serial="R1",
        channel_reference=TRADE_NO,
        about="refund",
        outcome=Unknown(detail="a refund was made, 1.00 of the trade so far", channel_code=status),
    )


@pytest.mark.parametrize("status", ["TRADE_SUCCESS", "TRADE_CLOSED"])
@pytest.mark.parametrize(
    "signs",
    [
        {"gmt_refund": "2026-11-21 10:00:00.000"},
        {"refund_fee": "19.99"},
        {"refund_fee": "19.99", "out_biz_no": ""},
    ],
)
def test_a_notice_of_a_refund_without_its_number_neither_pays_nor_closes(
    status: str, signs: dict[str, str]
) -> None:
    facts = parse(notice(signs, trade_status=status))

    assert (facts.about, facts.serial) == ("payment", SERIAL)
    assert isinstance(facts.outcome, Pending)


@pytest.mark.parametrize("signs", [{"refund_fee": "0.00"}, {"gmt_refund": "", "refund_fee": ""}])
def test_a_notice_that_names_no_refunded_money_is_about_the_payment(signs: dict[str, str]) -> None:
    assert isinstance(parse(notice(signs)).outcome, Approved)


def test_a_closed_trade_is_declined() -> None:
    outcome = parse(notice(trade_status="TRADE_CLOSED")).outcome

    assert outcome == Declined(code="closed", detail="closed unpaid", channel_code="TRADE_CLOSED")


def test_a_trade_that_waits_is_pending() -> None:
    outcome = parse(notice(trade_status="WAIT_BUYER_PAY")).outcome

    assert outcome == Pending(channel_reference=TRADE_NO)


def test_a_state_we_do_not_list_is_unknown_and_says_what_it_was() -> None:
    outcome = parse(notice(trade_status="TRADE_PENDING")).outcome

    assert isinstance(outcome, Unknown)
    assert "TRADE_PENDING" in outcome.detail


def test_a_notice_signed_with_its_sign_type_verifies_too() -> None:
    assert parse(notice(with_sign_type=True)) == parse(NOTICE)


def test_a_notice_in_gbk_verifies_over_its_own_bytes() -> None:
    assert parse(notice(charset="GBK", encoding="gbk")).serial == SERIAL


@pytest.mark.parametrize(
    ("charset", "encoding"), [("utf-8", "gbk"), ("latin-1", "utf-8"), ("utf-16", "utf-8")]
)
def test_a_notice_not_in_its_charset_cannot_be_read(charset: str, encoding: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(notice(charset=charset, encoding=encoding))


def test_a_value_is_unescaped_only_once() -> None:
    assert parse(notice(subject="100%25 off %2B tax")).serial == SERIAL


@pytest.mark.parametrize(
    "changes",
    [{"app_id": "2021000000000009"}, {"seller_id": "2088000000000009"}, {"seller_id": ""}],
)
def test_a_genuine_notice_for_somebody_else_is_a_bad_signature(changes: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        parse(notice(changes))


def test_a_notice_signed_by_somebody_else_is_refused() -> None:
    with pytest.raises(BadSignature):
        parse(notice(key=a_key("attacker")))


@pytest.mark.parametrize("field", [b"sign", b"sign_type"])
def test_a_notice_without_its_signature_fields_is_refused(field: bytes) -> None:
    body = b"&".join(p for p in NOTICE.split(b"&") if not p.startswith(field + b"="))

    with pytest.raises(BadSignature):
        parse(body)


def test_another_signature_algorithm_is_refused() -> None:
    with pytest.raises(BadSignature):
        parse(NOTICE.replace(b"sign_type=RSA2", b"sign_type=RSA"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&",
        b"{}",
        b"a",
        b"=b",
        NOTICE + b"&" + NOTICE.split(b"&")[0],
        NOTICE + b"&%73ign=x",
        NOTICE + b"&a=%zz",
        NOTICE + b"&",
        b"a=" + b"x" * 65_536,
        b"&".join(b"a%d=1" % n for n in range(201)),
    ],
)
def test_what_is_no_form_or_names_a_field_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body)


def test_an_added_field_is_refused_even_when_empty() -> None:
    for added in (b"&a=1", b"&a="):
        with pytest.raises(BadSignature):
            parse(NOTICE + added)


@pytest.mark.parametrize(
    "changes",
    [
        {"total_amount": "19.999"},
        {"total_amount": "-19.99"},
        {"total_amount": "1e3"},
        {"total_amount": ""},
        {"out_trade_no": "x" * 65},
        {"out_trade_no": "a b"},
        {"notify_id": ""},
        {"trade_status": ""},
    ],
)
def test_a_genuine_notice_that_cannot_be_read_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        parse(notice(changes))


@given(data=st.data())
def test_a_flipped_bit_anywhere_never_yields_facts(data: st.DataObject) -> None:
    body = bytearray(NOTICE)
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = bytes(body)
    # %2f and %2F are the same character, spelled twice.
    assume(fields_of(changed) != fields_of(NOTICE))

    with pytest.raises((BadSignature, InvalidRequest)):
        parse(changed)


@given(body=st.binary(max_size=200))
@example(body=b"\x00")
def test_noise_is_refused_and_never_breaks(body: bytes) -> None:
    with pytest.raises((BadSignature, InvalidRequest)):
        parse(body)


def test_a_signature_has_one_spelling() -> None:
    head, _, tail = NOTICE.rpartition(b"sign=")
    padding = tail.index(b"%3D%3D")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%2B%2F"
    last = tail[padding - 1 : padding]
    same_bytes = letters[letters.index(last) + 1 : letters.index(last) + 2]
    respelled = head + b"sign=" + tail[: padding - 1] + same_bytes + tail[padding:]

    with pytest.raises(BadSignature):
        parse(respelled)


@pytest.mark.parametrize("issued", ["old", "new"])
def test_in_certificate_mode_each_configured_certificate_may_sign(issued: str) -> None:
    signer = {"old": alipay_certificate, "new": next_alipay_certificate}[issued]()

    facts = CHANNEL.parse_callback(a_certificate_account(), {}, notice(key=signer.key), NOW)

    assert facts is not None
    assert facts.serial == SERIAL


def test_a_certificate_that_ran_out_proves_nothing_any_more() -> None:
    later = NOW + timedelta(days=366)

    with pytest.raises(BadSignature):
        CHANNEL.parse_callback(
            a_certificate_account(), {}, notice(key=alipay_certificate().key), later
        )


def test_the_acknowledgement_is_exactly_seven_bytes() -> None:
    accepted = CHANNEL.acknowledgement(accepted=True)
    refused = CHANNEL.acknowledgement(accepted=False)

    assert (accepted.status_code, accepted.body.encode()) == (200, b"success")
    assert accepted.content_type == "text/plain"
    assert refused.body == "fail"
