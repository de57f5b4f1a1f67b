"""The payer's cash desk over HTTP: each picture, both languages, and what is refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.api import testpay
from tests.api.console import ORIGIN, Page
from tests.api.world import Tenant, World, paid

RETURN = "https://shop.example.com/return"
PHONE = {"user-agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit Mobile Safari"}
CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"}


@pytest.fixture
async def tenant(world: World) -> Tenant:
    return await world.tenant(return_urls=[RETURN])


@pytest.fixture
async def payer(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=60) as client:
        yield client


async def ordered(world: World, tenant: Tenant, **fields: Any) -> tuple[str, str]:
    """A payment's id, and the path of its cash desk."""
    answer = await world.pay(tenant, **({"method": None} | fields))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], urlsplit(answer.json()["next_action"]["url"]).path


async def choose(
    payer: httpx.AsyncClient, path: str, method: str = "test_qr", number: int = 1, **more: str
) -> httpx.Response:
    fields = {"method": method, "number": str(number)} | more
    return await payer.post(f"{path}/pay", data=fields, headers={"origin": ORIGIN})


def state_of(page: Page) -> str:
    return page.one("main").attributes["data-state"]


async def test_the_desk_shows_who_asks_for_how_much_and_what_routing_allows(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant, subject="Two cups of <b>tea</b>")

    page = Page(await payer.get(path))

    assert state_of(page) == "choose"
    assert page.texts("p", **{"class": "to"}) == ["Cinema"]
    assert page.texts("p", **{"class": "amount"}) == ["CN¥19.99"]
    assert page.texts("p", **{"class": "subject"}) == ["Two cups of <b>tea</b>"]
    # What needs a code that only a till can read is not offered.
    offered = {button.attributes["data-method"] for button in page.all("button")}
    assert offered == {"test_qr", "test_hold", "test_hold_qr", "test_slow"}


@pytest.mark.parametrize(
    ("headers", "query", "says", "language"),
    [
        ({}, {}, "How do you want to pay?", "en"),
        (CHINESE, {}, "请选择付款方式", "zh-Hans"),
        (CHINESE, {"lang": "en"}, "How do you want to pay?", "en"),
        ({"accept-language": "fr;q=1,zh;q=0.1"}, {}, "请选择付款方式", "zh-Hans"),
        ({"accept-language": ";q=,,;;x" * 50}, {"lang": "<script>"}, "How do you want", "en"),
    ],
)
async def test_the_payer_reads_their_own_language(  # noqa: PLR0917
    world: World,
    tenant: Tenant,
    payer: httpx.AsyncClient,
    headers: dict[str, str],
    query: dict[str, str],
    says: str,
    language: str,
) -> None:
    _, path = await ordered(world, tenant)

    answer = await payer.get(path, headers=headers, params=query)

    assert says in answer.text
    assert Page(answer).one("html").attributes["lang"] == language
    assert "<script>" not in answer.text.replace("<script src", "")


