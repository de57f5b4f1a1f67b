"""Statements: a day adds up to what moved on it, and a wrong file is never believed."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from channels.base import Account
from models.channel import Approved
from models.errors import InvalidRequest
from models.money import Money
from models.reconciliation import LineKind, StatementAvailability, StatementLine
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop, now

PAY, QUERY, REFUND, STATEMENT = Feature.PAY, Feature.QUERY, Feature.REFUND, Feature.STATEMENT
CUTS = 40  # places at which a file is broken off


def today(shop: Shop) -> date:
    return datetime.now(ZoneInfo(shop.channel.capabilities.timezone)).date()


async def fetched(shop: Shop, folder: Path, *days: date) -> dict[date, Path]:
    """The statements of the days on which something moved, as they are once the days are over."""
    later = await shop.side.end_the_day(shop.control)
    found = {}
    for day in days:
        into = folder / f"{day}"
        said = await shop.reconciling.fetch_statement(shop.account, day, into, now() + later)
        if said is StatementAvailability.FETCHED:
            found[day] = into
    return found


def lines_of(shop: Shop, day: date, path: Path) -> list[StatementLine]:
    """The lines; what they add up to is compared with the statement's own totals."""
    statement = shop.reconciling.read_statement(shop.account, day, path)
    lines = list(statement.lines())
    payments = [line for line in lines if line.kind is LineKind.PAYMENT]
    refunds = [line for line in lines if line.kind is LineKind.REFUND]
    totals = statement.totals
    assert (totals.payments, totals.refunds) == (len(payments), len(refunds))
    assert totals.payments_minor == sum(line.amount_minor for line in payments)
    assert totals.refunds_minor == sum(line.amount_minor for line in refunds)
    assert totals.fees_minor == sum(line.fee_minor for line in lines)
    return lines


async def a_statement(shop: Shop, folder: Path) -> tuple[date, Path]:
    """A statement of a day with one payment and one refund."""
    before = today(shop)
    order, paid = await shop.paid()
    await shop.refund(shop.return_of(order, 5_00, paid.channel_reference))
    return next(iter((await fetched(shop, folder, before, today(shop))).items()))


def refusal(shop: Shop, day: date, path: Path, account: Account | None = None) -> str:
    """The code with which it is refused; no totals may be had of it."""
    statement = shop.reconciling.read_statement(account or shop.account, day, path)
    with pytest.raises(InvalidRequest) as refused:
        list(statement.lines())
    with pytest.raises(RuntimeError):
        _ = statement.totals
    return refused.value.code


@scenario(PAY, QUERY, REFUND, STATEMENT)
async def test_a_day_of_payments_and_refunds_adds_up(shop: Shop, tmp_path: Path) -> None:
    before = today(shop)
    sold = [await shop.paid() for _ in range(3)]
    order, paid = sold[0]
    parts = [shop.return_of(order, minor, paid.channel_reference) for minor in (5_00, 1)]
    given = [await shop.refund(part) for part in parts]
    await shop.waiting()  # nothing moves

    statements = await fetched(shop, tmp_path, before, today(shop))
    lines = [line for day, path in statements.items() for line in lines_of(shop, day, path)]

    currency, fee = order.money.currency, shop.side.price.fee_minor
    told = {
        (line.kind, line.serial, line.refund_serial, line.amount_minor, line.currency)
        for line in lines
    }
    assert told == {
        *((LineKind.PAYMENT, one.serial, "", 19_99, currency) for one, _ in sold),
        (LineKind.REFUND, order.serial, parts[0].refund_serial, 5_00, currency),
        (LineKind.REFUND, order.serial, parts[1].refund_serial, 1, currency),
    }
    assert len(lines) == 5
    assert [line.fee_minor for line in lines if line.kind is LineKind.PAYMENT] == [fee] * 3
    references = {line.channel_reference for line in lines if line.kind is LineKind.PAYMENT}
    assert references == {found.channel_reference for _, found in sold}
    returned = {one.channel_reference for one in given if isinstance(one, Approved)}
    assert {line.channel_reference for line in lines if line.kind is LineKind.REFUND} == returned
    assert all(timedelta() <= now() - line.occurred_at < timedelta(hours=1) for line in lines)


