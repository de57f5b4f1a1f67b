"""Every refusal Alipay documents, written out by hand beside the adapter's own table."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.alipay.errors import (
    meaning_of,
    outcome_of_refusal,
    outcome_of_refused_refund,
    refund_meaning_of,
)
from models.channel import Declined, NotAttempted, Unknown

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "alipay" / "alipay-v3.reconstructed.json"

UNKNOWN = [
    ("20000", "isp.unknow-error"),
    ("20000", "aop.unknow-error"),
    ("20000", ""),
    ("20000", "ACQ.PAYMENT_FAIL"),
    ("40004", "ACQ.SYSTEM_ERROR"),
    ("40004", "aop.ACQ.SYSTEM_ERROR"),
    ("40004", "AQC.SYSTEM_ERROR"),
    ("40004", "SYSTEM_ERROR"),
    ("40004", "ACQ.TRADE_HAS_SUCCESS"),
    ("40004", "ACQ.CONTEXT_INCONSISTENT"),
    ("40004", "ACQ.TRADE_BUYER_NOT_MATCH"),
    ("40004", "ACQ.TRADE_STATUS_ERROR"),
    ("40004", "ACQ.TRADE_NOT_EXIST"),
    ("40004", "SYSTEM_BUSY"),
    ("40004", "SYSTEM_RATE_LIMIT"),
    ("40004", "REQUEST_PROCESSING"),
    ("40004", "BANK_RESPONSE_ERROR"),
    ("40002", "isv.unknow-error"),
    # not listed, or not under that code
    ("40004", "ACQ.NEVER_HEARD_OF"),
    ("40004", ""),
    ("40004", "isv.invalid-signature"),
    ("40002", "ACQ.PAYMENT_FAIL"),
    ("40005", "isv.never-heard-of"),
    ("50000", "ACQ.PAYMENT_FAIL"),
    ("", ""),
]

DECLINED = [
    ("40004", "ACQ.BUYER_BALANCE_NOT_ENOUGH", "insufficient_funds"),
    ("40004", "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH", "insufficient_funds"),
    ("40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", "payer_code_invalid"),
    ("40004", "ACQ.TOTAL_FEE_EXCEED", "limit_exceeded"),
    ("40004", "ACQ.BEYOND_PAY_RESTRICTION", "limit_exceeded"),
    ("40004", "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR", "limit_exceeded"),
    ("40004", "ACQ.TRADE_HAS_CLOSE", "closed"),
    ("40004", "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "expired"),
    ("40004", "ACQ.PAYMENT_FAIL", "refused"),
    ("40004", "ACQ.PAYMENT_REQUEST_HAS_RISK", "refused"),
    ("40004", "ACQ.BUYER_SELLER_EQUAL", "payer_not_allowed"),
    ("40004", "ACQ.INVALID_PARAMETER", "invalid_request"),
    ("40004", "ACQ.EXIST_FORBIDDEN_WORD", "invalid_request"),
    ("40004", "ACQ.ACCESS_FORBIDDEN", "misconfigured"),
    ("40004", "ACQ.SELLER_BEEN_BLOCKED", "misconfigured"),
    ("20001", "aop.invalid-app-auth-token", "misconfigured"),
    ("40001", "isv.missing-signature", "misconfigured"),
    ("40002", "isv.invalid-signature", "misconfigured"),
    ("40002", "isv.invalid-app-id", "misconfigured"),
    ("40002", "isv.invalid-parameter", "invalid_request"),
    ("40003", "isv.missing-signature-config", "misconfigured"),
    ("40006", "isv.insufficient-isv-permissions", "misconfigured"),
]


@pytest.mark.parametrize(("code", "sub_code"), UNKNOWN)
def test_a_refusal_that_settles_nothing_is_unknown(code: str, sub_code: str) -> None:
    outcome = outcome_of_refusal(code, sub_code, "words")

    assert isinstance(outcome, Unknown)
    assert outcome.channel_code == f"{code} {sub_code}".strip()


@pytest.mark.parametrize(("code", "sub_code", "ours"), DECLINED)
def test_a_definitive_refusal_is_declined_with_our_code(
    code: str, sub_code: str, ours: str
) -> None:
    outcome = outcome_of_refusal(code, sub_code, "words")

    assert outcome == Declined(code=ours, detail="words", channel_code=f"{code} {sub_code}")


@pytest.mark.parametrize("sub_code", ["isv.app-call-limited", "isv.method-call-limited"])
def test_a_call_turned_away_for_its_rate_was_not_attempted(sub_code: str) -> None:
    outcome = outcome_of_refusal("40005", sub_code, "words")

    assert outcome == NotAttempted(detail="words", channel_code=f"40005 {sub_code}")


def test_an_unlisted_refusal_says_what_it_was() -> None:
    outcome = outcome_of_refusal("40004", "ACQ.NEVER_HEARD_OF", "")

    assert isinstance(outcome, Unknown)
    assert "40004 ACQ.NEVER_HEARD_OF" in outcome.detail


@given(code=st.text(max_size=6), sub_code=st.text(max_size=40))
def test_no_made_up_refusal_declines_a_payment(code: str, sub_code: str) -> None:
    assert isinstance(outcome_of_refusal(code, sub_code, ""), Unknown)


@given(code=st.text(max_size=6), sub_code=st.text(max_size=40))
def test_no_made_up_refusal_declines_a_refund(code: str, sub_code: str) -> None:
    assert isinstance(outcome_of_refused_refund(code, sub_code, ""), Unknown)


def _documented(*operations: str) -> list[tuple[str, str]]:
    if not SPEC.is_file():
        return []
    schemas = json.loads(SPEC.read_text())["components"]["schemas"]
    codes: list[tuple[str, str]] = []
    for operation in operations:
        model = schemas[f"AlipayTrade{operation}ErrorResponseModel"]
        codes += [("40004", name) for name in model["properties"]["code"]["enum"]]
    for names in schemas["CommonErrorType"]["properties"]["code"]["enum"]:
        for name in names.split(", "):
            code = "40005" if name.endswith("call-limited") else "40002"
            codes.append((code, f"isv.{name}"))
    return sorted(set(codes))


@pytest.mark.skipif(not SPEC.is_file(), reason="the specification is not beside this checkout")
def test_every_documented_refusal_is_listed() -> None:
    documented = _documented("Pay", "Precreate", "Query", "Close", "Cancel")

    unlisted = [pair for pair in documented if meaning_of(*pair) is None]

    assert len(documented) > 180
    assert unlisted == []


@pytest.mark.skipif(not SPEC.is_file(), reason="the specification is not beside this checkout")
def test_every_documented_refusal_of_a_refund_is_listed() -> None:
    documented = _documented("Refund", "FastpayRefundQuery")

    unlisted = [pair for pair in documented if refund_meaning_of(*pair) is None]

    assert len(documented) > 120
    assert unlisted == []
