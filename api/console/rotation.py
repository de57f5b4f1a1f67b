"""What the pages of account management share: secrets shown once, overlaps, and doing something."""

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from api.console.shell import go_to, page
from api.console.visit import Visit

# How long an old secret works beside the new one, to choose from; the API's default comes first.
OVERLAPS = (
    ("86400", "a day"),
    ("3600", "an hour"),
    ("604800", "a week"),
    ("2592000", "30 days"),
    ("0", "not at all: it ends now"),
)


async def shown_once(
    visit: Visit, title: str, secrets: Mapping[str, str], *, back: str, after: str = ""
) -> Response:
    """The answer to the form itself: no address, cookie or log ever holds what is on it."""
    return await page(
        visit, "console/once.html", title=title, secrets=secrets, back=back, after=after
    )


async def act(
    visit: Visit, path: str, body: Mapping[str, Any], *, said: str, back: str
) -> Response:
    """Do one thing and go back to where it shows. Raises ApiRefused."""
    await visit.api.post(path, body)
    await visit.flash(said)
    return go_to(back)


def overlap(visit: Visit) -> dict[str, Any]:
    """The chosen overlap as the API wants it."""
    return {"overlap_seconds": whole(visit.text("overlap_seconds"))}


def whole(text: str) -> int | str | None:
    """A whole number, nothing for nothing; what is no number stays, to be refused by the API."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() else text


def lines(text: str) -> list[str]:
    """One entry per line."""
    return [line.strip() for line in text.splitlines() if line.strip()]
