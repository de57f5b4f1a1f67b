"""Discrepancies, balances and their tables, as people with browsers see them.

Real PostgreSQL, Temporal and workflows; all sums were worked out by hand.
"""

from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from models.merchant import Role
from tests.api.console import Page, Person, logged_in
from tests.api.days import foreign_line, today
from tests.api.finance import CHEAP, HOSTILE, a_day, day_path, one_of
from tests.api.world import World

PAGES = (
    "/console/",
    "/console/charts/volume.svg",
    "/console/reconciliation",
    "/console/reconciliation/acc_1/2026-11-20",
    "/console/reconciliation/acc_1/2026-11-20/csv",
    "/console/discrepancies",
    "/console/discrepancies/ageing.csv",
    "/console/discrepancies/dis_1",
    "/console/balances",
    "/console/balances/statement",
    "/console/balances/statement.csv",
    "/console/balances/trial-balance.csv",
    "/console/balances/accounts.csv",
    "/console/balances/channel-day",
)


@pytest.fixture(scope="module")
async def house(world: World) -> AsyncIterator[World]:
    async with world.with_(passwords=CHEAP) as cheap:
        yield cheap


@pytest.fixture(scope="module")
async def finance(house: World) -> AsyncIterator[Person]:
    async with await logged_in(house, Role.FINANCE) as person:
        yield person


@pytest.fixture(scope="module")
async def ops(house: World) -> AsyncIterator[Person]:
    async with await logged_in(house, Role.OPS) as person:
        yield person


@pytest.fixture(scope="module")
async def token(finance: Person) -> str:
    """What finance's own forms carry."""
    return (await finance.get("/console/sessions")).csrf


# ---- discrepancies ----------------------------------------------------------------------------


async def test_a_repair_is_proposed_and_approved_by_two_people(
    house: World, finance: Person, ops: Person, token: str
) -> None:
    tenant, day = await a_day(house, foreign_line(700))
    path = f"/console/discrepancies/{await one_of(house, day, 'channel_only')}"

    asked = await finance.get(path)
    await finance.post(f"{path}/repair", csrf=token, action="suspense", reason="nobody knows it")
    own = await finance.get(path)
    by_oneself = await finance.post(f"{path}/approve", csrf=token)
    approved = await ops.post(f"{path}/approve", reason="agreed")
    after = await ops.get(path)

    suspense = f"Channel clearing1101:{tenant.account_id}7.00 CNY"
    assert suspense in asked.text
    assert "You proposed this. Somebody else has to decide." in own.text
    assert by_oneself.status_code == 409
    assert "Who asked for something cannot decide on it" in Page(by_oneself).text
    assert approved.status_code == 303
    assert "the difference was booked to suspense" in after.text
    moves = [text.split(" ")[0] for text in after.texts("li") if " by " in text]
    assert moves == ["Open", "Awaiting", "Approved", "Resolved"]


async def test_a_rejected_repair_is_open_again(
    house: World, finance: Person, ops: Person, token: str
) -> None:
    _, day = await a_day(house, foreign_line(700))
    path = f"/console/discrepancies/{await one_of(house, day, 'channel_only')}"

    await finance.post(f"{path}/repair", csrf=token, action="dismiss", reason="none of ours")
    await ops.post(f"{path}/reject", reason="look again")
    after = await finance.get(path)

    assert "rejected: look again" in after.text
    assert "Propose" in after.texts("button")


async def test_a_proposal_without_a_reason_keeps_what_was_chosen(
    house: World, finance: Person, token: str
) -> None:
    _, day = await a_day(house, foreign_line(700))
    path = f"/console/discrepancies/{await one_of(house, day, 'channel_only')}"

    answer = await finance.post(f"{path}/repair", csrf=token, action="write_off", reason=" ")

    shown = Page(answer)
    assert answer.status_code == 422
    assert "#/reason" in shown.texts("code")
    assert "checked" in shown.one("input", type="radio", value="write_off").attributes


async def test_the_list_is_narrowed_down_by_its_form(house: World, finance: Person) -> None:
    tenant, _ = await a_day(house, foreign_line(700))
    mine = {"account_id": tenant.account_id}

    everything = await finance.get("/console/discrepancies", **mine)
    young = await finance.get("/console/discrepancies", age="0-1", **mine)
    old = await finance.get("/console/discrepancies", age="older", **mine)
    wrong = await finance.get("/console/discrepancies", account_id="not an id")

    assert "only at the channelpayment" in everything.texts("th", scope="row")
    assert "only at the channelpayment" in young.texts("th", scope="row")
    assert "No discrepancy fits." in old.text
    assert wrong.status == 422
    assert wrong.one("input", name="account_id").attributes["value"] == "not an id"


