"""Money: exact, and only what a currency can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.money import AMOUNT_MAX_MINOR, Money, exponent_of


def test_exponents_are_those_of_iso_4217() -> None:
    assert [exponent_of(code) for code in ("CNY", "JPY", "KWD", "USD")] == [2, 0, 3, 2]


@pytest.mark.parametrize("amount", [True, 1.0, "1", -1, None, AMOUNT_MAX_MINOR + 1])
def test_an_amount_is_a_whole_number_of_minor_units(amount: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount_minor": amount, "currency": "CNY"})


def test_a_share_is_rounded_half_even() -> None:
    shares = [Money(amount_minor=minor, currency="CNY").share_bps(60) for minor in (250, 750, 1999)]

    assert [share.amount_minor for share in shares] == [2, 4, 12]  # 1.5, 4.5 and 11.994


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("19.99", "CNY", 1999), ("0.01", "CNY", 1), ("7", "CNY", 700), ("500", "JPY", 500)],
)
def test_a_providers_decimal_text_is_read_exactly(text: str, currency: str, minor: int) -> None:
    assert Money.from_decimal_text(text, currency).amount_minor == minor


@pytest.mark.parametrize("text", ["", ".5", "1.", "1,00", "1e3", "-1", "+1", "1.999", "NaN", "１"])
def test_anything_else_is_not_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal amount|more digits"):
        Money.from_decimal_text(text, "CNY")


@given(st.integers(0, AMOUNT_MAX_MINOR), st.sampled_from(["CNY", "JPY", "KWD"]))
def test_text_and_back_is_the_same_amount(minor: int, currency: str) -> None:
    money = Money(amount_minor=minor, currency=currency)

    assert Money.from_decimal_text(f"{money.to_decimal():f}", currency) == money


@given(st.integers(0, AMOUNT_MAX_MINOR), st.integers(0, 10_000))
def test_a_share_and_the_rest_are_the_whole(minor: int, rate: int) -> None:
    money = Money(amount_minor=minor, currency="CNY")
    fee = money.share_bps(rate)

    assert fee.amount_minor + money.minus(fee).amount_minor == minor
