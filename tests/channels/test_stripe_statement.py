"""Stripe's statement: listed page by page into a file, and read back line by line."""

import json
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from channels.base import Reconciling
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from models.errors import ChannelMisconfigured, ChannelUnavailable
from models.reconciliation import LineKind, StatementAvailability, StatementLine
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, is_silent, replies
from tests.channels.stripe_listing import (
    DAY,
    MIDNIGHT,
    NOON,
    Listing,
    charge,
    fetched,
    given_back,
    posting,
)
from tests.channels.stripe_side import (
    INTENT_ID,
    REFUND_ID,
    REFUND_SERIAL,
    SERIAL,
    an_account,
    in_turn,
    invalid_request,
    page,
    refuses,
    says,
)

PAYMENT = StatementLine(LineKind.PAYMENT, SERIAL, "", INTENT_ID, 19_99, 88, "USD", NOON)
REFUND = StatementLine(LineKind.REFUND, SERIAL, REFUND_SERIAL, REFUND_ID, 5_00, 0, "USD", NOON)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


# ---- getting it -------------------------------------------------------------------------------


async def test_the_pages_of_a_day_become_one_statement(
    stripe: StripeChannel, gateway: FaultyServer, tmp_path: Path
) -> None:
    first, second = given_back(), posting()
    gateway.behaviour = in_turn(says(page(first, has_more=True)), says(page(second)))
    into = tmp_path / "statement"

    availability = await fetched(stripe, into)

    assert isinstance(stripe, Reconciling)
    assert availability is StatementAvailability.FETCHED
    asked = {
        "created[gte]": str(int(MIDNIGHT.timestamp())),
        "created[lt]": str(int(MIDNIGHT.timestamp()) + 86_400),
        "limit": "50",
        "expand[0]": "data.source",
    }
    assert gateway.requests == [asked, {**asked, "starting_after": first["id"]}]
    statement = stripe.read_statement(an_account(), DAY, into)
    assert list(statement.lines()) == [REFUND, PAYMENT]
    totals = statement.totals
    assert (totals.payments, totals.payments_minor) == (1, 19_99)
    assert (totals.refunds, totals.refunds_minor, totals.fees_minor) == (1, 5_00, 88)
    assert left_in(tmp_path) == ["statement"]


async def test_payer_and_card_are_not_kept_and_the_rest_is_as_stripe_shows_it(
    listing: Listing,
) -> None:
    sent = posting(exchange_rate=1.0837)

    text = (await listing.write(sent)).read_text()

    assert "Jane" not in text
    assert "jane@shop" not in text
    assert "4242" not in text
    shown = json.loads(text.splitlines()[1])
    hidden = {"name": "***", "email": "***"}
    masked = charge(billing_details=hidden, payment_method_details={"card": {"last4": "***"}})
    assert shown == {**sent, "source": masked}


async def test_a_day_without_a_line_is_empty_and_leaves_no_file(
    stripe: StripeChannel, gateway: FaultyServer, tmp_path: Path
) -> None:
    gateway.behaviour = says(page())

    assert await fetched(stripe, tmp_path / "statement") is StatementAvailability.EMPTY
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("now", "availability"),
    [
        (NOON, StatementAvailability.NOT_YET),
        (MIDNIGHT + timedelta(days=1, minutes=14), StatementAvailability.NOT_YET),
        (MIDNIGHT + timedelta(days=1, minutes=15), StatementAvailability.EMPTY),
    ],
)
async def test_a_day_is_asked_for_once_it_is_over(
    stripe: StripeChannel,
    gateway: FaultyServer,
    tmp_path: Path,
    now: datetime,
    availability: StatementAvailability,
) -> None:
    gateway.behaviour = says(page())

    assert await fetched(stripe, tmp_path / "statement", now=now) is availability
    assert len(gateway.requests) == (availability is StatementAvailability.EMPTY)


@pytest.mark.parametrize(
    "second",
    [
        hangs_up,
        is_silent,
        replies(b"<html>"),
        replies(b"", status=500),
        refuses(invalid_request(), status=429),
        says({"object": "list", "data": [{"id": 7}], "has_more": False}),
        says(page(has_more=True)),
    ],
)
async def test_a_list_that_breaks_off_leaves_no_statement_and_may_be_asked_for_again(
    stripe: StripeChannel, gateway: FaultyServer, tmp_path: Path, second: Behaviour
) -> None:
    gateway.behaviour = in_turn(says(page(posting(), has_more=True)), second)

    with pytest.raises(ChannelUnavailable):
        await fetched(stripe, tmp_path / "statement")

    assert left_in(tmp_path) == []


