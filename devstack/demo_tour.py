"""What `KEEP=1 make demo` leaves behind to be clicked through, and the list of where to click."""

from dataclasses import dataclass, field
from typing import Any

from devstack.api_client import Access, ApiClient
from devstack.demo_day import DemoDay
from devstack.shop import RETURN_URL, Order, Shop, new_order_number
from devstack.supervisor import Stack

_OPEN_SECONDS = 7 * 24 * 3600
# Above this the demo's app has its refunds approved by a second person.
_APPROVED_ABOVE_MINOR = 10_00
_PEOPLE = (("kim", "Kim", "ops"), ("lee", "Lee", "finance"), ("max", "Max", "admin"))


@dataclass(frozen=True)
class Colleague:
    """A person for the console. The password opens one login, after which they choose their own."""

    login: str
    role: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Tour:
    """What is left open: two cash desks, a refund and a repair that wait for a second person."""

    desks: tuple[str, str]
    colleagues: tuple[Colleague, ...]
    account_id: str
    day: str


async def leave_things_open(admin: Access, shop: Shop, paid: str, day: DemoDay) -> Tour:
    """Two payments without a method, a refund and a repair to be approved, three people."""
    order = Order(amount=128_00, method=None, expires_in=_OPEN_SECONDS, return_url=RETURN_URL)
    first, second = [await shop.order(order) for _ in range(2)]
    async with ApiClient(admin.url, admin.key) as api:
        app = await api.get(f"/v1/apps/{shop.app_id}")
        change = {"refund_approval_above": _APPROVED_ABOVE_MINOR, "version": app["version"]}
        await api.patch(f"/v1/apps/{shop.app_id}", change)
        await shop.refund(paid, _APPROVED_ABOVE_MINOR + 1_00, refund_no=new_order_number())
        await _propose_repair(api, admin.url, day)
        colleagues = [await _let_in(api, *person) for person in _PEOPLE]
    return Tour(
        desks=(first["next_action"]["url"], second["next_action"]["url"]),
        colleagues=tuple(colleagues),
        account_id=shop.account_id,
        day=day.business_day,
    )


async def _propose_repair(api: ApiClient, url: str, day: DemoDay) -> None:
    """By somebody of finance, whom none of the three is, so that each who may can approve it."""
    key = await api.post("/v1/keys", {"name": "demo's finance", "role": "finance"})
    async with ApiClient(url, key["api_key"]) as finance:
        await finance.post(
            f"/v1/discrepancies/{day.strange_id}/repair",
            {"action": "suspense", "reason": "nobody here knows this payment"},
        )


async def _let_in(api: ApiClient, login: str, name: str, role: str) -> Colleague:
    taken = {one["login"]: one for one in await _operators(api)}
    if login in taken:  # of an earlier demo in the same folder
        path = f"/v1/operators/{taken[login]['id']}/reset-password"
        return Colleague(login, role, (await api.post(path, {}))["password"])
    made = await api.post("/v1/operators", {"login": login, "name": name, "role": role})
    return Colleague(login, role, made["password"])


async def _operators(api: ApiClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/v1/operators", {"limit": "100"}))["items"]
    return found


def tour_lines(stack: Stack, tour: Tour) -> list[str]:
    """Where to click, and as whom. Lines, since a table would break addresses in two."""
    first, second = tour.desks
    day = f"/console/reconciliation/{tour.account_id}/{tour.day}"
    console = _CONSOLE | {"the demo's day against Alipay's bill": day}
    return [
        "To be clicked through:",
        f"  cash desk, choose a method and pay: {first}",
        f"  cash desk in Chinese, for a window as narrow as a phone: {second}?lang=zh",
        f"  console: {stack.api_url}/console/",
        *(
            f"    as {one.role}: login {one.login}, password for the first login {one.password}"
            for one in tour.colleagues
        ),
        *(f"    {what}: {stack.api_url}{path}" for what, path in console.items()),
        f"  every route of the API: {stack.api_url}/docs",
        f"  Temporal UI: {stack.temporal_ui_url or '(not known)'}",
        f"  sandbox, the channels' own books: {stack.sandbox_url}/control/trades",
    ]


_CONSOLE = {
    "payments": "/console/payments",
    "queues": "/console/queues",
    "approvals, where a refund and a repair wait": "/console/approvals",
    "notifications": "/console/notifications",
    "channels": "/console/channels",
    "channel accounts, for an admin": "/console/accounts",
    "reconciliation, day by day": "/console/reconciliation",
    "balances": "/console/balances",
}
