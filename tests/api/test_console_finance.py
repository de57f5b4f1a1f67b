"""The overview and the days of reconciliation, as people with browsers see them.

Real PostgreSQL, Temporal and workflows; all sums were worked out by hand.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import httpx
import pytest

from api.console import charts
from api.console.charts import Bucketing, duration_words, rate_words
from api.console.finance_words import (
    ACTIONS,
    CLASSES,
    DAY_STATES,
    DISCREPANCY_STATES,
    LEDGER_KINDS,
    age_words,
)
from models.ledger import AccountKind
from models.merchant import Role
from models.reconciliation import DiscrepancyClass, DiscrepancyStatus, RepairAction
from models.reconciliation_calendar import DayState
from tests.api.console import ORIGIN, Page, Person, logged_in
from tests.api.days import foreign_line, line, reconcile, today
from tests.api.finance import CHEAP, HOSTILE, a_day, day_path
from tests.api.testpay import Bill
from tests.api.world import Tenant, World


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


async def compared(house: World, tenant: Tenant) -> None:
    """Wait for the end of the day's run."""
    run = f"recon/{tenant.account_id}/{today()}"
    await house.deps.client.get_workflow_handle(run).result()


async def send_file(person: Person, path: str, content: bytes, token: str) -> httpx.Response:
    return await person.http.post(
        f"{path}/upload",
        data={"csrf_token": token},
        files={"statement": ("bill.csv", content)},
        headers={"origin": ORIGIN},
    )


# ---- the overview -----------------------------------------------------------------------------


async def test_an_overview_of_nothing_says_so(finance: Person) -> None:
    """Runs first in this module: nothing was paid yet."""
    start = await finance.get("/console/")
    empty = await finance.get("/console/reconciliation")
    books = await finance.get("/console/balances")

    assert "Nothing waits for anybody." in start.text
    assert "No payment ended in this window." in start.text
    assert start.all("img") == []
    assert "There is no channel account to reconcile." in empty.text
    assert "The books are empty." in books.text


async def test_the_overview_tells_what_came_in_and_how_it_went(
    house: World, finance: Person
) -> None:
    tenant = await house.tenant()
    await house.paid_payment(tenant, amount=1999)
    await house.paid_payment(tenant, amount=501)

    start = await finance.get("/console/")

    assert "25.00 CNY2 payments" in start.text
    assert "100.0 %2 of 2 attempts succeeded" in start.text
    alts = {image.attributes["src"].split(".")[0]: image for image in start.all("img")}
    assert (
        alts["/console/charts/volume"]
        .attributes["alt"]
        .startswith("25.00 CNY came in with 2 payments")
    )
    assert alts["/console/charts/success"].attributes["alt"] == (
        "Of the attempts that ended, these succeeded. testpay: 100.0 % (2 of 2)."
    )


async def test_every_picture_of_the_overview_can_be_had_and_does_nothing_by_itself(
    house: World, finance: Person
) -> None:
    await house.paid_payment(await house.tenant())
    await a_day(house, foreign_line(700))
    start = await finance.get("/console/", window="7d")

    sources = [image.attributes["src"] for image in start.all("img")]
    drawn = [await finance.http.get(source) for source in sources]

    assert {source.split("/")[-1].split(".")[0] for source in sources} == {
        *("volume", "success", "trend", "time", "ageing"),
    }
    for answer in drawn:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert "script-src" not in answer.headers["content-security-policy"]
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(answer.text).iter()}  # noqa: S314  # our own
        assert tags.isdisjoint({"script", "image", "use", "a", "foreignObject"})
        assert "href" not in answer.text
        assert "reactive" in answer.text  # the figures themselves


@pytest.mark.parametrize("name", ["volume", "success", "trend", "time", "ageing"])
async def test_a_picture_of_nothing_is_one_too(finance: Person, name: str) -> None:
    answer = await finance.http.get(
        f"/console/charts/{name}.svg", params={"currency": HOSTILE, "window": HOSTILE}
    )

    assert answer.status_code == 200
    assert "alert(1)" not in answer.text


async def test_a_picture_nobody_draws_is_not_found(finance: Person) -> None:
    assert (await finance.get("/console/charts/sales.svg")).status == 404


async def test_what_waits_is_on_the_overview_with_where_to_go(
    house: World, finance: Person
) -> None:
    await a_day(house, foreign_line(700))

    start = await finance.get("/console/")

    tiles = {
        tile.attributes["href"]: tile.text for tile in start.all("a", **{"class": "figure bad"})
    }
    tiles |= {
        tile.attributes["href"]: tile.text for tile in start.all("a", **{"class": "figure warn"})
    }
    assert "Discrepancies open" in tiles["/console/discrepancies?age=any"]


