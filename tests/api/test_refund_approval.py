"""Large refunds wait for a second person: finance or admin, and never who asked for them."""

import asyncio
from typing import Any

import pytest

from api.clock import utc_now
from models.ids import new_id
from models.merchant import Role
from models.money import Money
from storage.refunds import record_refund
from tests.api.world import Tenant, World, code_of, refund_body


async def test_a_refund_above_the_apps_limit_waits_until_it_is_approved(world: World) -> None:
    tenant, refund = await _waiting(world)
    finance = await world.key(Role.FINANCE)
    path = f"/v1/refunds/{refund}"
    calls = list(world.channel.refund_calls)

    waiting = (await world.call("GET", path, key=tenant.key)).json()
    approved = await world.call("POST", f"{path}/approve", key=finance, body={"reason": "seen"})
    await world.refunded(refund)
    done = (await world.call("GET", path, key=tenant.key)).json()

    assert (waiting["status"], waiting["decided_by"]) == ("pending_approval", None)
    assert refund.removeprefix("ref_") not in calls
    assert (approved.status_code, approved.json()["needs_approval"]) == (200, True)
    assert approved.json()["status"] in ("pending", "succeeded")
    assert (done["status"], done["decided_by"]) == ("succeeded", _key_id(finance))


async def test_a_rejected_refund_ends_and_its_money_can_be_asked_for_again(world: World) -> None:
    tenant, refund = await _waiting(world, amount=1999)
    admin = await world.admin()
    path = f"/v1/refunds/{refund}"

    rejected = await world.call("POST", f"{path}/reject", key=admin, body={"reason": "played"})
    await world.refunded(refund)
    kept = (await world.call("GET", path, key=tenant.key)).json()
    again = await world.refund(tenant, kept["payment_id"], amount=1999)

    assert (rejected.status_code, rejected.json()["status"]) == (200, "rejected")
    assert kept["failure"] == {"code": "rejected", "detail": "played"}
    assert again.status_code == 201
    assert refund.removeprefix("ref_") not in world.channel.refund_calls


async def test_the_same_decision_again_changes_nothing_and_the_other_comes_too_late(
    world: World,
) -> None:
    _, refund = await _waiting(world)
    one, two = await world.key(Role.FINANCE), await world.key(Role.FINANCE)
    path = f"/v1/refunds/{refund}"
    await world.call("POST", f"{path}/approve", key=one)
    await world.refunded(refund)

    again = await world.call("POST", f"{path}/approve", key=two)
    too_late = await world.call("POST", f"{path}/reject", key=two)

    assert (again.status_code, again.json()["status"]) == (200, "succeeded")
    assert (too_late.status_code, code_of(too_late)) == (409, "invalid-state")


async def test_of_two_who_decide_at_once_one_is_too_late(world: World) -> None:
    _, refund = await _waiting(world)
    one, two = await world.key(Role.FINANCE), await world.key(Role.ADMIN)

    approved, rejected = await asyncio.gather(
        world.call("POST", f"/v1/refunds/{refund}/approve", key=one),
        world.call("POST", f"/v1/refunds/{refund}/reject", key=two),
    )
    await world.refunded(refund)

    assert sorted((approved.status_code, rejected.status_code)) == [200, 409]


async def test_a_refund_that_needs_nobody_cannot_be_decided_on(world: World) -> None:
    tenant = await world.tenant()
    refund = (await world.refund(tenant, await world.paid_payment(tenant))).json()["id"]
    finance = await world.key(Role.FINANCE)

    for word in ("approve", "reject"):
        answer = await world.call("POST", f"/v1/refunds/{refund}/{word}", key=finance)
        assert (answer.status_code, code_of(answer)) == (409, "invalid-state")


async def test_who_asked_for_a_refund_cannot_decide_on_it_and_another_can(world: World) -> None:
    tenant = await world.tenant(refund_approval_above=0)
    asking, other = await world.key(Role.FINANCE), await world.key(Role.FINANCE)
    refund = await _asked_for_by(world, await world.paid_payment(tenant), key=asking)

    for word in ("approve", "reject"):
        own = await world.call("POST", f"/v1/refunds/{refund}/{word}", key=asking)
        assert (own.status_code, code_of(own)) == (409, "same-person")
    approved = await world.call("POST", f"/v1/refunds/{refund}/approve", key=other)

    assert approved.status_code == 200
    await world.refunded(refund)


@pytest.mark.parametrize("role", [Role.APP, Role.OPS])
async def test_only_finance_and_admin_decide(world: World, role: Role) -> None:
    tenant, refund = await _waiting(world)
    key = tenant.key if role is Role.APP else await world.key(role)

    for word in ("approve", "reject"):
        answer = await world.call("POST", f"/v1/refunds/{refund}/{word}", key=key)
        assert (answer.status_code, code_of(answer)) == (403, "forbidden")


async def test_a_waiting_refund_is_answered_the_same_again(world: World) -> None:
    tenant = await world.tenant(refund_approval_above=100)
    sent = refund_body(await world.paid_payment(tenant))
    finance = await world.key(Role.FINANCE)

    first = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)
    again = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)
    await world.call("POST", f"{first.headers['location']}/approve", key=finance)
    await world.refunded(first.json()["id"])
    after = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)

    assert (first.status_code, first.json()["status"]) == (201, "pending_approval")
    assert (again.status_code, again.json()["status"]) == (200, "pending_approval")
    assert (after.status_code, after.json()["status"]) == (200, "succeeded")


async def test_an_app_says_from_where_on_its_refunds_need_approval(world: World) -> None:
    tenant, silent = await world.tenant(refund_approval_above=100), await world.tenant()

    answers = [
        await world.call("GET", f"/v1/apps/{one.app_id}", key=one.key) for one in (tenant, silent)
    ]

    assert [answer.json()["refund_approval_above"] for answer in answers] == [100, None]


async def _waiting(world: World, **fields: Any) -> tuple[Tenant, str]:
    """A refund that waits for approval."""
    tenant = await world.tenant(refund_approval_above=100)
    answer = await world.refund(tenant, await world.paid_payment(tenant), **fields)
    assert (answer.status_code, answer.json()["status"]) == (201, "pending_approval")
    return tenant, answer.json()["id"]


async def _asked_for_by(world: World, payment_id: str, *, key: str) -> str:
    """A refund that a key of the house asked for, as repairs do."""
    refund_id = new_id("ref")
    async with world.deps.database.transaction("test refund") as connection:
        await record_refund(
            connection,
            refund_id=refund_id,
            app_id=None,
            payment_id=payment_id,
            refund_no=refund_id,
            money=Money(amount_minor=500, currency="CNY"),
            reason="paid twice",
            requested_by=_key_id(key),
            fingerprint=refund_id,
            now=utc_now(),
        )
    return refund_id


def _key_id(key: str) -> str:
    return key.split("_")[1]
