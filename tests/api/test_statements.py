"""Statements that are late, wrong or brought by a person, through the API."""

import pytest

from models.merchant import Role
from tests.api.days import ended, foreign_line, line, order_day, reconcile, today, upload
from tests.api.testpay import Bill
from tests.api.world import World, code_of


@pytest.mark.parametrize(
    ("bill", "code"),
    [
        (Bill(cut=True), "statement-truncated"),
        (Bill(says_day="2026-01-01"), "statement-wrong-day"),
        (Bill(says_count=7), "statement-wrong-totals"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_bad_statement_is_refused_whole_and_a_good_one_works_after_it(
    world: World, bill: Bill, code: str
) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    bill.lines = [line(await world.paid_payment(tenant)), foreign_line(700)]
    world.channel.bills[tenant.account_id] = bill
    before = await _counts(world)

    failed = await reconcile(world, finance, tenant)
    after = await _counts(world)
    world.channel.bills[tenant.account_id] = Bill(bill.lines)
    good = await reconcile(world, finance, tenant)

    assert (failed["status"], failed["failure"]["code"]) == ("failed", code)
    assert failed["failure"]["detail"]
    assert (failed["result"], failed["statement"], failed["unresolved"]) == (None, None, 0)
    assert after == before | {"reconciliation": before["reconciliation"] + 1}
    assert (good["status"], good["failure"], good["runs"]) == ("discrepancies", None, 2)


async def test_a_failed_run_leaves_an_earlier_result_where_it_is(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    lines = [line(await world.paid_payment(tenant)), foreign_line(700)]
    world.channel.bills[tenant.account_id] = Bill(lines)
    good = await reconcile(world, finance, tenant)

    world.channel.bills[tenant.account_id] = Bill(lines, cut=True)
    failed = await reconcile(world, finance, tenant)

    assert failed["status"] == "failed"
    assert (failed["result"], failed["statement"]) == (good["result"], good["statement"])
    assert failed["unresolved"] == 1


async def test_a_statement_that_is_late_and_a_channel_that_is_away_are_waited_for(
    world: World,
) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    asked = world.channel.bill_asked
    world.channel.bills[tenant.account_id] = Bill(
        [line(await world.paid_payment(tenant))],
        not_before_asked=asked + 2,
        away_until_asked=asked + 3,
    )

    day = await reconcile(world, finance, tenant)

    assert (day["status"], world.channel.bill_asked) == ("balanced", asked + 3)


async def test_an_uploaded_statement_is_used_as_it_is(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    content = Bill([line(await world.paid_payment(tenant))]).content(today())
    asked = world.channel.bill_asked

    answer = await upload(world, finance, tenant, content)
    day = await ended(world, finance, answer)

    assert (day["status"], day["statement"]["source"]) == ("balanced", "uploaded")
    assert day["statement"]["bytes"] == len(content)
    assert world.channel.bill_asked == asked


async def test_an_upload_ends_the_wait_for_the_channels_own_statement(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    lines = [line(await world.paid_payment(tenant))]
    world.channel.bills[tenant.account_id] = Bill(lines, not_before_asked=10**9)
    asked = world.channel.bill_asked
    waiting = await order_day(world, finance, tenant)
    while world.channel.bill_asked == asked:
        await world.channel.news.wait()
        world.channel.news.clear()

    answer = await upload(world, finance, tenant, Bill(lines).content(today()))
    day = await ended(world, finance, answer)

    assert answer.json()["id"] == waiting.json()["id"]
    assert (day["status"], day["statement"]["source"]) == ("balanced", "uploaded")


@pytest.mark.parametrize(
    ("content", "status", "code"), [(b"", 400, "malformed"), (b"x" * 2000, 413, "too-large")]
)
async def test_an_upload_of_nothing_or_too_much_is_refused(
    world: World, content: bytes, status: int, code: str
) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    before = await _counts(world)

    async with world.with_options(statement_max_bytes=1000) as narrow:
        answer = await upload(narrow, finance, tenant, content)

    assert (answer.status_code, code_of(answer)) == (status, code)
    assert await _counts(world) == before


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"business_day": "2026-02-30"}, "#/business_day"),
        ({"business_day": "20261120"}, "#/business_day"),
        ({"account_id": "a b"}, "#/account_id"),
        ({"more": "x"}, "#/more"),
    ],
)
async def test_an_upload_says_whose_and_of_which_day(
    world: World, query: dict[str, str], pointer: str
) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)

    answer = await upload(world, finance, tenant, b"x", **query)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def _counts(world: World) -> dict[str, int]:
    tables = ("reconciliation", "discrepancy", "ledger_transaction", "ledger_entry", "callback")
    return {table: await world.count(table) for table in tables}
