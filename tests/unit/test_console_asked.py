"""What people type into the console, as the API gets it."""

import pytest

from api.console.asked import instant_of, minor_of


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("19.99", "", "1999"),
        ("1,234.5", "", "123450"),
        ("500 JPY", "", "500"),
        ("1.234 KWD", "", "1234"),
        ("20", "CNY", "2000"),
        ("20", "JPY", "20"),
        ("0.01", "CNY", "1"),
    ],
)
def test_an_amount_is_read_in_the_digits_of_its_currency(
    typed: str, currency: str, minor: str
) -> None:
    assert minor_of(typed, currency) == minor


@pytest.mark.parametrize(
    "typed",
    ["", "a lot", "-5", "0", "1.999", "19.99 XXQ", "NaN", "Infinity", "1e30", "9" * 5000, "½"],
)
def test_what_is_no_amount_is_left_for_the_api_to_refuse(typed: str) -> None:
    assert minor_of(typed) == typed


def test_a_day_begins_at_midnight_utc() -> None:
    assert instant_of("2026-11-20") == "2026-11-20T00:00:00Z"
    assert instant_of("yesterday") == "yesterday"
