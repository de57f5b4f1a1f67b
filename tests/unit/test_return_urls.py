"""Where payers may be sent back to."""

import pytest

from api.return_urls import lies_under, registration_problem

SHOP = "https://shop.example.com/return"


@pytest.mark.parametrize(
    "address",
    [
        "https://shop.example.com/return",
        "https://shop.example.com/return/",
        "https://shop.example.com/return/order/7",
        "https://shop.example.com/return?order=7#done",
        "https://shop.example.com/return/..7",
    ],
)
def test_what_lies_under_a_registered_address_may_be_returned_to(address: str) -> None:
    assert lies_under(address, SHOP)


@pytest.mark.parametrize(
    "address",
    [
        "http://shop.example.com/return",
        "https://shop.example.com:444/return",
        "https://shop.example.com.evil.example/return",
        "https://evil.example/return",
        "https://shop.example.com/",
        "https://shop.example.com/returned",
        "https://shop.example.com/return/../admin",
        "https://shop.example.com/return/%2e%2E/admin",
        "https://shop.example.com/return%2f..%2fadmin",
        "https://shop.example.com/return\\..\\admin",
    ],
)
def test_nothing_else_may_be_returned_to(address: str) -> None:
    assert not lies_under(address, SHOP)


def test_a_whole_site_may_be_registered() -> None:
    assert lies_under("https://shop.example.com/any/where", "https://shop.example.com")
    assert lies_under("https://shop.example.com", "https://shop.example.com/")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://shop.example.com/return", None),
        ("http://shop.example.com/return", "use https"),
        ("https://shop.example.com/?a=b", "leave out what follows ? or #; orders may add it"),
        ("https://shop.example.com/#a", "leave out what follows ? or #; orders may add it"),
        ("https://shop.example.com/a/../b", "write the path without . and .."),
    ],
)
def test_what_can_be_registered(url: str, problem: str | None) -> None:
    assert registration_problem(url, allow_http=False) == problem


def test_http_can_be_registered_on_a_developers_machine() -> None:
    assert registration_problem("http://127.0.0.1:9000/back", allow_http=True) is None