async def test_stripe_out_of_reach_is_unavailable(http: ChannelHttp, tmp_path: Path) -> None:
    stripe = StripeChannel(http, api_url="http://127.0.0.1:1")

    with pytest.raises(ChannelUnavailable):
        await fetched(stripe, tmp_path / "statement")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_may_not_read_it_is_a_wrong_setting(
    stripe: StripeChannel, gateway: FaultyServer, tmp_path: Path, status: int
) -> None:
    gateway.behaviour = refuses(invalid_request(), status=status)

    with pytest.raises(ChannelMisconfigured):
        await fetched(stripe, tmp_path / "statement")


# ---- what a line is ---------------------------------------------------------------------------


async def test_a_part_that_was_captured_is_what_the_line_says(listing: Listing) -> None:
    part = posting(amount=12_00, fee=65, source=charge(amount_captured=12_00))

    (line,) = await listing.lines(part)

    assert (line.amount_minor, line.fee_minor) == (12_00, 65)


async def test_a_refund_made_in_the_dashboard_has_no_number_of_ours(listing: Listing) -> None:
    (line,) = await listing.lines(given_back(metadata={}))

    assert (line.kind, line.serial, line.refund_serial) == (LineKind.REFUND, "", "")
    assert line.channel_reference == REFUND_ID


async def test_a_refund_that_failed_on_the_same_day_moved_nothing(listing: Listing) -> None:
    lines = await listing.lines(given_back(kind="refund_failure"), given_back(), posting())

    assert lines == [PAYMENT]


async def test_a_refund_that_failed_later_is_money_that_came_in_under_no_number(
    listing: Listing,
) -> None:
    lines = await listing.lines(given_back(kind="refund_failure"), posting())

    assert lines[0] == PAYMENT
    assert lines[1] == StatementLine(LineKind.PAYMENT, "", "", REFUND_ID, 5_00, 0, "USD", NOON)
    assert len(lines) == 2


@pytest.mark.parametrize("kind", ["payout", "stripe_fee", "transfer", "reserve_transaction"])
async def test_what_is_not_between_payer_and_account_is_no_line(
    listing: Listing, kind: str
) -> None:
    own = posting(kind, -100_00, 0, source={"id": "po_1", "object": "payout"})

    assert await listing.lines(own, posting()) == [PAYMENT]


@pytest.mark.parametrize("kind", ["adjustment", "something_new"])
async def test_a_dispute_and_a_type_never_seen_are_lines_for_a_person_to_look_at(
    listing: Listing, kind: str
) -> None:
    source = {"id": "dp_1", "object": "dispute", "amount": 19_99, "currency": "usd"}

    taken, won = await listing.lines(
        posting(kind, -19_99, 15_00, source=source), posting(kind, 19_99, 0, source="dp_2")
    )

    assert taken == StatementLine(LineKind.REFUND, "", "", "dp_1", 19_99, 15_00, "USD", NOON)
    assert won == StatementLine(LineKind.PAYMENT, "", "", "dp_2", 19_99, 0, "USD", NOON)


async def test_money_that_was_exchanged_is_in_the_currency_it_was_paid_in(
    listing: Listing,
) -> None:
    """10.00 euro became 12.34 dollars, of which Stripe kept 0.66: that is 0.5348 euro."""
    paid = charge(amount=10_00, amount_captured=10_00, currency="eur")

    (line,) = await listing.lines(posting(amount=12_34, fee=66, source=paid, exchange_rate=1.234))

    assert (line.amount_minor, line.fee_minor, line.currency) == (10_00, 53, "EUR")


@pytest.mark.parametrize(
    ("currency", "amount", "fee", "amount_minor", "fee_minor"),
    [
        ("jpy", 1_000, 59, 1_000, 59),
        ("isk", 100_000, 2_950, 1_000, 30),
        ("kwd", 5_000, 175, 5_000, 175),
    ],
)
async def test_currencies_without_and_with_three_digits(
    listing: Listing, currency: str, amount: int, fee: int, amount_minor: int, fee_minor: int
) -> None:
    """29.50 krónur of fee is no whole amount, and half goes to the even one."""
    source = charge(amount=amount, amount_captured=amount, currency=currency)

    (line,) = await listing.lines(posting(amount=amount, fee=fee, currency=currency, source=source))

    assert (line.amount_minor, line.fee_minor) == (amount_minor, fee_minor)


async def test_twenty_thousand_lines_are_read_one_at_a_time(listing: Listing) -> None:
    path = await listing.write(posting())
    head, line, _ = path.read_text().splitlines(keepends=True)
    sums = {"usd": {"amount": 20_000 * 19_99, "fee": 20_000 * 88, "net": 20_000 * 19_11}}
    end = json.dumps(
        {"object": "statement_end", "count": 20_000, "sums": sums}, separators=(",", ":")
    )
    path.write_text(head + line * 20_000 + end + "\n")
    statement = listing.stripe.read_statement(an_account(), DAY, path)

    tracemalloc.start()
    count = sum(1 for _ in statement.lines())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 20_000
    assert statement.totals.payments_minor == 39_980_000
    assert peak < 1024 * 1024
    assert path.stat().st_size > 10 * 1024 * 1024
