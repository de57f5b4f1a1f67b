"""The gate of the benchmark sees what is lost and what is doubled."""

from dataclasses import replace
from typing import Any

import pytest

from bench.verdict import Books, Verdict

PAYMENT, SERIAL = "pay_01A", "01A01"
TRADE = {"out_trade_no": SERIAL, "status": "paid", "amount_minor": 19_99, "executions": 1}
RIGHT: dict[str, Any] = {
    "kills": ["worker-1"],
    "told": [PAYMENT],
    "ends": {PAYMENT: "payment.succeeded"},
    "trades": [TRADE],
    "books": Books(booked={SERIAL: 19_99}),
}


def test_a_system_whose_books_are_the_channels_passes() -> None:
    verdict = Verdict.of(**RIGHT)

    assert verdict.is_passed
    assert verdict.in_words() == "nothing lost, nothing doubled"


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("without an end", {"ends": {}}),
        (
            "ended otherwise than the channel says",
            {"ends": {PAYMENT: "payment.failed"}},
        ),
        ("told of twice", {"told": [PAYMENT, PAYMENT]}),
        ("taken twice", {"trades": [TRADE | {"executions": 2}]}),
        ("taken and not booked, or not as much", {"books": Books(booked={})}),
        ("taken and not booked, or not as much", {"books": Books(booked={SERIAL: 39_98})}),
        ("booked and not taken", {"books": Books(booked={SERIAL: 19_99, "01B01": 5})}),
        ("not balanced", {"books": Books(booked={SERIAL: 19_99}, unbalanced=[SERIAL])}),
    ],
)
def test_what_is_wrong_is_named_and_fails(what: str, wrong: dict[str, Any]) -> None:
    verdict = Verdict.of(**RIGHT | wrong)

    assert list(verdict.faults) == [what]
    assert not verdict.is_passed


def test_a_payment_that_failed_and_took_no_money_is_in_order() -> None:
    nothing_taken = RIGHT | {
        "ends": {PAYMENT: "payment.failed"},
        "trades": [TRADE | {"status": "closed", "executions": 0}],
        "books": Books(booked={}),
    }

    assert Verdict.of(**nothing_taken).is_passed


def test_a_gate_that_killed_nothing_proves_nothing() -> None:
    passed = Verdict.of(**RIGHT)

    assert not replace(passed, kills=[]).is_passed
    assert not replace(passed, told=0).is_passed
