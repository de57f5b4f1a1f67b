"""One browser for all of them; a person of their own for each test."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from devstack.shop import RETURN_URL, Order, Shop
from tests.end_to_end.browser.chromium import Person, chromium_path, launch, person

_ABSENT = (
    "no browser: install Chromium and a Chinese font (on Debian: apt install chromium "
    "fonts-wqy-zenhei), or name one in PAYCENTER_CHROMIUM"
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium_path()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(_ABSENT)
        pytest.skip(_ABSENT)
    async with async_playwright() as playwright:
        opened = await launch(playwright, path)
        yield opened
        await opened.close()


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
