"""Two tenants: nothing of one exists for the other, on any route."""

from typing import Any

import pytest

from models.merchant import Role
from tests.api.days import foreign_line, reconcile
from tests.api.testpay import Bill
from tests.api.world import Tenant, World, code_of

# What stands in a path, and an id of that kind that nobody has.
NOBODYS = {
    "payment_id": "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "refund_id": "ref_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "event_id": "ntf_01KAH3W3F0Q7V2H8T0M4X5N6P701",
    "merchant_id": "mer_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "account_id": "acc_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "app_id": "app_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "reconciliation_id": "rec_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "discrepancy_id": "dis_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "callback_id": "cb_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "operator_id": "opr_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "key_id": "01KAH3W3F0Q7V2H8T0M4X5N6P7",
}
_WHY = {"reason": "looked at it"}
BODIES = {
    "/v1/apps/{app_id}/events/replay": {
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z",
    },
    "/v1/apps/{app_id}/disable": _WHY,
    "/v1/merchants/{merchant_id}": {"name": "Cinema"},
    "/v1/merchants/{merchant_id}/disable": _WHY,
    "/v1/keys/{key_id}/disable": _WHY,
    "/v1/channel-accounts/{account_id}/disable": _WHY,
    "/v1/channel-accounts/{account_id}/rotate": {"parameters": {"secret": "another secret"}},
    "/v1/discrepancies/{discrepancy_id}/repair": {"action": "dismiss", "reason": "looked at it"},
}
# Routes an app's key does not open at all.
CLOSED_TO_APPS = {
    ("GET", "/v1/channel-accounts/{account_id}"),
    ("GET", "/v1/callbacks/{callback_id}"),
    ("PATCH", "/v1/channel-accounts/{account_id}"),
    ("POST", "/v1/channel-accounts/{account_id}/rotate"),
    ("POST", "/v1/apps/{app_id}/disable"),
    ("POST", "/v1/apps/{app_id}/enable"),
    ("POST", "/v1/channel-accounts/{account_id}/disable"),
    ("POST", "/v1/channel-accounts/{account_id}/enable"),
    ("POST", "/v1/refunds/{refund_id}/approve"),
    ("POST", "/v1/refunds/{refund_id}/reject"),
    ("GET", "/v1/reconciliations/{reconciliation_id}"),
    ("GET", "/v1/reconciliations/{reconciliation_id}/discrepancies"),
    ("POST", "/v1/reconciliations/{reconciliation_id}/sign-off"),
    ("GET", "/v1/discrepancies/{discrepancy_id}"),
    ("POST", "/v1/discrepancies/{discrepancy_id}/repair"),
    ("POST", "/v1/discrepancies/{discrepancy_id}/approve"),
    ("POST", "/v1/discrepancies/{discrepancy_id}/reject"),
    ("GET", "/v1/operators/{operator_id}"),
    ("POST", "/v1/operators/{operator_id}/disable"),
    ("POST", "/v1/operators/{operator_id}/enable"),
    ("POST", "/v1/operators/{operator_id}/reset-password"),
}


def _routes_with_an_id(world: World) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, methods in world.app.openapi()["paths"].items()
        for method in methods
        if "{" in path and path.startswith("/v1")
    ]


async def test_a_foreign_id_is_answered_like_one_that_does_not_exist(world: World) -> None:
    mine, theirs = await world.tenant(), await world.tenant()
    ids = await _ids_of(world, theirs)

    for method, path in _routes_with_an_id(world):
        body = BODIES.get(path)
        foreign = await world.call(method, path.format(**ids), key=mine.key, body=body)
        nobodys = await world.call(method, path.format(**NOBODYS), key=mine.key, body=body)
        expected = 403 if (method, path) in CLOSED_TO_APPS else 404
        assert (foreign.status_code, nobodys.status_code) == (expected, expected), (method, path)
        assert _without_address(foreign) == _without_address(nobodys)


async def test_what_is_ones_own_is_found_on_the_same_routes(world: World) -> None:
    mine = await world.tenant()
    ids = await _ids_of(world, mine)

    for method, path in _routes_with_an_id(world):
        if method != "GET" or (method, path) in CLOSED_TO_APPS:
            continue
        answer = await world.call(method, path.format(**ids), key=mine.key)
        assert answer.status_code == 200, (path, answer.text)


async def test_an_id_that_cannot_be_one_is_404_for_everybody(world: World) -> None:
    admin, mine = await world.admin(), await world.tenant()
    finance = await world.key(Role.FINANCE)

    for method, path in _routes_with_an_id(world):
        for wrong in ("x", "%00", "pay_" + "A" * 5000, "..%2f..", "'%20OR%201=1", "ÿ"):
            filled = path.format(**dict.fromkeys(NOBODYS, wrong))
            for key in (admin, finance, mine.key):
                answer = await world.call(method, filled, key=key, body=BODIES.get(path))
                assert answer.status_code in (403, 404), (method, filled, answer.text)


