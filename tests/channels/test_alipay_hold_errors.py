"""Every refusal Alipay documents for money held first, beside the adapter's own tables."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.alipay.hold_errors import (
    completion_meaning_of,
    freeze_meaning_of,
    hold_meaning_of,
    outcome_of_refused_completion,
    outcome_of_refused_freeze,
)
from models.channel import Declined, NotAttempted, Unknown

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "alipay" / "alipay-v3.reconstructed.json"

DECLINED = [
    ("MONEY_NOT_ENOUGH", "insufficient_funds"),
    ("NO_PAYMENT_INSTRUMENTS_AVAILABLE", "insufficient_funds"),
    ("PAYMENT_AUTH_CODE_INVALID", "payer_code_invalid"),
    ("ORDER_ALREADY_CLOSED", "closed"),
    ("UNSUPPORT_ORDER_AMOUNT", "limit_exceeded"),
    ("PRODUCT_AMOUNT_LIMIT_ERROR", "limit_exceeded"),
    ("ILLEGAL_ARGUMENT", "invalid_request"),
    ("EXIST_FORBIDDEN_WORD", "invalid_request"),
    ("ACCESS_FORBIDDEN", "misconfigured"),
    ("ILLEGAL_PAYEE_USER_ID", "misconfigured"),
    ("PAYER_PAYEE_EQUAL", "payer_not_allowed"),
    ("USER_BANKCARD_FROZEN", "payer_not_allowed"),
    ("PULL_MOBILE_CASHIER_FAIL", "refused"),
]
UNKNOWN = [
    ("40004", "SYSTEM_ERROR"),
    ("40004", "UNIQUE_VIOLATION"),
    ("40004", "FREEZE_ALREADY_SUCCESS"),
    ("40004", "ORDER_ALREADY_FINISH"),
    ("40004", "NEVER_HEARD_OF"),
    ("40004", "ACQ.TRADE_HAS_CLOSE"),
    ("20000", "aop.unknow-error"),
    ("20000", "MONEY_NOT_ENOUGH"),
    ("50000", "MONEY_NOT_ENOUGH"),
]


@pytest.mark.parametrize(("sub_code", "ours"), DECLINED)
def test_a_definitive_refusal_of_a_freeze_is_declined_with_our_code(
    sub_code: str, ours: str
) -> None:
    outcome = outcome_of_refused_freeze("40004", sub_code, "words")

    assert outcome == Declined(code=ours, detail="words", channel_code=f"40004 {sub_code}")


@pytest.mark.parametrize(("code", "sub_code"), UNKNOWN)
def test_a_refusal_of_a_freeze_that_settles_nothing_is_unknown(code: str, sub_code: str) -> None:
    assert isinstance(outcome_of_refused_freeze(code, sub_code, "words"), Unknown)


def test_a_freeze_turned_away_at_the_door_was_not_attempted() -> None:
    outcome = outcome_of_refused_freeze("40005", "isv.app-call-limited", "words")

    assert isinstance(outcome, NotAttempted)


@given(code=st.text(max_size=6), sub_code=st.text(max_size=40))
def test_no_made_up_refusal_declines_a_freeze_or_a_capture(code: str, sub_code: str) -> None:
    assert isinstance(outcome_of_refused_freeze(code, sub_code, ""), Unknown)
    assert isinstance(outcome_of_refused_completion(code, sub_code, ""), Unknown)


def _documented(*models: str) -> list[tuple[str, str]]:
    schemas = json.loads(SPEC.read_text())["components"]["schemas"] if SPEC.is_file() else {}
    found = (schemas.get(f"Alipay{model}ErrorResponseModel") for model in models)
    return [
        ("40004", name)
        for schema in found
        if schema is not None
        for name in schema["properties"]["code"]["enum"]
    ]


@pytest.mark.skipif(not SPEC.is_file(), reason="the specification is not beside this checkout")
@pytest.mark.parametrize(
    ("models", "meaning_of", "at_least"),
    [
        (("FundAuthOrderFreeze", "FundAuthOrderVoucherCreate"), freeze_meaning_of, 60),
        (
            (
                "FundAuthOrderUnfreeze",
                "FundAuthOperationCancel",
                "FundAuthOperationDetailQuery",
            ),
            hold_meaning_of,
            25,
        ),
        (("TradePay",), completion_meaning_of, 80),
    ],
)
def test_every_documented_refusal_is_listed(
    models: tuple[str, ...], meaning_of: Callable[[str, str], object], at_least: int
) -> None:
    documented = _documented(*models)

    assert len(documented) > at_least
    assert [pair for pair in documented if meaning_of(*pair) is None] == []
