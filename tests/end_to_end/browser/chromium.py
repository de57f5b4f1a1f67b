"""A real browser whose pages may talk to this machine alone, and that tells what went wrong."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from os import environ
from typing import Any
from urllib.parse import urlsplit

import zxingcpp
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, Playwright, Response, Route

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
)
_PHONE = {
    "viewport": {"width": 360, "height": 740},
    "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140 Mobile Safari",
    "has_touch": True,
    "is_mobile": True,
}
_DESKTOP = {"viewport": {"width": 1280, "height": 900}}
_SHOP = "https://shop.example/**"
_TIMEOUT_MS = 20_000
_REFUSED, _BROKEN = 400, 500


def chromium_path() -> str | None:
    """Where the browser is; PAYCENTER_CHROMIUM names another."""
    named = environ.get("PAYCENTER_CHROMIUM")
    found = (shutil.which(name) for name in ((named,) if named else _NAMES))
    return next((path for path in found if path), None)


async def launch(playwright: Playwright, path: str) -> Browser:
    return await playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))


@dataclass
class Person:
    """Somebody with a browser of their own. `complaints` are what no page of ours may cause."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    returned_to: list[str] = field(default_factory=list)

    async def open(self, url: str) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(_TIMEOUT_MS)
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("console", self._hear)
        page.on("response", self._judge)
        await page.goto(url)
        return page

    def _judge(self, response: Response) -> None:
        """A page may be refused, as a test says; what a page is made of may not, and we may not."""
        is_page = response.request.is_navigation_request()
        if response.status >= (_BROKEN if is_page else _REFUSED):
            self.complaints.append(f"{response.status} for {response.url}")

    def _hear(self, message: Any) -> None:
        # A page that is refused is an answer, and tested as one.
        if message.type == "error" and "the server responded with a status" not in message.text:
            self.complaints.append(f"console: {message.text}")

    async def _meet(self, route: Route) -> None:
        self.returned_to.append(route.request.url)
        await route.fulfill(body="<h1>The shop</h1>", content_type="text/html")

    async def _guard(self, route: Route) -> None:
        host = urlsplit(route.request.url).hostname
        if host == "127.0.0.1":
            await route.continue_()
            return
        self.complaints.append(f"asked for {route.request.url}")
        await route.abort()


@asynccontextmanager
async def person(browser: Browser, *, phone: bool = False, **how: Any) -> AsyncIterator[Person]:
    """A person at a desktop or a phone. Nothing of theirs may reach another host."""
    context = await browser.new_context(**((_PHONE if phone else _DESKTOP) | how))
    somebody = Person(context)
    await context.route("**/*", somebody._guard)
    await context.route(_SHOP, somebody._meet)
    try:
        yield somebody
        assert somebody.complaints == []
    finally:
        await context.close()


async def decoded(page: Page) -> str:
    """What the QR code on the page says, read from a picture of it."""
    # The page may just have replaced itself: a code that is not drawn yet says nothing.
    await page.locator("#qr").evaluate("image => image.decode()")
    picture = await page.locator("#qr").screenshot()
    (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(picture)))
    return str(code.text)