async def test_a_chosen_code_can_be_scanned_and_is_the_channels(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    payment_id, path = await ordered(world, tenant)

    answer = await choose(payer, path, amount="1", money="0.01")
    page = Page(await payer.get(path))
    image = await payer.get(page.one("img", id="qr").attributes["src"])
    shown = await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert state_of(page) == "waiting"
    assert image.headers["content-type"] == "image/svg+xml"
    assert shown.json()["next_action"]["type"] == "qr_code"
    assert shown.json()["amount"] == 1999


async def test_a_paid_desk_leads_back_with_a_hint_that_only_we_can_sign(
    world: World, payer: httpx.AsyncClient
) -> None:
    admin = await world.admin()
    app = await world.call(
        "POST", "/v1/apps", key=admin, body={"name": "Shop", "return_urls": [RETURN]}
    )
    other = await _at(world, app.json())
    payment_id, path = await ordered(world, other, return_url=f"{RETURN}?shop=1&status=mine#top")
    await choose(payer, path)
    await world.callback(other.account_id, paid(payment_id))
    await world.ended(payment_id)

    page = Page(await payer.get(path))
    back = urlsplit(page.one("a", **{"data-action": "return"}).attributes["href"])
    hint = parse_qs(back.query)

    assert state_of(page) == "paid"
    assert f"{back.scheme}://{back.netloc}{back.path}#{back.fragment}" == f"{RETURN}#top"
    assert hint["shop"] == ["1"]
    assert hint["status"] == ["succeeded"]
    secret = base64.b64decode(app.json()["webhook_secret"].removeprefix("whsec_"))
    order_no = hint["order_no"][0]
    signed = f"{payment_id}.{order_no}.succeeded.{hint['timestamp'][0]}".encode()
    digest = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert hint["signature"] == [f"v1,{digest}"]


async def _at(world: World, app: dict[str, Any]) -> Tenant:
    """A merchant and an account for an app whose secret is known."""
    merchant = await world.call(
        "POST", "/v1/merchants", key=app["api_key"], body={"name": "Cinema"}
    )
    account = await world.call(
        "POST",
        "/v1/channel-accounts",
        key=await world.admin(),
        body={
            "merchant_id": merchant.json()["id"],
            "channel": testpay.NAME,
            "methods": ["test_qr"],
            "fee_bps": 60,
            "parameters": testpay.PARAMETERS,
        },
    )
    return Tenant(app["id"], app["api_key"], merchant.json()["id"], account.json()["id"])


@pytest.mark.parametrize("headers", [{}, CHINESE])
async def test_a_refusal_is_told_and_leaves_the_choice(
    world: World, tenant: Tenant, payer: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    payment_id, path = await ordered(world, tenant)
    await choose(payer, path)
    async with world.deps.watch.following(world.deps.database, payment_id) as versions:
        before = await versions.get()
        await world.callback(tenant.account_id, paid(payment_id, state="refused"))
        while await versions.get() == before:
            pass

    page = Page(await payer.get(path, headers=headers))

    assert state_of(page) == "choose"
    (notice,) = page.texts("div", role="alert")
    assert ("The payment was refused" in notice) != bool(headers)
    assert ("付款被拒绝" in notice) == bool(headers)
    assert {field.attributes["value"] for field in page.all("input", name="number")} == {"2"}


async def test_a_stale_page_and_a_second_click_make_no_second_attempt(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant)

    answers = [
        await choose(payer, path),
        await choose(payer, path),
        await choose(payer, path, number=9),
        await choose(payer, path, method="nothing"),
        await payer.post(f"{path}/pay", data={}, headers={"origin": ORIGIN}),
    ]
    page = Page(await payer.get(path))

    assert [answer.status_code for answer in answers] == [303] * 5
    assert {field.attributes["value"] for field in page.all("input", name="number")} == {"2"}


async def test_a_form_of_another_site_chooses_nothing(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant)

    await payer.post(
        f"{path}/pay",
        data={"method": "test_qr", "number": "1"},
        headers={"origin": "https://evil.example"},
    )

    assert state_of(Page(await payer.get(path))) == "choose"


@pytest.mark.parametrize("suffix", ["", "/state", "/events", "/qr.svg"])
async def test_a_tampered_address_shows_nothing(
    world: World, tenant: Tenant, payer: httpx.AsyncClient, suffix: str
) -> None:
    _, path = await ordered(world, tenant)
    last = "A" if path[-1] != "A" else "B"

    tampered = [f"{path[:-1]}{last}", f"{path}A", path[:-1], "/checkout/%00", "/checkout/..%2f"]
    answers = [await payer.get(address + suffix) for address in tampered]

    assert {answer.status_code for answer in answers} == {404}
    assert all("tea" not in answer.text and "19.99" not in answer.text for answer in answers)


async def test_a_desk_that_nobody_used_expires_and_is_gone_a_day_later(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant, expires_in=60)

    async def later(**passed: int) -> httpx.Response:
        moment = world.deps.clock() + timedelta(**passed)
        async with world.with_(clock=lambda: moment) as then:
            return await then.http.get(path)

    assert state_of(Page(await later(seconds=61))) == "expired"
    gone = await later(days=1, minutes=2)
    assert gone.status_code == 410
    assert state_of(Page(gone)) == "gone"


async def test_a_canceled_payment_says_so(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    payment_id, path = await ordered(world, tenant)
    await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={})

    page = Page(await payer.get(path))

    assert state_of(page) == "canceled"
    assert page.all("button") == []


async def test_scripts_may_ask_where_it_stands(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant)

    before = (await payer.get(f"{path}/state")).json()
    await choose(payer, path)
    after = (await payer.get(f"{path}/state")).json()

    assert before["state"] == "choose"
    assert after["state"] == "waiting"
    assert after["version"] > before["version"]


async def test_the_stream_says_when_the_payment_moves(world: World, tenant: Tenant) -> None:
    payment_id, path = await ordered(world, tenant)
    token = path.rpartition("/")[2]
    found = await _checkout(world, token)
    async with world.deps.watch.following(world.deps.database, payment_id) as versions:
        first = await versions.get()
        await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={})
        later = first
        while later == first:
            later = await versions.get()

    assert first == found
    assert later > first


async def test_a_ninth_stream_is_told_to_ask_instead(world: World, tenant: Tenant) -> None:
    payment_id, path = await ordered(world, tenant)

    async with AsyncExitStack() as watchers:
        for _ in range(8):
            following = world.deps.watch.following(world.deps.database, payment_id)
            await watchers.enter_async_context(following)
        ninth = await world.http.get(f"{path}/events")

    assert ninth.status_code == 429
    assert "retry-after" in ninth.headers


async def _checkout(world: World, token: str) -> int:
    answer = await world.http.get(f"/checkout/{token}/state")
    version: int = json.loads(answer.text)["version"]
    return version


async def test_every_answer_of_the_desk_has_safe_headers(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant)

    answers = [
        await payer.get(path),
        await choose(payer, path),
        await payer.get(f"{path}/qr.svg"),
        await payer.get("/checkout/nothing"),
    ]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        for directive in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"):
            assert directive in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert answer.headers["referrer-policy"] == "same-origin"


async def test_other_methods_than_those_of_forms_and_links_are_refused(
    world: World, tenant: Tenant, payer: httpx.AsyncClient
) -> None:
    _, path = await ordered(world, tenant)

    assert (await payer.put(path)).status_code == 405
    assert (await payer.delete(f"{path}/pay")).status_code == 405
    assert (await payer.get(f"{path}/pay")).status_code == 405
