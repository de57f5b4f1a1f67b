"""One browser for all of them; a person of their own for each test."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from devstack.api_client import Access
from devstack.shop import RETURN_URL, Order, Shop
from devstack.supervisor import Stack
from models.merchant import Role
from tests.end_to_end.browser.chromium import Person, chromium_path, launch, person
from tests.end_to_end.browser.colleagues import Colleague, colleague

_ABSENT = (
    "no browser: install Chromium and a Chinese font (on Debian: apt install chromium "
    "fonts-wqy-zenhei), or name one in PAYCENTER_CHROMIUM"
)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before anything is started for a test of this folder: is there a browser?"""
    if chromium_path() is None:
        if os.environ.get("CI"):
            pytest.fail(_ABSENT, pytrace=False)
        pytest.skip(_ABSENT)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await launch(playwright, str(chromium_path()))
        yield opened
        await opened.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def colleagues(browser: Browser, admin: Access) -> dict[str, Colleague]:
    """Who works in the console. Their logins last for the session."""
    people = {
        "kim": (Role.OPS, "Kim Sato"),
        "ana": (Role.FINANCE, "Ana Ruiz"),
        "ada": (Role.ADMIN, "Ada Lind"),
    }
    arriving = [colleague(browser, admin, role, name) for role, name in people.values()]
    return dict(zip(people, await asyncio.gather(*arriving), strict=True))


@pytest_asyncio.fixture(loop_scope="session")
async def at_work(
    stack: Stack, somebody: Callable[..., Any], colleagues: dict[str, Colleague]
) -> Callable[..., Any]:
    """Opens a page of the console as one of the colleagues: `at_work("kim", "/payments")`."""

    async def open_page(who: str, path: str = "/", **how: Any) -> Page:
        one: Person = await somebody(storage_state=colleagues[who].storage_state, **how)
        return await one.open(f"{stack.api_url}/console{path}")

    return open_page


@pytest_asyncio.fixture(loop_scope="session")
async def somebody(browser: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Lets people arrive, each with a browser of their own: `somebody` with `phone=True`."""
    async with AsyncExitStack() as stack:

        async def arrive(**how: Any) -> Person:
            arriving: AbstractAsyncContextManager[Person] = person(browser, **how)
            return await stack.enter_async_context(arriving)

        yield arrive


@pytest_asyncio.fixture(loop_scope="session")
async def desk_of(shop: Shop) -> Callable[..., Any]:
    """Orders a payment without a method: its id, and the address of its cash desk."""

    async def order(**fields: Any) -> tuple[str, str]:
        given = {"method": None, "expires_in": 600, "return_url": f"{RETURN_URL}?shop=1"} | fields
        created = await shop.order(Order(**given))
        return created["id"], created["next_action"]["url"]

    return order


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Skipped browser tests are easily overlooked among thousands that passed."""
    skipped = terminalreporter.stats.get("skipped", ())
    missed = [report for report in skipped if "browser/" in report.nodeid]
    if missed:
        terminalreporter.section("PAGES WERE NOT TESTED", yellow=True)
        terminalreporter.line(f"{len(missed)} tests were skipped: {_ABSENT}")
