"""The figures of the start page and of finance's overviews, through the API."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.merchant import Role
from tests.api import testpay
from tests.api.days import discrepancies, foreign_line, line, reconcile, today
from tests.api.testpay import Bill
from tests.api.world import World, code_of


async def read(world: World, path: str, role: Role = Role.FINANCE) -> Any:
    answer = await world.call("GET", path, key=await world.key(role))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("role", [Role.OPS, Role.FINANCE, Role.ADMIN])
async def test_an_empty_house_has_figures_too(world: World, role: Role) -> None:
    """Runs first in this module: nothing was paid yet."""
    told = await read(world, "/v1/statistics", role)

    assert (told["volume"], told["outcomes"], told["channels"]) == ([], [], [])
    assert told["now"]["unknown"] == {"count": 0, "at_least": False, "oldest_at": None}
    assert told["now"]["discrepancies"]["count"] == 0


async def test_what_was_paid_is_in_the_last_bucket(world: World) -> None:
    tenant = await world.tenant()
    await world.paid_payment(tenant, amount=1999)
    await world.paid_payment(tenant, amount=500)

    told = await read(world, "/v1/statistics?hours=2")

    last = told["volume"][-1]
    assert (last["currency"], last["count"], last["amount"]) == ("CNY", 2, 2499)
    assert told["bucket"] == "hour"
    (channel,) = (one for one in told["channels"] if one["channel"] == testpay.NAME)
    assert (channel["succeeded"], channel["ended"], channel["success_bps"]) == (2, 2, 10_000)
    assert channel["timed"] == 2
    assert channel["p50_seconds"] <= channel["p90_seconds"] <= channel["p99_seconds"]


@pytest.mark.parametrize(
    ("query", "bucket", "hours"),
    [
        ("", "hour", 24),
        ("?hours=1", "hour", 1),
        ("?hours=49", "day", 72),
        ("?days=2", "hour", 48),
        ("?days=7&bucket=hour", "hour", 168),
        ("?days=92", "day", 92 * 24),
    ],
)
async def test_a_window_is_whole_buckets_and_the_one_of_now(
    world: World, query: str, bucket: str, hours: int
) -> None:
    told = await read(world, f"/v1/statistics{query}")

    length = timedelta(days=1) if bucket == "day" else timedelta(hours=1)
    until, since = _instant(told["until"]), _instant(told["since"])
    assert told["bucket"] == bucket
    assert timedelta(hours=hours) - length < until - since <= timedelta(hours=hours)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("hours=1&days=1", "#/days"), ("days=8&bucket=hour", "#/bucket"), ("days=93", "#/days")],
)
async def test_windows_that_make_no_sense_are_refused(
    world: World, query: str, pointer: str
) -> None:
    answer = await world.call("GET", f"/v1/statistics?{query}", key=await world.admin())

    assert answer.status_code == 422
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "path",
    ["statistics", "reconciliations/calendar?month=2026-01", "reports/ledger-accounts"],
)
async def test_an_app_sees_none_of_it(world: World, path: str) -> None:
    answer = await world.call("GET", f"/v1/{path}", key=(await world.tenant()).key)

    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


async def test_the_calendar_says_where_each_day_of_each_account_stands(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    world.channel.bills[tenant.account_id] = Bill([foreign_line(700)])
    day = await reconcile(world, finance, tenant)

    month = f"{today():%Y-%m}"
    told = await read(
        world, f"/v1/reconciliations/calendar?month={month}&account_id={tenant.account_id}"
    )
    long_ago = await read(
        world, f"/v1/reconciliations/calendar?month=2026-02&account_id={tenant.account_id}"
    )

    (account,) = told["items"]
    days = {one["business_day"]: one for one in account["days"]}
    assert (account["merchant_name"], account["timezone"]) == ("Cinema", testpay.NOON_ZONE)
    assert days[str(today())] == {
        "business_day": str(today()),
        "state": "discrepancies",
        "reconciliation_id": day["id"],
        "unresolved": 1,
    }
    assert {one["state"] for name, one in days.items() if name > str(today())} <= {"not_over"}
    (then,) = long_ago["items"]
    assert len(then["days"]) == 28
    assert {one["state"] for one in then["days"]} == {"no_account"}


async def test_accounts_of_the_calendar_come_in_pages(world: World) -> None:
    for _ in range(2):
        await world.tenant()

    path = f"/v1/reconciliations/calendar?month={today():%Y-%m}&limit=1"
    first = await read(world, path)
    second = await read(world, f"{path}&cursor={first['next_cursor']}")

    assert first["items"][0]["account_id"] < second["items"][0]["account_id"]


async def test_a_discrepancy_says_what_each_repair_would_book(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = await world.paid_payment(tenant)
    world.channel.bills[tenant.account_id] = Bill([line(payment_id, 1899)])
    found = await discrepancies(world, finance, await reconcile(world, finance, tenant))

    told = await read(world, f"/v1/discrepancies/{found['amount_diff']['id']}")

    # The channel owes a yuan less than we have it.
    effects = {effect["action"]: effect["entries"] for effect in told["effects"]}
    assert effects == {
        "dismiss": [],
        "suspense": [
            {"account": f"1201:{tenant.account_id}", "amount": 100},
            {"account": f"1101:{tenant.account_id}", "amount": -100},
        ],
        "write_off": [
            {"account": "5102", "amount": 100},
            {"account": f"1101:{tenant.account_id}", "amount": -100},
        ],
    }


async def test_discrepancies_are_found_by_their_age(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    world.channel.bills[tenant.account_id] = Bill([foreign_line(700)])
    await reconcile(world, finance, tenant)
    path = f"/v1/discrepancies?account_id={tenant.account_id}&age="

    counts = {
        age: len((await read(world, f"{path}{age}"))["items"])
        for age in ("any", "0-1", "2-3", "4-7", "older")
    }

    assert counts == {"any": 1, "0-1": 1, "2-3": 0, "4-7": 0, "older": 0}


async def test_ledger_accounts_are_listed_with_their_balances(world: World) -> None:
    tenant = await world.tenant()
    await world.paid_payment(tenant, amount=2000)

    told = await read(world, "/v1/reports/ledger-accounts?kind=2101&limit=100")
    table = await world.call(
        "GET",
        "/v1/reports/ledger-accounts?kind=1101&limit=100&format=csv",
        key=await world.key(Role.FINANCE),
    )

    # Of 20.00 we keep 60 basis points.
    mine = {item["account"]: item for item in told["items"]}[f"2101:{tenant.merchant_id}"]
    assert (mine["name"], mine["balance_minor"], mine["open_since"]) == ("Cinema", -1988, None)
    rows = {row["account"]: row for row in csv.DictReader(io.StringIO(table.text))}
    assert rows[f"1101:{tenant.account_id}"]["balance_minor"] == "2000"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
