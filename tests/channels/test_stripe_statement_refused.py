"""What Stripe's statement may not be: each way to be wrong has a code of its own."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.channels.stripe_listing import DAY, NOON, Listing, given_back, posting
from tests.channels.stripe_side import Json, an_account


async def test_no_file_is_a_missing_statement(listing: Listing) -> None:
    assert listing.refusal(listing.path) == "statement-missing"


async def test_a_statement_that_breaks_off_anywhere_is_truncated(listing: Listing) -> None:
    content = (await listing.write(given_back(), posting())).read_bytes()
    codes = set()

    for length in range(len(content)):
        listing.path.write_bytes(content[:length])
        codes.add(listing.refusal(listing.path))

    assert codes == {"statement-truncated"}


async def test_a_statement_of_another_account_or_day_is_refused(
    listing: Listing,
) -> None:
    path = await listing.write(posting())
    other = an_account().model_copy(update={"id": "acc_2"})

    assert listing.refusal(path, account=other) == "statement-wrong-merchant"
    assert listing.refusal(path, day=DAY + timedelta(days=1)) == "statement-wrong-day"
    assert listing.refusal(path, account=an_account(mode="live")) == "statement-wrong-merchant"


@pytest.mark.parametrize("shift", [-43_201, 43_200])
async def test_a_line_of_another_day_is_refused(listing: Listing, shift: int) -> None:
    late = posting(created=int(NOON.timestamp()) + shift)

    assert await listing.refused(late) == "statement-wrong-day"


@pytest.mark.parametrize(
    "wrong",
    [
        posting(amount=-1),
        given_back(-5_00),
        posting(id=7),
        posting(currency="dollars"),
        posting(object="charge"),
    ],
)
async def test_a_line_that_cannot_be_is_malformed(listing: Listing, wrong: Json) -> None:
    assert await listing.refused(wrong) == "statement-malformed"


async def test_a_line_whose_net_is_not_amount_less_fee_is_refused(listing: Listing) -> None:
    assert await listing.refused(posting(net=19_99)) == "statement-wrong-totals"


def _without_a_line(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def _with_one_twice(lines: list[str]) -> list[str]:
    return [*lines[:2], *lines[1:]]


def _with_another_price(lines: list[str]) -> list[str]:
    cheaper = lines[1].replace('"amount":1999,"av', '"amount":1998,"av')
    return [lines[0], cheaper.replace('"net":1911', '"net":1910'), *lines[2:]]


@pytest.mark.parametrize("change", [_without_a_line, _with_one_twice, _with_another_price])
async def test_lines_that_are_not_what_stripe_listed_are_refused(
    listing: Listing, change: Callable[[list[str]], list[str]]
) -> None:
    path = await listing.write(posting(), posting())
    lines = path.read_text().splitlines(keepends=True)

    path.write_text("".join(change(lines)))

    assert listing.refusal(path) == "statement-wrong-totals"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "truncated"),
        (b"{}\n", "malformed"),
        (b'{"object":"statement_head","account":"acc_1"}\n', "malformed"),
        (b"PK\x03\x04\xff\xfe\x00\n", "wrong-encoding"),
    ],
)
def test_another_file_is_no_statement(listing: Listing, content: bytes, code: str) -> None:
    listing.path.write_bytes(content)

    assert listing.refusal(listing.path) == f"statement-{code}"


async def test_nothing_may_follow_the_end(listing: Listing) -> None:
    path = await listing.write(posting())

    path.write_text(path.read_text() + "{}\n")

    assert listing.refusal(path) == "statement-malformed"
