"""Many differences at random: each is found in its class, and none is invented."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from models.reconciliation import (
    StatementLine,
)
from storage.database import Database
from tests.storage.arrange import a_shop
from tests.storage.statements import DAY, MIDNIGHT, NOON, Account, line


@pytest.fixture
async def account(database: Database, database_url: str) -> Account:
    return Account(database, database_url, await a_shop(database))


PLANTS = (
    "missing",
    "extra",
    "amount",
    "currency",
    "fee",
    "status",
    "duplicate",
    "late_line",
    "early_line",
)
# What each is found as on the first day, once both days were run.
EXPECTED = {
    "missing": ("ours_only", "open"),
    "extra": ("channel_only", "open"),
    "amount": ("amount_diff", "open"),
    "currency": ("currency_diff", "open"),
    "fee": ("fee_diff", "resolved"),
    "status": ("status_diff", "open"),
    "duplicate": ("duplicate", "open"),
    "late_line": ("cutoff", "resolved"),
    "early_line": ("cutoff", "resolved"),
}


@pytest.mark.parametrize("_round", range(3))
async def test_random_differences_are_each_found_and_none_is_invented(
    account: Account, _round: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # to repeat the round
    chance = random.Random(seed)
    first: list[StatementLine] = []
    second: list[StatementLine] = []
    expected: dict[str, tuple[str, str]] = {}
    for _ in range(40):
        amount = chance.randint(100, 1_000_000)
        plant = chance.choice([*PLANTS, *["none"] * 8])
        at = NOON + timedelta(minutes=chance.randint(-600, 600))
        row = await _plant(account, plant, amount, at, chance)
        if plant in EXPECTED:
            expected[row.serial] = EXPECTED[plant]
        if plant == "late_line":
            second.append(row)
        elif plant != "missing":
            first.append(row)
        if plant == "duplicate":
            first.append(row._replace(channel_reference=f"again{amount}"))
    chance.shuffle(first)

    results = [await account.run(first), await account.run(second, DAY + timedelta(days=1))]
    found = {view.serial: (view.class_.value, view.status.value) for view in await account.found()}
    again = await account.run(first)

    assert found == expected
    assert all(result.adds_up for result in [*results, again])
    assert {
        view.serial: (view.class_.value, view.status.value) for view in await account.found()
    } == expected


async def _plant(
    account: Account, plant: str, amount: int, at: datetime, chance: random.Random
) -> StatementLine:
    """What our books have and the line for it, with one difference between them."""
    if plant == "extra":
        return line(f"FOREIGN{chance.randrange(10**9)}", amount, at)
    if plant == "status":
        return await account.unpaid(amount)
    if plant == "late_line":
        return await account.paid(amount, MIDNIGHT - timedelta(seconds=chance.randint(1, 1700)))
    if plant == "early_line":
        return await account.paid(amount, MIDNIGHT + timedelta(seconds=chance.randint(1, 1700)))
    row = await account.paid(amount, at)
    changes: dict[str, dict[str, Any]] = {
        "amount": {"amount_minor": amount + chance.choice([-1, 1]) * chance.randint(1, 99)},
        "currency": {"currency": "USD"},
        "fee": {"fee_minor": row.fee_minor + chance.choice([-3, 3, 50])},
    }
    return row._replace(**changes.get(plant, {}))
