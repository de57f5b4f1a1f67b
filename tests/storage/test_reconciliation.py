"""A statement against our rows: every class, each by hand."""

from datetime import timedelta

import pytest

from models.errors import Conflict, InvalidRequest
from models.reconciliation import (
    DiscrepancyStatus,
    ReconciliationStatus,
    RepairAction,
    RepairDecision,
)
from storage import reconciliation
from storage.database import Database
from storage.discrepancies import decide, propose, resolve
from tests.storage.arrange import a_shop
from tests.storage.statements import DAY, LATER, MIDNIGHT, NOON, Account, Given, line


@pytest.fixture
async def account(database: Database, database_url: str) -> Account:
    return Account(database, database_url, await a_shop(database))


async def test_a_day_on_which_all_agrees_is_balanced(account: Account) -> None:
    rows = [await account.paid(amount) for amount in (19_99, 5_00, 100_00)]

    result = await account.run(rows)

    assert (result.lines, result.matched, result.classes) == (3, 3, {})
    (side,) = result.totals
    assert (side.statement_minor, side.ours_minor, side.difference_minor) == (12_499, 12_499, 0)
    # 60 basis points of 19.99, 5.00 and 100.00: 0.12, 0.03 and 0.60.
    assert side.fees_minor == 75
    assert await account.status() is ReconciliationStatus.BALANCED


async def test_an_empty_day_balances_when_we_have_nothing_either(account: Account) -> None:
    result = await account.run([])

    assert (result.lines, result.totals) == (0, ())
    assert await account.status() is ReconciliationStatus.BALANCED


async def test_each_difference_ends_in_its_class(account: Account) -> None:
    good = await account.paid(10_00)
    less = (await account.paid(20_00))._replace(amount_minor=19_00)
    dollars = (await account.paid(30_00))._replace(currency="USD")
    dear = (await account.paid(40_00))._replace(fee_minor=99)
    twice = await account.paid(50_00)
    await account.paid(60_00)
    open_here = await account.unpaid(70_00)
    unknown = line("SOMEBODYELSES", 80_00, NOON)

    result = await account.run(
        [
            good,
            less,
            dollars,
            dear,
            twice,
            twice._replace(channel_reference="again"),
            open_here,
            unknown,
        ]
    )

    assert await account.classes() == [
        ("amount_diff", "open", None),
        ("channel_only", "open", None),
        ("currency_diff", "open", None),
        ("duplicate", "open", None),
        ("fee_diff", "resolved", "fee_booked"),
        ("ours_only", "carried", None),
        ("status_diff", "open", None),
    ]
    assert result.adds_up
    in_cny = next(side for side in result.totals if side.currency == "CNY")
    # 10 + 19 + 40 + 50 + 50 + 70 + 80 on the statement; 10 + 20 + 30 + 40 + 50 + 60 in our books.
    assert (in_cny.statement_minor, in_cny.ours_minor) == (319_00, 210_00)
    assert in_cny.difference_minor == 109_00
    assert await account.status() is ReconciliationStatus.DISCREPANCIES


async def test_the_same_line_twice_is_told_apart_by_its_place(account: Account) -> None:
    twice = await account.paid(50_00)

    await account.run([twice, twice, twice])

    assert {view.channel_reference for view in await account.found()} == {
        f"{twice.channel_reference}#2",
        f"{twice.channel_reference}#3",
    }


async def test_of_two_lines_the_one_with_the_reference_we_know_is_the_right_one(
    account: Account,
) -> None:
    ours = await account.paid(50_00)

    await account.run([ours._replace(channel_reference="other"), ours])

    (extra,) = await account.found()
    assert (extra.class_, extra.channel_reference) == ("duplicate", "other")


async def test_what_is_on_the_next_days_statement_is_carried_and_then_matched(
    account: Account,
) -> None:
    late = await account.paid(10_00, MIDNIGHT - timedelta(seconds=5))

    await account.run([])
    first = await account.classes()
    await account.run([late], DAY + timedelta(days=1))

    assert first == [("cutoff", "carried", None)]
    assert await account.classes() == [("cutoff", "resolved", "matched_next_day")]
    assert await account.classes(DAY + timedelta(days=1)) == [
        ("cutoff", "resolved", "on_the_neighbouring_day")
    ]


async def test_what_is_on_the_statement_of_the_day_before_is_matched_early(
    account: Account,
) -> None:
    early = await account.paid(10_00, MIDNIGHT + timedelta(seconds=5))

    await account.run([early])
    await account.run([], DAY + timedelta(days=1))

    assert await account.classes() == [("cutoff", "resolved", "on_the_neighbouring_day")]
    assert await account.classes(DAY + timedelta(days=1)) == [
        ("cutoff", "resolved", "on_the_neighbouring_day")
    ]