# ---- days -------------------------------------------------------------------------------------


async def test_the_calendar_leads_to_the_day(house: World, finance: Person) -> None:
    tenant, _ = await a_day(house, foreign_line(700))

    shown = await finance.get("/console/reconciliation", month=f"{today():%Y-%m}")

    cell = shown.one("a", href=day_path(tenant))
    assert cell.text == "1"
    assert cell.attributes["aria-label"] == f"testpay, {today()}: discrepancies, 1 open"
    assert (await finance.get("/console/reconciliation", month=HOSTILE)).status == 200


async def test_a_day_shows_both_sides_and_what_did_not_match(house: World, finance: Person) -> None:
    tenant, key = await house.tenant(), await house.key(Role.FINANCE)
    payment_id = await house.paid_payment(tenant)
    house.channel.bills[tenant.account_id] = Bill([line(payment_id, 1899, 12), foreign_line(700)])
    await reconcile(house, key, tenant)

    shown = await finance.get(day_path(tenant))
    narrowed = await finance.get(day_path(tenant), **{"class": "channel_only"})

    # 18.99 and 7.00 on the statement, 19.99 in our books, 0.12 taken.
    assert "Payments, CNY 25.99 CNY2 lines 19.99 CNY1 bookings 6.00 CNY 0.12 CNY" in shown.text
    assert "0 of 2 lines matched." in shown.text
    assert {"another amount", "only at the channel"} <= set(shown.texts("a"))
    rows = [row for row in narrowed.texts("th", scope="row") if row.endswith("payment")]
    assert rows == ["only at the channelpayment"]


async def test_a_day_is_run_from_its_page(house: World, finance: Person, token: str) -> None:
    tenant = await house.tenant()
    before = await finance.get(day_path(tenant))

    sent = await finance.post(f"{day_path(tenant)}/run", csrf=token)
    await compared(house, tenant)
    after = await finance.get(day_path(tenant))

    assert "Run now" in before.texts("button")
    assert (sent.status_code, sent.headers["location"]) == (303, day_path(tenant))
    assert "Nothing moved on this day, on both sides." in after.text
    assert "balanced" in after.text


async def test_a_day_under_way_looks_again_by_itself(house: World, finance: Person) -> None:
    tenant, key = await house.tenant(), await house.key(Role.FINANCE)
    async with house.without_temporal() as cut_off:  # ordered, and not begun
        body = {"account_id": tenant.account_id, "business_day": str(today())}
        await cut_off.call("POST", "/v1/reconciliations", key=key, body=body)

    shown = await finance.get(day_path(tenant))

    assert shown.one("meta", **{"http-equiv": "refresh"}).attributes["content"] == "5"
    assert shown.one("script").attributes["src"].startswith("/static/finance.js?v=")
    assert "the run begins in a moment" in shown.text


async def test_finance_signs_a_day_off_when_nothing_of_it_is_open(
    house: World, finance: Person, ops: Person, token: str
) -> None:
    tenant, _ = await a_day(house, foreign_line(700))
    path = day_path(tenant)

    early = await finance.post(f"{path}/sign-off", csrf=token)
    house.channel.bills[tenant.account_id] = Bill([])
    await finance.post(f"{path}/run", csrf=token)
    await compared(house, tenant)
    by_ops = await ops.post(f"{path}/sign-off")
    signed = await finance.post(f"{path}/sign-off", csrf=token)
    after = await finance.get(path)

    assert early.status_code == 409
    assert "1 discrepancies of the day are not resolved" in Page(early).text
    assert by_ops.status_code == 403
    assert "Sign the day off" not in (await ops.get(path)).texts("button")
    assert signed.status_code == 303
    assert "The day is signed off." in after.text
    assert after.texts("button") == ["Log out"]


async def test_a_statement_is_uploaded_from_the_page(
    house: World, finance: Person, token: str
) -> None:
    tenant = await house.tenant()
    payment_id = await house.paid_payment(tenant)
    bill = Bill([line(payment_id, fee=12)]).content(today())

    sent = await send_file(finance, day_path(tenant), bill, token)
    await compared(house, tenant)
    shown = await finance.get(day_path(tenant))

    assert sent.status_code == 303
    assert f"uploaded, {len(bill):,} bytes" in shown.text
    assert "1 of 1 lines matched." in shown.text


