"""What finance reads through the API: roles, equations, tables that a spreadsheet can open."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from api.csv_answers import csv_answer
from models.merchant import Role
from tests.api.world import Tenant, World, code_of


async def report(world: World, name: str, **query: str) -> Any:
    key = await world.key(Role.FINANCE)
    answer = await world.http.get(
        f"/v1/reports/{name}", params=query, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json() if query.get("format") != "csv" else answer


def around(world: World) -> dict[str, str]:
    now = world.deps.clock()
    return {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
    }


def today_of(world: World) -> str:
    """The business day of the test channel, which is in Shanghai."""
    return f"{world.deps.clock() + timedelta(hours=8):%Y-%m-%d}"


async def paid_and_refunded(world: World) -> Tenant:
    """20.00 paid, 5.00 given back; our fee of 60 basis points is 0.12 and kept."""
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant, amount=2000)
    refund = await world.refund(tenant, payment_id, amount=500)
    await world.refunded(refund.json()["id"])
    return tenant


async def test_the_trial_balance_satisfies_the_accounting_equation(world: World) -> None:
    await paid_and_refunded(world)

    told = await report(world, "trial-balance")

    assert told["balanced"] is True
    (cny,) = (each for each in told["equations"] if each["currency"] == "CNY")
    assert cny["assets_minor"] == cny["liabilities_minor"] + cny["income_minor"]
    debits = sum(row["debit_minor"] for row in told["rows"])
    assert debits == sum(row["credit_minor"] for row in told["rows"])


async def test_an_account_statement_runs_from_opening_to_closing(world: World) -> None:
    tenant = await paid_and_refunded(world)
    account = f"2101:{tenant.merchant_id}"

    told = await report(
        world, "account-statement", account=account, currency="CNY", **around(world)
    )

    # The merchant is owed 19.88 (credit), of which 5.00 go back (debit).
    assert [
        (e["event_type"], e["amount_minor"], e["before_minor"], e["after_minor"])
        for e in told["entries"]
    ] == [
        ("payment.captured", -1988, 0, -1988),
        ("refund.accepted", 500, -1988, -1488),
    ]
    assert (told["opening_minor"], told["in_minor"], told["out_minor"]) == (0, 500, 1988)
    assert (told["closing_minor"], told["balanced"]) == (-1488, True)


async def test_an_account_statement_comes_in_pages_that_fit_together(world: World) -> None:
    tenant = await paid_and_refunded(world)
    query = {"account": f"1101:{tenant.account_id}", "currency": "CNY", **around(world)}

    first = await report(world, "account-statement", limit="1", **query)
    second = await report(
        world, "account-statement", limit="2", cursor=first["next_cursor"], **query
    )

    # Clearing is debited in two parts, the merchant's and our fee, and credited by the refund.
    entries = first["entries"] + second["entries"]
    assert [entry["amount_minor"] for entry in entries] == [1988, 12, -500]
    assert [entry["after_minor"] for entry in entries] == [1988, 2000, 1500]
    assert second["next_cursor"] is None


async def test_a_channels_day_adds_up(world: World) -> None:
    tenant = await paid_and_refunded(world)

    told = await report(
        world, "channel-day", account_id=tenant.account_id, business_day=today_of(world)
    )

    (cny,) = told["currencies"]
    assert (cny["opening_minor"], cny["closing_minor"]) == (0, 1500)
    assert (cny["payments"], cny["payments_minor"]) == (1, 2000)
    assert (cny["refunds"], cny["refunds_minor"]) == (1, 500)
    assert (cny["fee_income_minor"], cny["net_minor"]) == (12, 1500)
    assert told["balanced"] is True
    assert told["reconciliation"] is None


async def test_yesterdays_closing_is_todays_opening(world: World) -> None:
    tenant = await paid_and_refunded(world)
    tomorrow = f"{world.deps.clock() + timedelta(hours=32):%Y-%m-%d}"

    told = await report(world, "channel-day", account_id=tenant.account_id, business_day=tomorrow)

    (cny,) = told["currencies"]
    assert (cny["opening_minor"], cny["in_minor"], cny["closing_minor"]) == (1500, 0, 1500)


async def test_a_day_as_a_table_has_one_line_for_each_figure(world: World) -> None:
    tenant = await paid_and_refunded(world)

    answer = await report(
        world,
        "channel-day",
        account_id=tenant.account_id,
        business_day=today_of(world),
        format="csv",
    )

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[:5] == [
        ["currency", "line", "count", "amount_minor"],
        ["CNY", "opening", "", "0"],
        ["CNY", "payment.captured", "1", "2000"],
        ["CNY", "refund.succeeded", "1", "-500"],
        ["CNY", "closing", "", "1500"],
    ]


@pytest.mark.parametrize("name", ["trial-balance", "discrepancies"])
async def test_the_whole_house_can_be_had_as_a_table(world: World, name: str) -> None:
    await paid_and_refunded(world)

    answer = await report(world, name, format="csv")

    assert answer.text.endswith("\r\n")
    assert "attachment" in answer.headers["content-disposition"]


def test_no_cell_begins_as_a_formula() -> None:
    answer = csv_answer("t", ("a", "b"), [("=1+1", -5), ("@x", None), ('say "hi", all', 3)])

    assert answer.body == b'a,b\r\n\'=1+1,-5\r\n\'@x,\r\n"say ""hi"", all",3\r\n'


@pytest.mark.parametrize(
    ("name", "query", "pointer"),
    [
        ("trial-balance", {"at": "yesterday"}, "#/at"),
        ("trial-balance", {"at": "2026-01-01T00:00:00"}, "#/at"),
        ("trial-balance", {"format": "xlsx"}, "#/format"),
        ("channel-day", {"account_id": "acc_1", "business_day": "2026-13-01"}, "#/business_day"),
        (
            "account-statement",
            {
                "account": "9999:x",
                "currency": "CNY",
                "since": "2026-01-01T00:00:00Z",
                "until": "2026-01-02T00:00:00Z",
            },
            "#/account",
        ),
        (
            "account-statement",
            {
                "account": "1101:x",
                "currency": "CNY",
                "since": "2026-01-01T00:00:00Z",
                "until": "2026-01-02T00:00:00Z",
                "cursor": "bm90LWFuLWluc3RhbnQ=",
            },
            "#/cursor",
        ),
    ],
)
async def test_what_is_wrong_with_a_question_is_pointed_at(
    world: World, name: str, query: dict[str, str], pointer: str
) -> None:
    key = await world.key(Role.FINANCE)

    answer = await world.http.get(
        f"/v1/reports/{name}", params=query, headers={"authorization": f"Bearer {key}"}
    )

    assert answer.status_code == 422, answer.text
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [pointer]


async def test_an_account_nobody_knows_is_not_found(world: World) -> None:
    key = await world.key(Role.FINANCE)

    path = "/v1/reports/channel-day?account_id=acc_nobody&business_day=2026-01-01"
    answer = await world.call("GET", path, key=key)

    assert (answer.status_code, code_of(answer)) == (404, "not-found")


@pytest.mark.parametrize(
    "name", ["trial-balance", "account-statement", "channel-day", "discrepancies"]
)
async def test_an_app_does_not_read_the_houses_books(world: World, name: str) -> None:
    tenant = await world.tenant()

    answer = await world.call("GET", f"/v1/reports/{name}", key=tenant.key)

    assert answer.status_code == 403
