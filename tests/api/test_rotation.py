"""Secrets that are replaced while payments run: both work for a while, then the new one alone."""

import json
from datetime import timedelta
from typing import Any

import httpx

from activities.accounts import AccountReader
from activities.webhook import signed_headers
from api.clock import utc_now
from channels.base import Account
from devstack.receiver import is_authentic
from models.channel import Route
from storage.apps import read_endpoint
from tests.api import testpay
from tests.api.world import Tenant, World, code_of, paid
from tests.factories import a_notification, an_order

NEW = "the second secret of the test channel"


async def rotate(world: World, tenant: Tenant, **body: Any) -> httpx.Response:
    path = f"/v1/channel-accounts/{tenant.account_id}/rotate"
    sent = {"parameters": {"secret": NEW}} | body
    return await world.call("POST", path, key=await world.admin(), body=sent)


async def call_back(
    world: World, tenant: Tenant, news: dict[str, Any], *, secret: str
) -> httpx.Response:
    body = json.dumps(news).encode()
    return await world.http.post(
        f"/callbacks/{testpay.NAME}/{tenant.account_id}",
        content=body,
        headers={testpay.SIGNATURE: testpay.sign(body, secret)},
    )


async def test_callbacks_signed_with_the_old_secret_are_taken_during_the_overlap_alone(
    world: World,
) -> None:
    tenant = await world.tenant()
    first = (await world.pay(tenant)).json()["id"]
    second = (await world.pay(tenant)).json()["id"]
    await rotate(world, tenant, overlap_seconds=3600)

    old = await call_back(world, tenant, paid(first), secret=testpay.SECRET)
    async with world.with_(clock=lambda: utc_now() + timedelta(hours=2)) as later:
        too_late = await call_back(later, tenant, paid(second), secret=testpay.SECRET)
        new = await call_back(later, tenant, paid(second), secret=NEW)
    await world.ended(first)
    await world.ended(second)

    accepted, refused = (
        world.channel.acknowledgement(accepted=answer).body for answer in (True, False)
    )
    assert (old.text, too_late.text, new.text) == (accepted, refused, accepted)
    assert await world.status(tenant, first) == await world.status(tenant, second) == "succeeded"


async def test_calls_use_the_new_secret_at_once_even_for_attempts_made_before(
    world: World,
) -> None:
    tenant, minutes = await world.tenant(), [0.0]
    reader = AccountReader(
        world.deps.database, world.deps.vault, world.deps.channels, clock=lambda: minutes[0] * 60
    )
    before = Route(channel=testpay.NAME, account_id=tenant.account_id, account_version=1)
    after = before.model_copy(update={"account_version": 2})
    read = [await reader.account_of(before)]
    await rotate(world, tenant)

    read.append(await reader.account_of(before))
    minutes[0] = 1.5
    read.append(await reader.account_of(before))
    read.append(await reader.account_of(after))

    assert [secret_of(account) for account in read] == [testpay.SECRET, testpay.SECRET, NEW, NEW]


async def test_another_account_is_no_rotation_and_a_wrong_value_changes_nothing(
    world: World,
) -> None:
    tenant = await world.tenant()

    other = await rotate(world, tenant, parameters={"merchant_number": "m-2"})
    short = await rotate(world, tenant, parameters={"secret": "short"})
    taken_away = await rotate(world, tenant, parameters={"secret": None})
    made = await rotate(world, tenant, version=1)
    again = await rotate(world, tenant, version=1)
    outdated = await rotate(world, tenant, parameters={"secret": NEW + "!"}, version=1)

    assert (other.status_code, code_of(other)) == (409, "identity-changed")
    assert other.json()["errors"][0]["pointer"] == "#/parameters/merchant_number"
    assert [short.status_code, taken_away.status_code] == [422, 422]
    assert (made.json()["version"], again.json()["version"]) == (2, 2)
    assert (outdated.status_code, code_of(outdated)) == (409, "changed-meanwhile")
    assert NEW not in made.text


async def test_events_are_signed_with_both_webhook_secrets_until_the_overlap_ends(
    world: World,
) -> None:
    made = await world.call(
        "POST",
        "/v1/apps",
        key=await world.admin(),
        body={"name": "Shop", "webhook_url": "https://shop.example/events"},
    )
    path = f"/v1/apps/{made.json()['id']}"
    secrets = [made.json()["webhook_secret"]]
    fitting = [await _fitting(world, made.json()["id"], secrets)]

    for overlap in (3600, 0):
        rotated = await world.call(
            "POST",
            f"{path}/webhook-secret/rotate",
            key=made.json()["api_key"],
            body={"overlap_seconds": overlap},
        )
        secrets.append(rotated.json()["webhook_secret"])
        fitting.append(await _fitting(world, made.json()["id"], secrets))

    assert fitting == [[True], [True, True], [False, False, True]]


async def _fitting(world: World, app_id: str, secrets: list[str]) -> list[bool]:
    """Which of `secrets` the receiver may check an event sent now with."""
    async with world.deps.database.transaction("test endpoint") as connection:
        endpoint = await read_endpoint(connection, world.deps.vault, app_id)
    assert endpoint is not None
    event, now = a_notification(an_order()), utc_now()
    headers = signed_headers(endpoint.secrets, event, now)
    body = event.body.encode()
    return [is_authentic(secret, headers, body, now=now.timestamp()) for secret in secrets]


def secret_of(account: Account) -> str:
    secret: str = account.parameters.secret.get_secret_value()
    return secret
