"""Every page can be used by everybody: axe finds nothing serious, nothing is too wide or small."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, ViewportSize, expect

from devstack.api_client import Access
from devstack.database_setup import make_key
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from models.merchant import Role
from tests.end_to_end.browser.scenes import Desk, Desks, a_busy_day
from tests.end_to_end.browser.walk import every_kind, every_page, kind_of

pytestmark = pytest.mark.stack
Somebody = Callable[..., Any]
AtWork = Callable[..., Any]

_SERIOUS = ("serious", "critical")
_PHONE = ViewportSize(width=360, height=740)
_DESKTOP = ViewportSize(width=1280, height=900)
# How payers come: each pair of language and device, half of them in the dark.
_VISITS = (
    {"locale": "en-US", "color_scheme": "light"},
    {"locale": "zh-CN", "color_scheme": "dark"},
    {"locale": "en-US", "color_scheme": "dark", "phone": True},
    {"locale": "zh-CN", "color_scheme": "light", "phone": True},
)


async def findings(page: Page, where: str) -> list[str]:
    """What axe has to say that is serious, in one line each."""
    results = await Axe().run(page)
    return [
        f"{where}: {found['impact']} {found['id']}: {found['nodes'][0]['html'][:160]}"
        for found in results.response["violations"]
        if found["impact"] in _SERIOUS
    ]


async def too_wide(page: Page, where: str) -> list[str]:
    """Whether one has to scroll sideways to read it."""
    width, view = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return [f"{where}: {width} px wide in a window of {view}"] if width > view else []


async def test_the_cash_desk_in_every_state_language_and_device(
    somebody: Somebody, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    desks = await Desks(shop, sandbox, receiver).in_every_state()
    address = desks["choose"].url
    desks["nowhere"] = Desk(f"{address[:-3]}AAA", "none")

    async def visit(how: dict[str, Any]) -> list[str]:
        payer = await somebody(**how)
        page = await payer.open("about:blank")
        found = []
        for name, desk in desks.items():
            where = f"{name} {how}"
            await page.goto(desk.url)
            await expect(page.locator("main")).to_have_attribute("data-state", desk.state)
            found += await findings(page, where) + await too_wide(page, where)
        return found

    found = await asyncio.gather(*(visit(dict(how)) for how in _VISITS))

    assert "\n".join(itertools.chain(*found)) == ""


async def test_every_page_of_the_console(
    stack: Stack, at_work: AtWork, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    ops, finance = await asyncio.gather(key_of(stack, Role.OPS), key_of(stack, Role.FINANCE))
    day = await a_busy_day(shop, sandbox, receiver, ops=ops, finance=finance)
    ada = await at_work("ada")
    found: list[str] = []
    seen: set[str] = set()

    today = f"/console/reconciliation/{day.account_id}/{day.on}"
    starts = (
        "/console/",
        "/console/password",
        "/console/queues?queue=rejected",
        f"/console/payments/{day.payment_id}",
        today,
    )
    async for path in every_page(ada, *starts):
        seen.add(kind_of(path))
        found += await findings(ada, path)
        await ada.set_viewport_size(_PHONE)
        found += await too_wide(ada, path)
        await ada.set_viewport_size(_DESKTOP)

    assert "\n".join(found) == ""
    assert every_kind() - seen == set()


async def key_of(stack: Stack, role: Role) -> Access:
    key = await make_key(stack.database_urls.app, role=role, app_id=None, name=role)
    return Access(url=stack.api_url, key=key)
