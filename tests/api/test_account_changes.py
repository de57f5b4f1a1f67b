"""Changing apps, merchants, accounts and keys: who may, what it does at once, what is recorded."""

from datetime import timedelta
from typing import Any

import pytest

from api.clock import utc_now
from api.key_usage import KeyUsage
from models.merchant import Role
from tests.api import testpay
from tests.api.world import Tenant, World, code_of, paid

WHY = {"reason": "it was in a public repository"}


def key_id(key: str) -> str:
    return key.split("_")[1]


async def changes_of(world: World, object_id: str) -> list[dict[str, Any]]:
    found = await world.call("GET", f"/v1/changes?object_id={object_id}", key=await world.admin())
    items: list[dict[str, Any]] = found.json()["items"]
    return items


# ---- keys -------------------------------------------------------------------------------------


async def test_a_rotated_key_and_the_new_one_both_work_until_the_overlap_ends(
    world: World,
) -> None:
    tenant = await world.tenant()
    path = f"/v1/keys/{key_id(tenant.key)}/rotate"

    made = await world.call("POST", path, key=tenant.key, body={"overlap_seconds": 3600})
    new = made.json()["api_key"]
    both = [await world.call("GET", "/v1/payments", key=key) for key in (tenant.key, new)]
    old = await world.call("GET", f"/v1/keys/{key_id(tenant.key)}", key=new)
    await world.call("POST", path, key=new, body={"overlap_seconds": 0})
    after = [await world.call("GET", "/v1/payments", key=key) for key in (tenant.key, new)]

    assert made.status_code == 201
    assert [answer.status_code for answer in both] == [200, 200]
    assert old.json()["warning"] == "expiring"
    assert [answer.status_code for answer in after] == [401, 200]
    assert code_of(after[0]) == "unauthorized"


async def test_a_key_that_ended_is_not_rotated_and_an_end_is_not_put_off(world: World) -> None:
    tenant = await world.tenant()
    soon = (utc_now() + timedelta(minutes=5)).isoformat()
    made = await world.call(
        "POST", "/v1/keys", key=tenant.key, body={"name": "for a test", "expires_at": soon}
    )
    path = f"/v1/keys/{made.json()['id']}"

    await world.call("POST", f"{path}/rotate", key=tenant.key, body={})
    kept = await world.call("GET", path, key=tenant.key)
    await world.call("POST", f"{path}/disable", key=tenant.key, body=WHY)
    refused = await world.call("POST", f"{path}/rotate", key=tenant.key, body={})

    assert kept.json()["expires_at"] == made.json()["expires_at"]
    assert (refused.status_code, code_of(refused)) == (409, "key-ended")


async def test_a_disabled_key_is_refused_at_once_and_says_why(world: World) -> None:
    tenant, admin = await world.tenant(), await world.admin()
    path = f"/v1/keys/{key_id(tenant.key)}"

    own = await world.call("POST", f"{path}/disable", key=tenant.key, body=WHY)
    disabled = await world.call("POST", f"{path}/disable", key=admin, body=WHY)
    again = await world.call("POST", f"{path}/disable", key=admin, body={"reason": "once more"})
    refused = await world.call("GET", "/v1/payments", key=tenant.key)

    assert (own.status_code, code_of(own)) == (409, "same-key")
    assert disabled.json()["disabled_reason"] == WHY["reason"] == again.json()["disabled_reason"]
    assert refused.status_code == 401
    (change,) = await changes_of(world, key_id(tenant.key))
    assert (change["action"], change["reason"]) == ("disable", WHY["reason"])


async def test_an_app_makes_keys_for_itself_and_admin_for_anybody(world: World) -> None:
    mine, admin = await world.tenant(), await world.admin()

    refused = [
        await world.call("POST", "/v1/keys", key=mine.key, body={"name": "x", **more})
        for more in ({"role": "admin"}, {"app_id": mine.app_id})
    ]
    finance = await world.call(
        "POST", "/v1/keys", key=admin, body={"name": "books", "role": "finance"}
    )
    opened = await world.call("GET", "/v1/discrepancies", key=finance.json()["api_key"])
    listed = await world.call("GET", "/v1/keys", key=mine.key)

    assert [answer.status_code for answer in refused] == [422, 422]
    assert (finance.status_code, opened.status_code) == (201, 200)
    assert [item["name"] for item in listed.json()["items"]] == ["first key"]
    assert mine.key not in listed.text


async def test_the_last_use_of_a_key_is_written_by_the_way_and_once_an_hour(world: World) -> None:
    tenant, usage, now = await world.tenant(), KeyUsage(), utc_now()
    path = f"/v1/keys/{key_id(tenant.key)}"
    seen = []

    for later in (timedelta(0), timedelta(minutes=59), timedelta(minutes=61)):
        usage.note(key_id(tenant.key), now + later)
        await usage.write(world.deps.database)
        answer = await world.call("GET", path, key=tenant.key)
        seen.append(answer.json()["last_used_at"])

    assert seen[0] == seen[1] != seen[2]


