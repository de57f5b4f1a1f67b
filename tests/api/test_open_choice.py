"""Orders that leave the method to the payer."""

import re
from datetime import timedelta
from typing import Any

from api.dispatch import choose_method
from models.payment import Choice, PaymentStatus
from storage.checkout import Checkout, read_checkout
from tests.api.world import Tenant, World, paid

RETURN = "https://shop.example.com/return"


async def open_order(world: World, tenant: Tenant, **fields: Any) -> dict[str, Any]:
    answer = await world.pay(tenant, **({"method": None} | fields))
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def the_desk_of(world: World, created: dict[str, Any]) -> Checkout:
    action = created["next_action"]
    token = str(action["url"]).rpartition("/")[2]
    async with world.deps.database.transaction("test") as connection:
        desk = await read_checkout(connection, token)
    assert desk is not None
    return desk


async def test_an_order_without_a_method_is_answered_with_the_address_of_its_cash_desk(
    world: World,
) -> None:
    tenant = await world.tenant()

    created = await open_order(world, tenant, order_no="A-1")
    again = (await world.pay(tenant, method=None, order_no="A-1")).json()

    action = created["next_action"]
    assert action["type"] == "redirect"
    assert re.fullmatch(r"http://[^/]+/checkout/[A-Za-z0-9_-]{43}", action["url"])
    assert created["status"] == "requires_action"
    assert created["method"] is None
    assert again["id"] == created["id"]
    assert again["next_action"] == action


async def test_two_orders_have_two_addresses(world: World) -> None:
    tenant = await world.tenant()

    first = await open_order(world, tenant, order_no="A-1")
    second = await open_order(world, tenant, order_no="A-2")

    assert first["next_action"] != second["next_action"]


async def test_a_chosen_method_is_paid_by_the_channels_callback_and_shown_from_then_on(
    world: World,
) -> None:
    tenant = await world.tenant()
    created = await open_order(world, tenant)
    desk = await the_desk_of(world, created)

    state = await choose_method(
        world.deps.client,
        desk.recorded,
        Choice(method="test_qr", number=desk.next_number),
        within=timedelta(seconds=10),
    )
    await world.callback(tenant.account_id, paid(str(created["id"])))
    await world.ended(str(created["id"]))

    assert state is not None
    assert state.next_action is not None
    assert state.next_action.type == "qr_code"
    shown = await world.call("GET", f"/v1/payments/{created['id']}", key=tenant.key)
    assert shown.json()["status"] == PaymentStatus.SUCCEEDED
    assert shown.json()["method"] == "test_qr"


async def test_a_return_address_must_lie_under_one_that_the_app_registered(world: World) -> None:
    tenant = await world.tenant(return_urls=[RETURN])

    good = await world.pay(tenant, method=None, order_no="A-1", return_url=f"{RETURN}?order=1")
    bad = await world.pay(tenant, method=None, order_no="A-2", return_url="https://evil.example/")
    fixed = await world.pay(tenant, order_no="A-3", return_url="https://evil.example/")

    assert good.status_code == 201
    assert bad.status_code == 422
    assert bad.json()["errors"][0]["pointer"] == "#/return_url"
    assert bad.json()["errors"][0]["code"] == "not-registered"
    assert fixed.status_code == 201  # the channel's page leads there, not ours


async def test_a_merchant_without_any_usable_account_has_nothing_to_choose_from(
    world: World,
) -> None:
    tenant = await world.tenant()
    merchant = await world.call("POST", "/v1/merchants", key=tenant.key, body={"name": "Bare"})

    answer = await world.pay(tenant, method=None, merchant_id=merchant.json()["id"])

    assert answer.status_code == 201
    assert answer.json()["status"] == "failed"
    assert answer.json()["failure"]["code"] == "no_route"


async def test_a_payers_code_needs_its_method(world: World) -> None:
    tenant = await world.tenant()

    answer = await world.pay(tenant, method=None, payer_code="281234567890123456")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/payer_code"
