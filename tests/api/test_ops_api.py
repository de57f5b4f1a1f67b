"""What operations ask and do through the API: search, queues, messages, health, commands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.merchant import Role
from tests.api.ops_scene import CHEAP, HOSTILE, NOBODYS_SERIAL, Scene, a_scene
from tests.api.world import World, code_of

READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)
ROUTES = (
    "/v1/queues",
    "/v1/queues/unknown",
    "/v1/queues/review",
    "/v1/queues/late",
    "/v1/callbacks?match=parked",
    "/v1/channel-accounts/health",
    "/v1/notification-endpoints",
)


@pytest.fixture(scope="module")
async def scene(world: World) -> AsyncIterator[Scene]:
    async with world.with_(passwords=CHEAP) as house:
        made = await a_scene(house)
        for person in (made.ops, made.finance, made.admin):
            await person.http.aclose()
        yield made


@pytest.mark.parametrize("path", ROUTES)
async def test_operations_read_what_no_app_may(scene: Scene, path: str) -> None:
    for role in READERS:
        key = await scene.world.key(role)
        assert (await scene.world.call("GET", path, key=key)).status_code == 200, role
    refused = await scene.world.call("GET", path, key=scene.tenant.key)

    assert (refused.status_code, code_of(refused)) == (403, "forbidden")


async def test_an_app_searches_its_own_payments_alone(scene: Scene) -> None:
    other = await scene.world.tenant()
    payment_id = scene.payments["paid"]

    mine = await _get(scene, f"/v1/payments?q={payment_id}", scene.tenant.key)
    theirs = await _get(scene, f"/v1/payments?q={payment_id}", other.key)
    named = await scene.world.call("GET", f"/v1/payments?app_id={other.app_id}", key=other.key)
    foreign = await scene.world.call(
        "GET", f"/v1/payments?app_id={scene.tenant.app_id}", key=other.key
    )
    events = await scene.world.call(
        "GET", f"/v1/events?app_id={scene.tenant.app_id}", key=other.key
    )

    assert [item["id"] for item in mine["items"]] == [payment_id]
    assert theirs["items"] == []
    assert (named.status_code, foreign.status_code, events.status_code) == (200, 404, 404)


async def test_the_queues_say_how_many_wait_and_since_when(scene: Scene) -> None:
    told = await _get(scene, "/v1/queues")

    for name in ("unknown", "review", "late", "parked", "disputed", "rejected"):
        assert told[name]["count"] == 1, name
        assert told[name]["oldest_at"] is not None
    assert told["unanswered"] == {"count": 0, "at_least": False, "oldest_at": None}
    for name in ("unknown", "review", "late"):
        page = await _get(scene, f"/v1/queues/{name}")
        assert [item["id"] for item in page["items"]] == [scene.payments[name]]


async def test_a_message_is_told_without_body_and_secrets(scene: Scene) -> None:
    (parked,) = (await _get(scene, "/v1/callbacks?match=parked"))["items"]
    (forged,) = (await _get(scene, "/v1/callbacks?match=rejected"))["items"]
    told = await _get(scene, f"/v1/callbacks/{parked['id']}")
    rejected = await _get(scene, f"/v1/callbacks/{forged['id']}")

    assert (parked["serial"], parked["amount"], parked["payment_id"]) == (
        NOBODYS_SERIAL,
        1999,
        None,
    )
    assert told["channel_reference"] == HOSTILE
    assert told["headers"]["x-testpay-signature"] is None
    assert (rejected["match"], rejected["reason"], rejected["body_bytes"]) == (
        "rejected",
        "bad-signature",
        2,
    )
    # The SHA-256 of `{}`.
    assert rejected["body_sha256"].startswith("44136fa355b3678a")
    assert "authorization" not in rejected["headers"]
    assert rejected["headers"]["x-odd"] is None


async def test_an_accounts_health_counts_what_its_attempts_came_to(scene: Scene) -> None:
    tenant = await scene.world.tenant()
    await scene.world.paid_payment(tenant)
    await scene.world.pay(tenant)
    canceled = (await scene.world.pay(tenant)).json()["id"]
    await scene.world.call("POST", f"/v1/payments/{canceled}/cancel", key=tenant.key, body={})
    await scene.world.ended(canceled)

    items = (await _get(scene, "/v1/channel-accounts/health?limit=100"))["items"]
    (health,) = [item for item in items if item["account_id"] == tenant.account_id]
    accounts = (await _get(scene, "/v1/channel-accounts?limit=100"))["items"]

    expected = {
        "attempts": 3,
        "succeeded": 1,
        "declined": 1,
        "unknown": 0,
        "not_sent": 0,
        "open": 1,
    }
    assert (health["last_hour"], health["last_day"]) == (expected, expected)
    assert health["day_is_whole"] is True
    assert health["last_callback_at"] is not None
    assert (health["rejected_callbacks"], health["reconciled_on"]) == (0, None)
    assert [item["account_id"] for item in items] == [account["id"] for account in accounts]


async def test_an_endpoint_is_described_without_what_its_address_may_hide(scene: Scene) -> None:
    tenant = await scene.world.tenant(webhook_url="https://shop.example/hook/s3cret?key=1")
    await scene.world.paid_payment(tenant)
    await scene.world.call("POST", f"/v1/apps/{tenant.app_id}/webhook/pause", key=tenant.key)

    own = await _get(scene, f"/v1/apps/{tenant.app_id}/notifications", tenant.key)
    items = (await _get(scene, "/v1/notification-endpoints?limit=100"))["items"]

    assert (own["host"], own["is_set"], own["due"]) == ("shop.example", True, 1)
    assert own["paused_at"] is not None
    (listed,) = [item for item in items if item["app_id"] == tenant.app_id]
    assert listed["host"] == "shop.example"


@pytest.mark.parametrize(("role", "status"), [(Role.OPS, 200), (Role.FINANCE, 403)])
async def test_ops_pause_an_endpoint_and_finance_do_not(
    scene: Scene, role: Role, status: int
) -> None:
    key = await scene.world.key(role)

    for command in ("pause", "resume"):
        path = f"/v1/apps/{scene.tenant.app_id}/webhook/{command}"
        assert (await scene.world.call("POST", path, key=key)).status_code == status


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
async def test_only_its_app_and_ops_cancel_a_payment(scene: Scene, role: Role) -> None:
    path = f"/v1/payments/{scene.payments['open']}/cancel"

    answer = await scene.world.call(
        "POST", path, key=await scene.world.key(role), body={"reason": "why not"}
    )

    assert (answer.status_code, code_of(answer)) == (403, "forbidden")


async def test_a_cancel_by_ops_needs_a_reason_and_is_told_in_the_timeline(scene: Scene) -> None:
    key = await scene.world.key(Role.OPS)
    payment_id = (await scene.world.pay(scene.tenant)).json()["id"]
    path = f"/v1/payments/{payment_id}/cancel"

    silent = await scene.world.call("POST", path, key=key, body={})
    told = await scene.world.call("POST", path, key=key, body={"reason": "fraud"})

    assert (silent.status_code, silent.json()["errors"][0]["code"]) == (422, "required")
    assert (told.status_code, told.json()["status"]) == (200, "canceled")
    explained = await _get(scene, f"/v1/payments/{payment_id}/explain")
    (end,) = [one for one in explained["timeline"] if "-> canceled" in one["summary"]]
    assert end["detail"]["evidence_detail"] == f"fraud (by {key.split('_')[1]})"


@pytest.mark.parametrize("role", [Role.OPS, Role.FINANCE])
async def test_a_refund_by_a_person_always_waits_for_another(scene: Scene, role: Role) -> None:
    key = await scene.world.key(role)
    payment_id = await scene.world.paid_payment(scene.tenant)
    body = {"payment_id": payment_id, "refund_no": f"by-{role}", "amount": 1, "reason": "asked"}

    silent = await scene.world.call(
        "POST", "/v1/refunds", key=key, body={k: v for k, v in body.items() if k != "reason"}
    )
    ordered = await scene.world.call("POST", "/v1/refunds", key=key, body=body)
    again = await scene.world.call("POST", "/v1/refunds", key=key, body=body)
    refund_id = ordered.json()["id"]
    own = await scene.world.call("POST", f"/v1/refunds/{refund_id}/approve", key=key, body={})

    assert (silent.status_code, silent.json()["errors"][0]["pointer"]) == (422, "#/reason")
    assert (ordered.status_code, ordered.json()["status"]) == (201, "pending_approval")
    assert (again.status_code, again.json()["id"]) == (200, refund_id)
    # Below the app's limit: an order of the app's own would have gone out at once.
    assert own.status_code == (409 if role is Role.FINANCE else 403)
    assert refund_id.removeprefix("ref_") not in scene.world.channel.refund_calls


async def test_a_person_refunds_nothing_that_did_not_come_in(scene: Scene) -> None:
    key = await scene.world.key(Role.OPS)
    body = {"refund_no": "n-1", "amount": 1, "reason": "asked"}

    unpaid = await scene.world.call(
        "POST", "/v1/refunds", key=key, body=body | {"payment_id": scene.payments["open"]}
    )
    nobodys = await scene.world.call(
        "POST", "/v1/refunds", key=key, body=body | {"payment_id": f"pay_{NOBODYS_SERIAL[:-2]}"}
    )
    more = await scene.world.call(
        "POST",
        "/v1/refunds",
        key=key,
        body=body | {"payment_id": scene.payments["late"], "amount": 2000},
    )

    assert (unpaid.status_code, code_of(unpaid)) == (409, "invalid-state")
    assert (nobodys.status_code, code_of(nobodys)) == (404, "payment-not-found")
    assert (more.status_code, code_of(more)) == (422, "refund-exceeds-captured")


async def test_an_explanation_has_the_attempts_and_the_books(scene: Scene) -> None:
    told = await _get(scene, f"/v1/payments/{scene.payments['paid']}/explain")

    (attempt,) = told["attempts"]
    assert (attempt["status"], attempt["amount_charged"]) == ("charged", 1999)
    assert told["payment"]["attempt_status"] == "charged"
    # 19.99 at 60 basis points: 12 for us, 19.87 for the merchant.
    assert [line["amount_minor"] for line in told["ledger_entries"]] == [1987, -1987, 12, -12]
    assert {line["event_type"] for line in told["ledger_entries"]} == {"payment.captured"}


async def _get(scene: Scene, path: str, key: str = "") -> Any:
    answer = await scene.world.call("GET", path, key=key or await scene.world.admin())
    assert answer.status_code == 200, answer.text
    return answer.json()