async def test_lists_hold_ones_own_things_alone(world: World) -> None:
    mine, theirs = await world.tenant(), await world.tenant()
    await _ids_of(world, theirs)
    await _ids_of(world, mine)

    for path in ("/v1/payments", "/v1/refunds", "/v1/events", "/v1/merchants"):
        answer = await world.call("GET", f"{path}?limit=100", key=mine.key)
        assert {item["app_id"] for item in answer.json()["items"]} == {mine.app_id}, path


async def test_a_merchant_of_another_app_cannot_be_paid_for(world: World) -> None:
    mine, theirs = await world.tenant(), await world.tenant()

    answer = await world.pay(mine, merchant_id=theirs.merchant_id)

    assert (answer.status_code, code_of(answer)) == (404, "merchant-not-found")


@pytest.mark.parametrize("named", [{}, {"currency": "CNY"}])
async def test_a_payment_of_another_app_cannot_be_refunded(
    world: World, named: dict[str, Any]
) -> None:
    mine, theirs = await world.tenant(), await world.tenant()
    payment_id = await world.paid_payment(theirs)

    foreign = await world.refund(mine, payment_id, **named)
    nobodys = await world.refund(mine, NOBODYS["payment_id"], **named)

    assert (foreign.status_code, code_of(foreign)) == (404, "payment-not-found")
    assert foreign.json()["errors"][0]["pointer"] == "#/payment_id"
    assert _without_address(foreign) == _without_address(nobodys)


async def test_every_v1_route_wants_a_key(world: World) -> None:
    for path, methods in world.app.openapi()["paths"].items():
        for method in methods:
            if path.startswith("/v1"):
                answer = await world.call(method.upper(), path.format(**NOBODYS))
                assert (answer.status_code, code_of(answer)) == (401, "unauthorized"), path


@pytest.mark.parametrize("role", [Role.OPS, Role.FINANCE])
async def test_ops_and_finance_look_at_everything_and_order_no_payment(
    world: World, role: Role
) -> None:
    tenant, key = await world.tenant(), await world.key(role)
    ids = await _ids_of(world, tenant)

    read = await world.call("GET", f"/v1/payments/{ids['payment_id']}", key=key)
    explained = await world.call("GET", f"/v1/payments/{ids['payment_id']}/explain", key=key)
    ordered = await world.call("POST", "/v1/payments", key=key, body={})
    captured = await world.call(
        "POST", f"/v1/payments/{ids['payment_id']}/capture", key=key, body={}
    )
    onboarded = await world.call("POST", "/v1/apps", key=key, body={})

    assert (read.status_code, explained.status_code) == (200, 200)
    assert (ordered.status_code, code_of(ordered)) == (403, "forbidden")
    assert (captured.status_code, code_of(captured)) == (403, "forbidden")
    assert (onboarded.status_code, code_of(onboarded)) == (403, "forbidden")


async def _ids_of(world: World, tenant: Tenant) -> dict[str, str]:
    """One of each thing that belongs to a tenant."""
    payment_id = await world.paid_payment(tenant)
    refund_id = (await world.refund(tenant, payment_id)).json()["id"]
    await world.refunded(refund_id)
    events = await world.call("GET", f"/v1/events?object_id={payment_id}", key=tenant.key)
    day = await _day_of(world, tenant)
    return day | {
        "payment_id": payment_id,
        "refund_id": refund_id,
        "event_id": events.json()["items"][0]["id"],
        "merchant_id": tenant.merchant_id,
        "account_id": tenant.account_id,
        "app_id": tenant.app_id,
        "callback_id": NOBODYS["callback_id"],
        "operator_id": NOBODYS["operator_id"],
        "key_id": tenant.key.split("_")[1],
    }


async def _day_of(world: World, tenant: Tenant) -> dict[str, str]:
    """A reconciliation and a discrepancy of the tenant's account."""
    finance = await world.key(Role.FINANCE)
    world.channel.bills[tenant.account_id] = Bill([foreign_line(700)])
    day = await reconcile(world, finance, tenant)
    path = f"/v1/reconciliations/{day['id']}/discrepancies?class=channel_only"
    (found,) = (await world.call("GET", path, key=finance)).json()["items"]
    return {"reconciliation_id": day["id"], "discrepancy_id": found["id"]}


def _without_address(answer: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in answer.json().items()
        if name not in ("instance", "request_id")
    }