async def test_a_wrong_file_is_told_in_plain_words_and_loses_nothing(
    house: World, finance: Person, token: str
) -> None:
    tenant, key = await house.tenant(), await house.key(Role.FINANCE)
    payment_id = await house.paid_payment(tenant)
    house.channel.bills[tenant.account_id] = Bill([line(payment_id, fee=12)])
    await reconcile(house, key, tenant)
    bill = Bill([line(payment_id)], says_day="2026-01-01").content(today())

    await send_file(finance, day_path(tenant), bill, token)
    await compared(house, tenant)
    shown = await finance.get(day_path(tenant))

    assert "It is the statement of another day. Upload the file on the page" in shown.text
    assert "it is of 2026-01-01 · statement-wrong-day" in shown.text
    assert "The figures below are those of the last good run." in shown.text
    assert "1 of 1 lines matched." in shown.text


async def test_a_file_that_is_none_or_too_large_is_refused_before_it_is_read(
    house: World, finance: Person, token: str
) -> None:
    tenant = await house.tenant()
    path = day_path(tenant)

    empty = await send_file(finance, path, b"", token)
    huge = await finance.http.post(
        f"{path}/upload", headers={"origin": ORIGIN, "content-length": str(1024**3)}
    )

    assert (empty.status_code, huge.status_code) == (422, 413)
    assert "Choose the statement’s file first" in Page(empty).text.replace("'", "’")
    assert "Up to 64 MiB can be uploaded here" in Page(huge).text
    assert "not over" in (await finance.get(path)).text


@pytest.mark.parametrize(
    "path",
    [
        "/console/reconciliation/acc_01KAH3W3F0Q7V2H8T0M4X5N6P7/2026-11-20",
        "/console/reconciliation/acc_01KAH3W3F0Q7V2H8T0M4X5N6P7/2026-02-30",
        "/console/reconciliation/x/yesterday",
        "/console/discrepancies/dis_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        "/console/discrepancies/..%2f",
        "/console/balances/channel-day?account_id=acc_x&business_day=2026-11-20",
    ],
)
async def test_what_is_not_there_is_a_page_that_says_so(finance: Person, path: str) -> None:
    assert (await finance.http.get(path)).status_code == 404


# ---- words ------------------------------------------------------------------------------------


def test_everything_that_has_a_code_has_words() -> None:
    assert set(CLASSES) == set(DiscrepancyClass)
    assert set(DISCREPANCY_STATES) == set(DiscrepancyStatus)
    assert set(ACTIONS) == set(RepairAction)
    assert set(DAY_STATES) == set(DayState)
    assert set(LEDGER_KINDS) == set(AccountKind)


@pytest.mark.parametrize(
    ("succeeded", "ended", "says"),
    [
        (2, 3, "66.6 % (2 of 3)"),
        (2000, 3000, "66.6 % (2,000 of 3,000)"),
        (9999, 10_000, "99.9 % (9,999 of 10,000)"),
        (0, 0, "nothing ended"),
    ],
)
def test_a_rate_is_told_with_its_counts(succeeded: int, ended: int, says: str) -> None:
    assert rate_words(succeeded, ended) == says


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0.5, "0.5 s"),
        (40, "40 s"),
        (90, "1.5 min"),
        (7200, "2 h"),
        (86_400, "1 d"),
        (None, "longer"),
    ],
)
def test_a_duration_is_told_in_its_own_unit(seconds: float | None, says: str) -> None:
    assert duration_words(seconds) == says


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(5, "just now"), (60, "1 minute"), (119, "1 minute"), (120, "2 minutes"),
     (3600, "60 minutes"), (7200, "2 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_an_age_is_told_in_the_largest_unit_of_which_there_are_two(
    seconds: float, says: str
) -> None:
    assert age_words(seconds) == says


def test_a_picture_has_a_bar_for_every_figure() -> None:
    drawn = ET.fromstring(charts.success((("alipay", 9, 10), ("stripe", 2, 3), ("test", 1, 1))))  # noqa: S314  # our own

    bars = [e for e in drawn.iter() if e.tag.endswith("rect") and "reactive" in e.get("class", "")]
    words = {"".join(element.itertext()).strip() for element in drawn.iter()}
    assert len(bars) == 3
    assert {"90.0 % (9 of 10)", "66.6 % (2 of 3)", "100.0 % (1 of 1)"} <= words


def test_a_month_of_days_has_about_six_names() -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    bucketing = Bucketing(since, since + timedelta(days=30), is_daily=True)

    assert (len(bucketing.labels), bucketing.labels[0]) == (30, "1 Nov")
    assert 6 <= len(bucketing.labels_shown) <= 7
