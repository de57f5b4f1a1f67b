"""What finance's pages are tried with: days that were compared, and where their pages are."""

from datetime import date
from typing import Any

from argon2 import PasswordHasher

from api.passwords import Passwords
from models.merchant import Role
from tests.api.days import discrepancies, reconcile, today
from tests.api.testpay import Bill
from tests.api.world import Tenant, World

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HOSTILE = "<script>alert(1)</script>"


def day_path(tenant: Tenant, on: date | None = None) -> str:
    return f"/console/reconciliation/{tenant.account_id}/{on or today()}"


async def a_day(house: World, *lines: Any) -> tuple[Tenant, dict[str, Any]]:
    """A tenant whose day was compared with such a statement."""
    tenant, key = await house.tenant(), await house.key(Role.FINANCE)
    house.channel.bills[tenant.account_id] = Bill(list(lines))
    return tenant, await reconcile(house, key, tenant)


async def one_of(house: World, day: dict[str, Any], class_: str) -> str:
    """The id of the day's discrepancy of that class."""
    found = await discrepancies(house, await house.key(Role.FINANCE), day)
    discrepancy_id: str = found[class_]["id"]
    return discrepancy_id