@scenario(PAY, QUERY, STATEMENT, Feature.CAPTURE)
async def test_what_is_held_is_no_line_and_what_is_taken_is(shop: Shop, tmp_path: Path) -> None:
    before = today(shop)
    await shop.paid(capture_method="manual")
    order, hold = await shop.paid(capture_method="manual")
    await shop.capture(shop.taking(order, 12_00, hold.channel_reference))

    statements = await fetched(shop, tmp_path, before, today(shop))
    lines = [line for day, path in statements.items() for line in lines_of(shop, day, path)]

    assert [(line.kind, line.serial, line.amount_minor) for line in lines] == [
        (LineKind.PAYMENT, order.serial, 12_00)
    ]


@scenario(PAY, QUERY, STATEMENT, Feature.ZERO_DECIMAL)
async def test_a_currency_without_cents_is_in_whole_units(shop: Shop, tmp_path: Path) -> None:
    before = today(shop)
    order, _ = await shop.paid(money=Money(amount_minor=1_000, currency="JPY"))

    statements = await fetched(shop, tmp_path, before, today(shop))
    lines = [line for day, path in statements.items() for line in lines_of(shop, day, path)]

    assert [(line.serial, line.amount_minor, line.currency) for line in lines] == [
        (order.serial, 1_000, "JPY")
    ]


@scenario(STATEMENT, once=True)
async def test_a_day_on_which_nothing_moved_is_empty(shop: Shop, tmp_path: Path) -> None:
    day = today(shop) - timedelta(days=40)

    said = await shop.reconciling.fetch_statement(shop.account, day, tmp_path / "file", now())

    assert said is StatementAvailability.EMPTY
    assert _left_in(tmp_path) == []


@scenario(PAY, QUERY, STATEMENT, once=True)
async def test_the_statement_of_today_is_not_there_yet(shop: Shop, tmp_path: Path) -> None:
    await shop.side.let_the_day_go_on(shop.control)
    await shop.paid()

    said = await shop.reconciling.fetch_statement(
        shop.account, today(shop), tmp_path / "file", now()
    )

    assert said is StatementAvailability.NOT_YET
    assert _left_in(tmp_path) == []


@scenario(PAY, QUERY, REFUND, STATEMENT, once=True)
async def test_a_statement_that_breaks_off_is_refused_wherever(shop: Shop, tmp_path: Path) -> None:
    day, path = await a_statement(shop, tmp_path)
    content = path.read_bytes()

    codes = set()
    for cut in range(0, len(content), max(1, len(content) // CUTS)):
        path.write_bytes(content[:cut])
        codes.add(refusal(shop, day, path))

    assert codes == {"statement-truncated"}


@scenario(PAY, QUERY, REFUND, STATEMENT, once=True)
async def test_a_statement_whose_lines_do_not_add_up_is_refused(shop: Shop, tmp_path: Path) -> None:
    day, path = await a_statement(shop, tmp_path)

    path.write_bytes(shop.side.without_a_line(path.read_bytes()))

    assert refusal(shop, day, path) == "statement-wrong-totals"


@scenario(PAY, QUERY, REFUND, STATEMENT, once=True)
async def test_a_statement_of_another_account_or_day_is_refused(
    shop: Shop, tmp_path: Path, stranger: Account
) -> None:
    day, path = await a_statement(shop, tmp_path)

    assert refusal(shop, day, path, stranger) == "statement-wrong-merchant"
    assert refusal(shop, day + timedelta(days=1), path) == "statement-wrong-day"
    assert lines_of(shop, day, path)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"<html>", b"\xff\xfe\x00", b"PK\x03\x04"])
@scenario(STATEMENT, once=True)
async def test_another_file_is_no_statement(shop: Shop, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    code = refusal(shop, today(shop), path)

    assert code.removeprefix("statement-") in {"truncated", "malformed", "wrong-encoding"}


@scenario(STATEMENT, once=True)
async def test_no_file_is_a_missing_statement(shop: Shop, tmp_path: Path) -> None:
    assert refusal(shop, today(shop), tmp_path / "none") == "statement-missing"


def _left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