# ---- apps and merchants -----------------------------------------------------------------------


async def test_an_app_is_changed_once_by_the_same_body_and_not_over_another_change(
    world: World,
) -> None:
    tenant = await world.tenant()
    path = f"/v1/apps/{tenant.app_id}"
    body = {"name": "Ticket shop", "return_urls": ["https://shop.example/done"], "version": 1}

    first = await world.call("PATCH", path, key=tenant.key, body=body)
    again = await world.call("PATCH", path, key=tenant.key, body=body)
    late = await world.call("PATCH", path, key=tenant.key, body={"name": "Other", "version": 1})

    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert again.json() == first.json()
    assert (late.status_code, code_of(late)) == (409, "changed-meanwhile")
    change, made = await changes_of(world, tenant.app_id)
    assert (change["action"], change["before"]["name"]) == ("change", "Shop")
    assert change["after"] == {
        "name": "Ticket shop",
        "return_urls": ["https://shop.example/done"],
    }
    assert made["action"] == "create"


async def test_an_app_does_not_raise_its_own_limits(world: World) -> None:
    tenant, admin = await world.tenant(refund_approval_above=1000), await world.admin()
    path = f"/v1/apps/{tenant.app_id}"

    refused = await world.call("PATCH", path, key=tenant.key, body={"refund_approval_above": None})
    changed = await world.call("PATCH", path, key=admin, body={"refund_approval_above": None})

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/refund_approval_above"
    assert changed.json()["refund_approval_above"] is None


async def test_a_disabled_apps_keys_stop_at_once_and_its_payments_go_on(world: World) -> None:
    tenant, admin = await world.tenant(), await world.admin()
    payment = (await world.pay(tenant)).json()["id"]
    path = f"/v1/apps/{tenant.app_id}"

    disabled = await world.call("POST", f"{path}/disable", key=admin, body=WHY)
    refused = await world.call("GET", "/v1/payments", key=tenant.key)
    await world.callback(tenant.account_id, paid(payment))
    await world.ended(payment)
    enabled = await world.call("POST", f"{path}/enable", key=admin, body={})

    assert (disabled.json()["status"], enabled.json()["status"]) == ("disabled", "active")
    assert refused.status_code == 401
    assert await world.status(tenant, payment) == "succeeded"


async def test_a_disabled_merchant_takes_no_new_payments(world: World) -> None:
    tenant = await world.tenant()
    path = f"/v1/merchants/{tenant.merchant_id}"

    renamed = await world.call("PATCH", path, key=tenant.key, body={"name": "Riverside"})
    await world.call("POST", f"{path}/disable", key=tenant.key, body=WHY)
    refused = await world.pay(tenant)
    await world.call("POST", f"{path}/enable", key=tenant.key, body={})
    taken = await world.pay(tenant)

    assert renamed.json()["name"] == "Riverside"
    assert (refused.json()["status"], taken.json()["status"]) == ("failed", "requires_action")
    actions = [change["action"] for change in await changes_of(world, tenant.merchant_id)]
    assert actions == ["enable", "disable", "change", "create"]


# ---- channel accounts -------------------------------------------------------------------------


async def test_an_accounts_terms_change_and_its_methods_are_the_channels(world: World) -> None:
    tenant, admin = await world.tenant(), await world.admin()
    path = f"/v1/channel-accounts/{tenant.account_id}"

    changed = await world.call(
        "PATCH", path, key=admin, body={"fee_bps": 55, "methods": ["test_qr"], "version": 1}
    )
    unknown = await world.call("PATCH", path, key=admin, body={"methods": ["nobodys"]})

    assert (changed.json()["fee_bps"], changed.json()["version"]) == (55, 2)
    assert unknown.json()["errors"][0]["pointer"] == "#/methods/0"


@pytest.fixture
async def tenant(world: World) -> Tenant:
    return await world.tenant()


async def test_the_change_log_and_what_expires_hold_no_secret(world: World, tenant: Tenant) -> None:
    admin, new = await world.admin(), "another secret of the channel"
    await world.call(
        "POST",
        f"/v1/channel-accounts/{tenant.account_id}/rotate",
        key=admin,
        body={"parameters": {"secret": new}, "overlap_seconds": 60},
    )
    made = await world.call(
        "POST", f"/v1/apps/{tenant.app_id}/webhook-secret/rotate", key=tenant.key, body={}
    )
    await world.call("POST", f"/v1/keys/{key_id(tenant.key)}/rotate", key=tenant.key, body={})

    logged = await world.call("GET", "/v1/changes?limit=100", key=admin)
    ending = await world.call("GET", "/v1/expiring?days=2", key=await world.key(Role.OPS))

    for secret in (testpay.SECRET, new, made.json()["webhook_secret"], tenant.key):
        assert secret not in logged.text + ending.text
    kinds = {
        item["kind"]
        for item in ending.json()["items"]
        if item["object_id"] in (tenant.account_id, tenant.app_id, key_id(tenant.key))
    }
    assert kinds == {"key", "webhook_secret", "channel_secret"}
