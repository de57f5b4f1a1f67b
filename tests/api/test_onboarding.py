"""Apps, merchants, channel accounts and events, as an admin and an app meet them."""

import base64

from models.merchant import Role
from tests.api import testpay
from tests.api.world import World, code_of, paid


async def test_the_secrets_of_an_app_are_shown_once(world: World) -> None:
    admin = await world.admin()

    created = await world.call("POST", "/v1/apps", key=admin, body={"name": "Shop"})
    app_id, key = created.json()["id"], created.json()["api_key"]
    again = await world.call("GET", f"/v1/apps/{app_id}", key=key)

    assert len(base64.b64decode(created.json()["webhook_secret"].removeprefix("whsec_"))) == 32
    assert again.status_code == 200
    assert {"api_key", "webhook_secret"}.isdisjoint(again.json())


async def test_secret_parameters_of_an_account_are_never_returned(world: World) -> None:
    tenant, admin = await world.tenant(), await world.admin()

    one = await world.call("GET", f"/v1/channel-accounts/{tenant.account_id}", key=admin)
    all_ = await world.call("GET", "/v1/channel-accounts?limit=100", key=admin)

    assert one.json()["parameters"] == {"merchant_number": "m-1"}
    assert testpay.SECRET not in one.text + all_.text


async def test_a_disabled_account_takes_no_new_payments_and_an_enabled_one_does(
    world: World,
) -> None:
    tenant, admin = await world.tenant(), await world.admin()
    path = f"/v1/channel-accounts/{tenant.account_id}"

    disabled = await world.call(
        "POST", f"{path}/disable", key=admin, body={"reason": "no contract"}
    )
    refused = await world.pay(tenant)
    enabled = await world.call("POST", f"{path}/enable", key=admin, body={})
    taken = await world.pay(tenant)

    assert (disabled.json()["status"], enabled.json()["status"]) == ("disabled", "active")
    assert (refused.json()["status"], taken.json()["status"]) == ("failed", "requires_action")


async def test_the_channels_describe_what_an_account_must_bring(world: World) -> None:
    answer = await world.call("GET", "/v1/channels", key=await world.admin())

    (channel,) = answer.json()["items"]
    assert channel["name"] == testpay.NAME
    assert set(channel["parameters_schema"]["required"]) == {"merchant_number", "secret"}
    assert {m["name"]: m["needs_payer_code"] for m in channel["methods"]}["test_code"]


async def test_a_merchant_is_made_by_its_app_or_by_admin_for_an_app(world: World) -> None:
    tenant, admin = await world.tenant(), await world.admin()

    by_admin = await world.call(
        "POST", "/v1/merchants", key=admin, body={"name": "M", "app_id": tenant.app_id}
    )
    for_nobody = await world.call("POST", "/v1/merchants", key=admin, body={"name": "M"})
    for_unknown = await world.call(
        "POST",
        "/v1/merchants",
        key=admin,
        body={"name": "M", "app_id": "app_01KAH3W3F0Q7V2H8T0M4X5N6P7"},
    )

    assert (by_admin.status_code, by_admin.json()["app_id"]) == (201, tenant.app_id)
    assert (for_nobody.status_code, code_of(for_nobody)) == (422, "invalid-request")
    assert (for_unknown.status_code, code_of(for_unknown)) == (404, "not-found")


async def test_lists_of_onboarded_things_come_in_pages(world: World) -> None:
    tenant = await world.tenant()
    names = ["Cinema", "two", "three"]
    for name in names[1:]:
        await world.call("POST", "/v1/merchants", key=tenant.key, body={"name": name})

    first = (await world.call("GET", "/v1/merchants?limit=2", key=tenant.key)).json()
    rest = (
        await world.call(
            "GET", f"/v1/merchants?limit=2&cursor={first['next_cursor']}", key=tenant.key
        )
    ).json()

    assert [item["name"] for item in first["items"] + rest["items"]] == names
    assert rest["next_cursor"] is None


async def test_an_app_pauses_and_resumes_its_own_webhook(world: World) -> None:
    tenant = await world.tenant(webhook_url="https://shop.example.com/events")
    path = f"/v1/apps/{tenant.app_id}/webhook"

    paused = await world.call("POST", f"{path}/pause", key=tenant.key)
    resumed = await world.call("POST", f"{path}/resume", key=tenant.key)

    assert paused.json()["webhook_paused_at"] is not None
    assert resumed.json()["webhook_paused_at"] is None


async def test_an_event_can_be_read_and_sent_again(world: World) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    await world.callback(tenant.account_id, paid(payment_id))
    await world.ended(payment_id)

    listed = await world.call("GET", f"/v1/events?object_id={payment_id}", key=tenant.key)
    (event,) = listed.json()["items"]
    sent = await world.call("POST", f"/v1/events/{event['id']}/redeliver", key=tenant.key)
    window = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
    replayed = await world.call(
        "POST", f"/v1/apps/{tenant.app_id}/events/replay", key=tenant.key, body=window
    )

    assert (event["type"], event["sequence"]) == ("payment.succeeded", 1)
    assert event["payload"]["data"]["id"] == payment_id
    assert (sent.status_code, sent.json()["status"]) == (200, "due")
    assert replayed.json()["redelivered"] == 0


async def test_finance_reads_events_and_sends_none(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = (await world.pay(tenant)).json()["id"]
    await world.callback(tenant.account_id, paid(payment_id))
    await world.ended(payment_id)

    listed = await world.call("GET", f"/v1/events?object_id={payment_id}", key=finance)
    event_id = listed.json()["items"][0]["id"]
    sent = await world.call("POST", f"/v1/events/{event_id}/redeliver", key=finance)

    assert (sent.status_code, code_of(sent)) == (403, "forbidden")
