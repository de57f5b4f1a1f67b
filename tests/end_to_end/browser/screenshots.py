"""`make screenshots`: every page as a payer or a colleague sees it, to be looked at by a person."""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, ViewportSize, async_playwright, expect

from devstack.api_client import Access
from devstack.database_setup import make_key
from devstack.demo_rows import STORIES, Scene, play
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from models.merchant import Role
from tests.end_to_end.browser.chromium import chromium_path, launch, person
from tests.end_to_end.browser.colleagues import colleague
from tests.end_to_end.browser.scenes import Day, Desks, a_busy_day
from tests.end_to_end.browser.walk import every_page, kind_of

FOLDER = Path(".data/screenshots")
_PHONE = ViewportSize(width=390, height=844)
_DESKTOP = ViewportSize(width=1280, height=900)
# An order that names no expiry is over soon; silence is short, so that there are unknown ones.
_ENVIRONMENT = {"PAYCENTER_PAYMENT_EXPIRY": "PT6S", "PAYCENTER_QUERY_AFTER": "1,2,3"}
_VISITS = (
    ("desktop-en", {"locale": "en-US"}),
    ("desktop-zh-dark", {"locale": "zh-CN", "color_scheme": "dark"}),
    ("phone-en-dark", {"locale": "en-US", "color_scheme": "dark", "phone": True}),
    ("phone-zh", {"locale": "zh-CN", "phone": True}),
)


async def take_all(stack: Stack, browser: Browser) -> int:
    """A picture of everything. Returns how many there are."""
    admin = Access(url=stack.api_url, key=stack.admin_key)
    async with Receiver() as receiver, SandboxControl(stack.sandbox_url) as sandbox:
        shop = await Shop.onboard(admin, sandbox, receiver, name="harbour-cruises")
        async with shop:
            scene = Scene(shop=shop, receiver=receiver, sandbox=sandbox)
            await asyncio.gather(*(play(story, scene) for story in STORIES))
            day = await a_busy_day(
                shop,
                sandbox,
                receiver,
                ops=await _key(stack, Role.OPS),
                finance=await _key(stack, Role.FINANCE),
            )
            desks = await _take_desks(browser, Desks(shop, sandbox, receiver))
            return desks + await _take_console(browser, admin, day)


async def _take_desks(browser: Browser, desks: Desks) -> int:
    made = await desks.in_every_state()
    for how, settings in _VISITS:
        async with person(browser, **settings) as payer:
            page = await payer.open("about:blank")
            for name, desk in made.items():
                await page.goto(desk.url)
                await expect(page.locator("main")).to_have_attribute("data-state", desk.state)
                await page.screenshot(path=FOLDER / f"desk-{name}-{how}.png", full_page=True)
    return len(made) * len(_VISITS)


async def _take_console(browser: Browser, admin: Access, day: Day) -> int:
    taken = 0
    for role in (Role.ADMIN, Role.FINANCE):
        ada = await colleague(browser, admin, role, "Ada Lind")
        async with person(browser, storage_state=ada.storage_state) as somebody:
            page = await somebody.open(f"{admin.url}/console/")
            starts = (
                "/console/",
                "/console/password",
                "/console/queues?queue=rejected",
                f"/console/payments/{day.payment_id}",
                f"/console/reconciliation/{day.account_id}/{day.on}",
            )
            async for path in every_page(page, *starts):
                name = kind_of(path).removeprefix("/console").strip("/").replace("/", "-")
                for size, view in (("desktop", _DESKTOP), ("phone", _PHONE)):
                    await page.set_viewport_size(view)
                    await page.reload()
                    file = f"console-{role}-{name.replace('{}', 'one') or 'start'}-{size}.png"
                    await page.screenshot(path=FOLDER / file, full_page=True)
                    taken += 1
                await page.set_viewport_size(_DESKTOP)
    return taken


async def _key(stack: Stack, role: Role) -> Access:
    key = await make_key(stack.database_urls.app, role=role, app_id=None, name=role)
    return Access(url=stack.api_url, key=key)


async def _main() -> None:
    path = chromium_path()
    if path is None:
        sys.exit("no browser: install Chromium, or name one in PAYCENTER_CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="paycenter-screenshots-") as data:
        async with async_playwright() as playwright:
            browser = await launch(playwright, path)
            with Stack(Path(data), environment=_ENVIRONMENT) as stack:
                taken = await take_all(stack, browser)
            await browser.close()
    sys.stdout.write(f"{taken} pictures are in {FOLDER}\n")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main())