async def test_what_a_statement_says_is_text_and_nothing_else(
    house: World, finance: Person
) -> None:
    tenant, day = await a_day(
        house, foreign_line(700, serial=HOSTILE, channel_reference=f'"><img src=x>{HOSTILE}')
    )
    discrepancy_id = await one_of(house, day, "channel_only")

    pages = [
        await finance.get(path)
        for path in (
            day_path(tenant),
            "/console/discrepancies",
            f"/console/discrepancies/{discrepancy_id}",
        )
    ]

    for shown in pages:
        assert HOSTILE in shown.text
        assert (shown.all("script"), shown.all("img")) == ([], [])


# ---- balances ---------------------------------------------------------------------------------


async def test_the_books_sum_to_zero_and_every_account_can_be_opened(
    house: World, finance: Person
) -> None:
    tenant = await house.tenant()
    await house.paid_payment(tenant, amount=2000)

    books = await finance.get("/console/balances", kind="2101", currency="CNY")
    account = f"2101:{tenant.merchant_id}"
    (link,) = (
        element.attributes["href"]
        for element in books.all("a")
        if account in unquote(element.attributes["href"])
    )
    opened = Page(await finance.http.get(link))

    assert "sums to zero" in books.text
    assert "does not" not in books.text
    # Of 20.00 we keep 60 basis points.
    assert "-19.88 CNYAfter" in opened.text
    assert "payment.captured" in opened.text


async def test_money_in_suspense_stands_out_with_its_age(
    house: World, finance: Person, ops: Person, token: str
) -> None:
    tenant, day = await a_day(house, foreign_line(700))
    path = f"/console/discrepancies/{await one_of(house, day, 'channel_only')}"
    await finance.post(f"{path}/repair", csrf=token, action="suspense", reason="nobody knows it")
    await ops.post(f"{path}/approve")

    shown = await finance.get("/console/balances", kind="2401")

    rows = [
        row for row in shown.all("tr", **{"class": "suspense"}) if tenant.account_id in row.text
    ]
    assert len(rows) == 1
    assert "-7.00 CNY" in rows[0].text
    assert "just now" in rows[0].text


async def test_wrong_filters_of_the_books_are_told_in_place(finance: Person) -> None:
    books = await finance.get("/console/balances", currency=HOSTILE)
    statement = await finance.get("/console/balances/statement", account=HOSTILE, currency="CNY")
    odd_days = await finance.get("/console/balances/statement", since="9999-12-31", until="x")

    assert (books.status, statement.status, odd_days.status) == (422, 422, 422)
    assert books.all("script") == statement.all("script") == []


async def test_tables_can_be_taken_along(house: World, finance: Person) -> None:
    tenant = await house.tenant()
    await house.paid_payment(tenant, amount=2000)
    statement = f"/console/balances/statement.csv?account=2101:{tenant.merchant_id}&currency=CNY"
    paths = (
        "/console/balances/trial-balance.csv",
        "/console/balances/accounts.csv?kind=1101",
        statement,
        "/console/discrepancies/ageing.csv",
        f"{day_path(tenant)}/csv",
    )

    answers = [await finance.http.get(path) for path in paths]

    assert {answer.headers["content-type"] for answer in answers} == {"text/csv; charset=utf-8"}
    assert all("attachment" in answer.headers["content-disposition"] for answer in answers)
    assert "payment.captured" in answers[2].text


async def test_a_channels_day_is_shown_from_our_books(house: World, finance: Person) -> None:
    tenant = await house.tenant()
    await house.paid_payment(tenant, amount=2000)

    shown = await finance.get(
        "/console/balances/channel-day", account_id=tenant.account_id, business_day=str(today())
    )

    assert "adds up" in shown.text
    assert "The channel owes us after20.00 CNY" in shown.text
    assert "Our fee income0.12 CNY" in shown.text


# ---- who may ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_sees_a_page_without_a_login(house: World, path: str) -> None:
    answer = await house.http.get(path)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/login")


@pytest.mark.parametrize("command", ["run", "sign-off"])
async def test_a_form_that_is_not_ours_does_nothing(
    house: World, finance: Person, command: str
) -> None:
    tenant = await house.tenant()

    answer = await finance.post(f"{day_path(tenant)}/{command}", csrf="x" * 43)

    assert answer.status_code == 403
    assert "not over" in (await finance.get(day_path(tenant))).text


async def test_admins_look_and_do_not_repair(house: World) -> None:
    _, day = await a_day(house, foreign_line(700))
    path = f"/console/discrepancies/{await one_of(house, day, 'channel_only')}"
    async with await logged_in(house, Role.ADMIN) as admin:
        shown = await admin.get(path)
        refused = await admin.post(f"{path}/repair", action="dismiss", reason="mine")

    assert "Ops and finance propose and approve repairs." in shown.text
    assert refused.status_code == 403
