"""Webhooks: the bytes, the time and the secret are proven before anything is read."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.stripe.adapter import StripeChannel
from channels.stripe.callbacks import check_signature
from models.channel import CallbackFacts
from models.errors import BadSignature
from tests.channels.stripe_side import (
    NEXT_WEBHOOK_SECRET,
    NOW,
    WEBHOOK_SECRET,
    Json,
    an_account,
    event,
    intent,
    signed,
)

_SPECS = Path(__file__).parents[3] / "shared" / "specs"
_VECTOR = _SPECS / "stripe" / "vectors" / "webhook_generated.json"
_BODY = event("payment_intent.succeeded", intent())


def parse(
    silent_stripe: StripeChannel, body: bytes, headers: dict[str, str] | None = None
) -> CallbackFacts | None:
    return silent_stripe.parse_callback(an_account(), headers or signed(body), body, NOW)


# ---- what proves nothing ----------------------------------------------------------------------


def test_an_event_nobody_signed_is_refused(silent_stripe: StripeChannel) -> None:
    with pytest.raises(BadSignature):
        parse(silent_stripe, event("payment_intent.succeeded", intent()), {"content-type": "x"})


def test_an_event_signed_with_another_secret_is_refused(silent_stripe: StripeChannel) -> None:
    body = _BODY

    with pytest.raises(BadSignature):
        parse(silent_stripe, body, signed(body, "whsec_somebody_elses"))


def test_without_a_secret_the_endpoint_is_closed(silent_stripe: StripeChannel) -> None:
    body = _BODY

    with pytest.raises(BadSignature):
        silent_stripe.parse_callback(an_account(webhook_secrets=""), signed(body, ""), body, NOW)


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, NEXT_WEBHOOK_SECRET])
@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_while_a_secret_is_rolled_both_are_good(
    silent_stripe: StripeChannel, secret: str, between: str
) -> None:
    account = an_account(webhook_secrets=f"{WEBHOOK_SECRET}{between}{NEXT_WEBHOOK_SECRET}")
    body = _BODY

    assert silent_stripe.parse_callback(account, signed(body, secret), body, NOW) is not None


def test_any_of_several_signatures_may_be_the_right_one(silent_stripe: StripeChannel) -> None:
    body = _BODY

    assert parse(silent_stripe, body, signed(body, "whsec_old", WEBHOOK_SECRET)) is not None
    assert parse(silent_stripe, body, signed(body, WEBHOOK_SECRET, "whsec_old")) is not None


@pytest.mark.parametrize("scheme", ["v0", "v2", ""])
def test_a_signature_of_another_scheme_is_none(silent_stripe: StripeChannel, scheme: str) -> None:
    body = _BODY

    with pytest.raises(BadSignature):
        parse(silent_stripe, body, signed(body, scheme=scheme))


@pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
def test_a_signature_of_the_last_five_minutes_is_good(
    silent_stripe: StripeChannel, seconds: int
) -> None:
    body = _BODY

    assert parse(silent_stripe, body, signed(body, at=NOW + timedelta(seconds=seconds))) is not None


@pytest.mark.parametrize("seconds", [-301, -86_400, 301, 86_400])
def test_an_old_signature_or_one_from_the_future_is_refused(
    silent_stripe: StripeChannel, seconds: int
) -> None:
    body = _BODY

    with pytest.raises(BadSignature):
        parse(silent_stripe, body, signed(body, at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        "v1=00",
        "t=1763611200",
        "t=soon,v1=00",
        "t=-1,v1=00",
        "t=１７６３６１１２００,v1=00",
        "t=1763611200,v1=é",
        "nonsense",
        ",,,",
        "t=1," * 1_000,
    ],
)
def test_a_header_that_makes_no_sense_is_refused(silent_stripe: StripeChannel, header: str) -> None:
    body = _BODY

    with pytest.raises(BadSignature):
        parse(silent_stripe, body, {"stripe-signature": header})


def test_two_timestamps_are_refused_since_one_of_them_was_not_signed(
    silent_stripe: StripeChannel,
) -> None:
    body = _BODY
    header = signed(body)["stripe-signature"]

    with pytest.raises(BadSignature):
        parse(silent_stripe, body, {"stripe-signature": f"{header},t={int(NOW.timestamp())}"})


def test_the_headers_name_may_be_written_in_any_case(silent_stripe: StripeChannel) -> None:
    body = _BODY

    assert parse(silent_stripe, body, {"Stripe-Signature": signed(body)["stripe-signature"]})


@given(at=st.integers(0, len(_BODY) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_of_the_body_is_found(
    silent_stripe: StripeChannel, at: int, flip: int
) -> None:
    changed = _BODY[:at] + bytes([_BODY[at] ^ flip]) + _BODY[at + 1 :]

    with pytest.raises(BadSignature):
        parse(silent_stripe, changed, signed(_BODY))


@given(at=st.integers(0, 63), digit=st.sampled_from("0123456789abcdef"))
def test_one_changed_digit_of_the_signature_is_found(
    silent_stripe: StripeChannel, at: int, digit: str
) -> None:
    head, _, code = signed(_BODY)["stripe-signature"].rpartition("=")
    changed = code[:at] + digit + code[at + 1 :]
    headers = {"stripe-signature": f"{head}={changed}"}

    if changed == code:
        assert parse(silent_stripe, _BODY, headers) is not None
        return
    with pytest.raises(BadSignature):
        parse(silent_stripe, _BODY, headers)


@given(seconds=st.integers(-300, 300).filter(bool))
def test_a_changed_timestamp_is_found(silent_stripe: StripeChannel, seconds: int) -> None:
    header = signed(_BODY)["stripe-signature"]
    now = int(NOW.timestamp())
    changed = header.replace(f"t={now}", f"t={now + seconds}")

    with pytest.raises(BadSignature):
        parse(silent_stripe, _BODY, {"stripe-signature": changed})


@given(header=st.text(max_size=200), body=st.binary(max_size=200))
def test_noise_is_refused_and_never_breaks(
    silent_stripe: StripeChannel, header: str, body: bytes
) -> None:
    with pytest.raises(BadSignature):
        parse(silent_stripe, body, {"stripe-signature": header})


def test_an_uppercase_signature_is_none(silent_stripe: StripeChannel) -> None:
    code = hmac.new(
        WEBHOOK_SECRET.encode(), b"%d." % int(NOW.timestamp()) + _BODY, hashlib.sha256
    ).hexdigest()
    header = f"t={int(NOW.timestamp())},v1={code.upper()}"

    with pytest.raises(BadSignature):
        parse(silent_stripe, _BODY, {"stripe-signature": header})


# ---- a message somebody else signed -----------------------------------------------------------


@pytest.fixture(scope="module")
def vector() -> Json:
    if not _VECTOR.exists():
        pytest.skip("the shared specifications are not beside this repository")
    read: Json = json.loads(_VECTOR.read_text())
    return read


def test_stripes_own_library_and_we_agree_on_a_signature(vector: Json) -> None:
    at = datetime.fromtimestamp(vector["timestamp"], UTC)
    body, keys = vector["payload"].encode(), (vector["secret"].encode(),)

    check_signature(vector["header"], body, keys=keys, now=at + timedelta(seconds=299))
    with pytest.raises(BadSignature):
        check_signature(vector["header"], body, keys=keys, now=at + timedelta(seconds=301))
    with pytest.raises(BadSignature):
        check_signature(vector["header"], body + b" ", keys=keys, now=at)


def test_our_tests_sign_as_stripes_own_library_does(vector: Json) -> None:
    at = datetime.fromtimestamp(vector["timestamp"], UTC)

    headers = signed(vector["payload"].encode(), vector["secret"], at=at)

    assert headers["stripe-signature"] == vector["header"]