async def test_what_the_next_day_does_not_have_either_is_ours_only(account: Account) -> None:
    await account.paid(10_00, MIDNIGHT - timedelta(seconds=5))
    await account.paid(20_00, NOON)

    await account.run([])
    carried = await account.classes()
    await account.run([], DAY + timedelta(days=1))

    assert carried == [("cutoff", "carried", None), ("ours_only", "carried", None)]
    assert await account.classes() == [("ours_only", "open", None)] * 2


async def test_another_run_with_the_same_statement_changes_nothing(account: Account) -> None:
    rows = [await account.paid(10_00), await account.unpaid(20_00)]
    await account.paid(30_00)
    await account.run(rows)
    before = await account.found()

    again = await account.run(rows)

    assert await account.found() == before
    assert (again.classes, again.adds_up) == ({"status_diff": 1, "ours_only": 1}, True)


async def test_what_a_better_statement_has_in_order_is_resolved(account: Account) -> None:
    wrong = (await account.paid(10_00))._replace(amount_minor=9_00)
    await account.run([wrong])

    await account.run([wrong._replace(amount_minor=10_00)])
    mended = await account.classes()
    await account.run([wrong])

    assert mended == [("amount_diff", "resolved", "found_in_order")]
    assert await account.classes() == [("amount_diff", "open", None)]


@pytest.mark.parametrize("rows", [0, 3])
async def test_a_statement_that_is_wrong_at_its_end_leaves_nothing_behind(
    account: Account, rows: int
) -> None:
    good = [await account.paid(10_00) for _ in range(rows)]
    wrong = InvalidRequest("the totals do not agree", code="statement-wrong-totals")

    with pytest.raises(InvalidRequest):
        await account.run(Given([*good, line("NOTOURS", 1, NOON)], fails=wrong))
    left = await account.found()
    result = await account.run(good)

    assert left == []
    assert (result.matched, result.classes) == (rows, {})


async def test_text_that_a_channel_wrote_is_kept_as_it_is(account: Account) -> None:
    strange = line("a\\b\tc", 1_00, NOON, reference="x\ny")

    await account.run([strange])

    (found,) = await account.found()
    assert (found.serial, found.channel_reference) == ("a\\b\tc", "x\ny")


async def test_a_repair_needs_two_people_and_ends_it(account: Account) -> None:
    await account.run([line("NOTOURS", 5_00, NOON)])
    (found,) = await account.found()
    by_another = RepairDecision(decided_by="key_2", is_approved=True, reason="right")
    by_same = by_another.model_copy(update={"decided_by": "key_1"})
    database = account.database

    async with database.transaction("test") as connection:
        await propose(
            connection, found.id, action=RepairAction.SUSPENSE, by="key_1", reason="?", now=LATER
        )
    async with database.transaction("test") as connection:
        with pytest.raises(Conflict) as same:
            await decide(connection, found.id, by_same, now=LATER)
    async with database.transaction("test") as connection:
        approved = await decide(connection, found.id, by_another, now=LATER)
        again = await decide(connection, found.id, by_another, now=LATER)
        done = await resolve(
            connection,
            found.id,
            resolution="suspense",
            by="key_2",
            ledger_transaction=None,
            now=LATER,
        )
        twice = await resolve(
            connection,
            found.id,
            resolution="suspense",
            by="key_2",
            ledger_transaction=None,
            now=LATER,
        )

    assert same.value.code == "same-person"
    assert approved == again
    assert approved.status is DiscrepancyStatus.APPROVED
    assert (done, twice) == (True, False)


async def test_a_day_is_signed_off_only_when_nothing_of_it_is_open(account: Account) -> None:
    await account.run([line("NOTOURS", 5_00, NOON)])
    (found,) = await account.found()
    day = account.orders[DAY].reconciliation_id
    database = account.database

    async with database.transaction("test") as connection:
        with pytest.raises(Conflict) as early:
            await reconciliation.sign_off(connection, day, by="key_1", now=LATER)
    async with database.transaction("test") as connection:
        await resolve(
            connection,
            found.id,
            resolution="dismissed",
            by="key_2",
            ledger_transaction=None,
            now=LATER,
        )
        signed = await reconciliation.sign_off(connection, day, by="key_1", now=LATER)
    with pytest.raises(Conflict):
        await account.run([])

    assert early.value.code == "discrepancies-open"
    assert (signed.status, signed.signed_off_by) == ("signed_off", "key_1")
