"""A walk through the console, link by link, to every page that it has."""

import re
from collections.abc import AsyncIterator

from fastapi.routing import APIRoute
from playwright.async_api import Page

from api.console.routes import ROUTERS

_ID = re.compile(r"/[a-z]{2,4}_[0-9A-Z]{26}(?:[0-9]{2})?")
_DAY = re.compile(r"/\d{4}-\d\d-\d\d$")
_LINKS = """[...document.querySelectorAll("a[href^='/console']:not([download])")]
    .map(link => link.pathname + link.search)"""


async def every_page(page: Page, *starts: str) -> AsyncIterator[str]:
    """Goes to one page of each kind that links lead to. Yields its path when it is shown."""
    origin = page.url.partition("/console")[0]
    waiting = list(starts)
    seen = {kind_of(path) for path in waiting}
    while waiting:
        path = waiting.pop(0)
        answer = await page.goto(f"{origin}{path}")
        if answer is None or not answer.ok:
            raise AssertionError(f"{path} answered {answer and answer.status}")
        for link in await page.evaluate(_LINKS):
            if kind_of(link) not in seen:
                seen.add(kind_of(link))
                waiting.append(link)
        yield path


def kind_of(path: str) -> str:
    """Which page it is, whatever it is about: the path of its route without the names."""
    return _DAY.sub("/{}", _ID.sub("/{}", path.partition("?")[0]))


def every_kind() -> set[str]:
    """All pages that a person may find who is logged in."""
    paths = {
        re.sub(r"\{.*?\}", "{}", route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    return {path for path in paths if not path.endswith(("csv", ".svg"))} - {"/console/login"}
