"""Days to reconcile over the test channel: its bills line by line, and what became of them."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx

from models.ledger import AccountKind, LedgerAccountName
from models.reconciliation import LineKind, StatementLine
from storage.ledger import balance
from tests.api.testpay import NOON_ZONE
from tests.api.world import Tenant, World


def today() -> date:
    """By the test channel's clock, which is far from midnight."""
    return datetime.now(ZoneInfo(NOON_ZONE)).date()


def line(payment_id: str, minor: int = 1999, fee: int = 0, **changes: Any) -> StatementLine:
    """A payment's first attempt as the channel lists it."""
    listed = StatementLine(
        kind=LineKind.PAYMENT,
        serial=f"{payment_id.removeprefix('pay_')}01",
        refund_serial="",
        channel_reference="2026112022001",
        amount_minor=minor,
        fee_minor=fee,
        currency="CNY",
        occurred_at=datetime.now(UTC),
    )
    return listed._replace(**changes)


def refund_line(payment_id: str, refund_id: str, minor: int = 500) -> StatementLine:
    return line(
        payment_id, minor, kind=LineKind.REFUND, refund_serial=refund_id.removeprefix("ref_")
    )


def foreign_line(minor: int, **changes: Any) -> StatementLine:
    """A payment that is none of ours, with a reference of its own."""
    own = {"serial": "T-4711", "channel_reference": uuid4().hex}
    return line("pay_x", minor, **(own | changes))


async def order_day(world: World, key: str, tenant: Tenant, day: date | None = None) -> Any:
    body = {"account_id": tenant.account_id, "business_day": str(day or today())}
    return await world.call("POST", "/v1/reconciliations", key=key, body=body)


async def ended(world: World, key: str, ordered: httpx.Response) -> dict[str, Any]:
    """The day after the end of the run that was ordered."""
    assert ordered.status_code == 202, ordered.text
    day = ordered.json()
    run = f"recon/{day['account_id']}/{day['business_day']}"
    await world.deps.client.get_workflow_handle(run).result()
    found: dict[str, Any] = (await world.call("GET", ordered.headers["location"], key=key)).json()
    return found


async def reconcile(world: World, key: str, tenant: Tenant) -> dict[str, Any]:
    return await ended(world, key, await order_day(world, key, tenant))


async def upload(world: World, key: str, tenant: Tenant, content: bytes, **query: Any) -> Any:
    asked = {"account_id": tenant.account_id, "business_day": str(today())} | query
    return await world.http.post(
        "/v1/reconciliations/upload",
        params=asked,
        content=content,
        headers={"authorization": f"Bearer {key}"},
    )


async def discrepancies(world: World, key: str, day: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What did not match, by class; a day here has at most one of each."""
    path = f"/v1/reconciliations/{day['id']}/discrepancies"
    items = (await world.call("GET", path, key=key)).json()["items"]
    found = {item["class"]: item for item in items}
    assert len(found) == len(items), items
    return found


async def booked(world: World, kind: AccountKind, owner: str = "", currency: str = "CNY") -> int:
    """Debits less credits of a ledger account."""
    async with world.deps.database.transaction("test balance") as connection:
        return await balance(connection, LedgerAccountName(kind=kind, owner=owner), currency)
