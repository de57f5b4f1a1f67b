"""Account management in the console: forms that do what they say, secrets that are seen once."""

from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher

from api.passwords import Passwords
from models.merchant import Role
from tests.api import testpay
from tests.api.console import Page, Person, logged_in
from tests.api.world import World

CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
PAGES = ("apps", "merchants", "accounts", "accounts/new", "keys", "people", "changes")


@pytest.fixture
async def house(world: World) -> AsyncIterator[World]:
    async with world.with_(passwords=CHEAP) as cheap:
        yield cheap


@pytest.fixture
async def admin(house: World) -> AsyncIterator[Person]:
    async with await logged_in(house, Role.ADMIN) as person:
        yield person


async def test_every_page_shows_and_holds_no_secret(house: World, admin: Person) -> None:
    tenant = await house.tenant(webhook_url="https://shop.example/events")
    paths = (*PAGES, f"apps/{tenant.app_id}", f"accounts/{tenant.account_id}")

    for path in paths:
        page = await admin.get(f"/console/{path}")
        assert page.status == 200, path
        assert testpay.SECRET not in page.text
        assert tenant.key not in page.text


async def test_a_new_apps_secrets_are_on_the_answer_alone(house: World, admin: Person) -> None:
    answer = await admin.post("/console/apps", name="Ticket shop")
    key, secret = Page(answer).texts("code", **{"class": "secret"})
    opened = await house.call("GET", "/v1/payments", key=key)
    again = await admin.get("/console/apps")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert secret.startswith("whsec_")
    assert opened.status_code == 200
    assert key not in again.text
    assert "set-cookie" not in answer.headers


async def test_an_apps_addresses_are_saved_and_what_is_wrong_is_told_in_place(
    house: World, admin: Person
) -> None:
    tenant = await house.tenant()
    path = f"/console/apps/{tenant.app_id}"
    form = {"name": "Shop", "late_success": "refund", "version": "1"}

    wrong = await admin.post(path, **form, return_urls="http://shop.example/")
    saved = await admin.post(path, **form, return_urls="https://a.example/\r\nhttps://b.example/x")
    app = await house.call("GET", f"/v1/apps/{tenant.app_id}", key=tenant.key)

    assert wrong.status_code == 422
    assert "#/return_urls/0" in Page(wrong).text
    assert Page(wrong).one("textarea", name="return_urls").text.strip() == "http://shop.example/"
    assert saved.status_code == 303
    assert app.json()["return_urls"] == ["https://a.example/", "https://b.example/x"]
    assert app.json()["late_success"] == "refund"


async def test_a_key_and_a_webhook_secret_are_rotated_and_shown_once(
    house: World, admin: Person
) -> None:
    tenant = await house.tenant()
    old = f"/console/keys/{tenant.key.split('_')[1]}"

    made = await admin.post(f"{old}/rotate", overlap_seconds="0")
    (new,) = Page(made).texts("code", **{"class": "secret"})
    secret = await admin.post(
        f"/console/apps/{tenant.app_id}/webhook-secret", overlap_seconds="3600"
    )
    answers = [await house.call("GET", "/v1/payments", key=key) for key in (tenant.key, new)]

    assert [answer.status_code for answer in answers] == [401, 200]
    assert Page(secret).texts("code", **{"class": "secret"})[0].startswith("whsec_")


async def test_an_account_is_created_rotated_and_turned_off_from_its_channels_own_form(
    house: World, admin: Person
) -> None:
    tenant = await house.tenant()
    form = await admin.get("/console/accounts/new", merchant_id=tenant.merchant_id)
    fields = {
        "channel": testpay.NAME,
        "merchant_id": form.one("input", name="merchant_id").attributes["value"],
        "methods": "test_qr",
        "fee_bps": "60",
        "parameter.merchant_number": "m-7",
    }

    short = await admin.post("/console/accounts/new", **fields, **{"parameter.secret": "short"})
    made = await admin.post(
        "/console/accounts/new", **fields, **{"parameter.secret": testpay.SECRET}
    )
    path = made.headers["location"]
    rotated = await admin.post(
        f"{path}/rotate",
        **{"parameter.secret": "another secret", "version": "1", "overlap_seconds": "60"},
    )
    off = await admin.post(f"{path}/disable", reason="no contract")
    shown = await admin.get(path)

    assert form.one("input", name="parameter.secret").attributes["type"] == "password"
    assert short.status_code == 422
    assert "short" not in [one.attributes.get("value") for one in Page(short).all("input")]
    assert (made.status_code, rotated.status_code, off.status_code) == (303, 303, 303)
    assert "disabled" in shown.text
    assert "version 3" in shown.text


async def test_merchants_and_people_are_managed_and_all_of_it_is_recorded(
    house: World, admin: Person
) -> None:
    tenant = await house.tenant()
    merchant = f"/console/merchants/{tenant.merchant_id}"

    renamed = await admin.post(merchant, name="Riverside", version="1")
    off = await admin.post(f"{merchant}/disable", reason="moved away")
    let_in = await admin.post(
        "/console/people", login=f"k-{tenant.app_id[-8:].lower()}", name="Kim", role="ops"
    )
    log = await admin.get("/console/changes", object_id=tenant.merchant_id)

    assert (renamed.status_code, off.status_code) == (303, 303)
    assert len(Page(let_in).texts("code", **{"class": "secret"})) == 1
    assert "moved away" in log.text
    assert admin.id in log.text


async def test_only_admin_gets_to_keys_and_changes(house: World) -> None:
    async with await logged_in(house, Role.OPS) as ops:
        answers = [
            await ops.http.get(f"/console/{path}") for path in ("keys", "apps", "people", "changes")
        ]
        made = await ops.post("/console/keys", name="mine", role="admin")

    assert [answer.status_code for answer in (*answers, made)] == [403] * 5
