"""Other people's pages, and other people's words, do nothing to ours in a real browser."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from devstack.api_client import Access, ApiClient
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack
from models.merchant import Role
from tests.end_to_end.browser.chromium import Person
from tests.end_to_end.browser.colleagues import PASSWORD, Colleague, colleague, log_in

pytestmark = pytest.mark.stack
AtWork = Callable[..., Any]
Somebody = Callable[..., Any]
_HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def elsewhere(who: Person, origin: str, body: str) -> Page:
    """A page of somebody else's, open in this person's browser."""

    async def serve(route: Route) -> None:
        await route.fulfill(body=body, content_type="text/html")

    await who.context.route(f"{origin}/**", serve)
    page = await who.context.new_page()  # what the browser says of it is no complaint about us
    await page.goto(f"{origin}/page")
    return page


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:9"])
async def test_a_form_on_another_page_does_nothing_in_the_name_of_who_is_logged_in(
    stack: Stack,
    shop: Shop,
    somebody: Somebody,
    colleagues: dict[str, Colleague],
    admin: Access,
    origin: str,
) -> None:
    kim = await somebody(storage_state=colleagues["kim"].storage_state)
    target = f"{stack.api_url}/console/notifications/apps/{shop.app_id}/pause"
    form = f'<form method="post" action="{target}"><button>Win</button></form>'

    page = await elsewhere(kim, origin, form)
    await page.get_by_role("button", name="Win").click()
    await page.wait_for_url(f"{stack.api_url}/console/**")

    async with ApiClient(admin.url, admin.key) as api:
        endpoint = await api.get(f"/v1/apps/{shop.app_id}/notifications")
    assert endpoint["paused_at"] is None


async def test_no_page_can_be_framed(
    stack: Stack,
    desk_of: Callable[..., Any],
    somebody: Somebody,
    colleagues: dict[str, Colleague],
) -> None:
    kim = await somebody(storage_state=colleagues["kim"].storage_state)
    _, desk = await desk_of()

    for target in (desk, f"{stack.api_url}/console/", f"{stack.api_url}/console/login"):
        page = await elsewhere(
            kim, "http://127.0.0.1:9", f'<iframe id="f" src="{target}"></iframe>'
        )
        framed = page.frames[-1]

        await framed.wait_for_url("chrome-error://**")


async def test_what_apps_and_merchants_write_never_runs_in_the_console(
    at_work: AtWork, admin: Access, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    payment = await shop.order(Order(subject=_HOSTILE))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await receiver.wait_for(payment["id"])
    async with ApiClient(admin.url, admin.key) as api:
        await api.post("/v1/merchants", {"name": _HOSTILE, "app_id": shop.app_id})
    kim = await at_work("kim", f"/payments/{payment['id']}")
    await kim.get_by_text("Order a refund").click()
    await kim.get_by_label("Amount in CNY").fill("1.00")
    await kim.get_by_label("Reason").first.fill(_HOSTILE)
    await kim.get_by_role("button", name="Order it").click()
    await expect(kim.get_by_role("heading", level=1)).to_have_text(_HOSTILE)

    ana = await at_work("ana", "/approvals")
    mine = ana.get_by_role("article").filter(has_text=_HOSTILE)
    await expect(mine).to_have_count(1)
    await mine.get_by_label("Why not").fill(_HOSTILE)
    await mine.get_by_role("button", name="Reject").click()
    pages = ("/payments", f"/payments/{payment['id']}", f"/payments?q={quote(_HOSTILE)}")
    for path in pages:
        await kim.goto(f"{kim.url.partition('/console')[0]}/console{path}")
        assert await kim.title() != "owned"
        assert await kim.locator("img[src=x], main script:not([src])").count() == 0


async def test_a_login_leads_nowhere_else_and_its_cookie_is_out_of_reach(
    stack: Stack, somebody: Somebody, colleagues: dict[str, Colleague]
) -> None:
    kim = await somebody()
    page = await kim.open(f"{stack.api_url}/console/login?next=//evil.example/console/")

    await log_in(page, colleagues["kim"].login, PASSWORD)
    await page.wait_for_url(f"{stack.api_url}/console/")

    (cookie,) = await kim.context.cookies(f"{stack.api_url}/console/")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/console")
    assert await page.evaluate("document.cookie") == ""
    assert await kim.context.cookies(f"{stack.api_url}/checkout/") == []


async def test_after_logging_out_the_back_button_shows_nothing(
    browser: Any, stack: Stack, admin: Access, somebody: Somebody, shop: Shop
) -> None:
    gone = await colleague(browser, admin, Role.OPS, "Lee Holm")
    leaving = await somebody(storage_state=gone.storage_state)
    page = await leaving.open(f"{stack.api_url}/console/payments")

    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url("**/console/login**")
    await page.go_back()

    await expect(page.get_by_role("heading", level=1)).to_have_text("Log in")
    assert urlsplit(page.url).path == "/console/login"


async def test_the_way_back_to_a_shop_is_one_that_was_registered(
    shop: Shop, somebody: Somebody
) -> None:
    created = await shop.order(Order(method=None, return_url="https://shop.example/return"))
    await shop.cancel(created["id"])
    payer = await somebody()

    page = await payer.open(f"{created['next_action']['url']}?return_url=https://evil.example/")
    way_back = await page.locator("[data-action=return]").get_attribute("href")

    assert str(way_back).startswith("https://shop.example/return?")
