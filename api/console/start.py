"""The start page: what needs a person now, and how payments went lately, with charts."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from api.console import charts
from api.console.calls import ApiRefused
from api.console.glance import Glance, pictures, tiles
from api.console.shell import PAGE_HEADERS, page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console", include_in_schema=False)

# What can be looked at, and what that is in the API's words.
_WINDOWS: dict[str, tuple[str, dict[str, int]]] = {
    "24h": ("24 hours", {"hours": 24}),
    "7d": ("7 days", {"days": 7}),
    "30d": ("30 days", {"days": 30}),
}
_DEFAULT = "24h"
# An image has no forms and no links; what it may do is to be styled by its own sheet.
_CHART_HEADERS = PAGE_HEADERS | {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


@router.get("/")
async def start(visit: Visiting) -> Response:
    window = _window_of(visit)
    glance = await _glance(visit, window)
    waiting = tiles(glance)
    return await page(
        visit,
        "console/start.html",
        window=window,
        windows=[(name, words) for name, (words, _) in _WINDOWS.items()],
        window_words=_WINDOWS[window][0],
        waiting=[tile for tile in waiting if tile.is_waiting],
        quiet=[tile.title for tile in waiting if not tile.is_waiting],
        glance=glance,
        volumes=[(currency, *glance.total(currency)) for currency in glance.currencies],
        rate=charts.rate_words(glance.succeeded, glance.ended).partition(" (")[0],
        pictures=pictures(glance, window),
        few=charts.FEW,
    )


@router.get("/charts/{name}.svg")
async def chart(name: str, visit: Visiting) -> Response:
    """One picture of the start page; `window` and, of the volume, `currency` say which."""
    draw = _DRAWN.get(name)
    if draw is None:
        raise ApiRefused(404, {"title": "There is no such chart", "detail": name[:40]})
    drawn = draw(await _glance(visit, _window_of(visit)), visit)
    return Response(drawn, media_type="image/svg+xml", headers=_CHART_HEADERS)


def _window_of(visit: Visit) -> str:
    asked = visit.text("window")
    return asked if asked in _WINDOWS else _DEFAULT


async def _glance(visit: Visit, window: str) -> Glance:
    told: dict[str, Any] = await visit.api.get("/v1/statistics", **_WINDOWS[window][1])
    return Glance(told)


def _volume(glance: Glance, visit: Visit) -> bytes:
    currency = visit.text("currency")
    if currency not in glance.currencies:
        return charts.volume(glance.bucketing, "", ())
    amounts = [minor for _, minor in glance.volume(currency)]
    return charts.volume(glance.bucketing, currency, amounts)


_DRAWN: dict[str, Callable[[Glance, Visit], bytes]] = {
    "volume": _volume,
    "success": lambda glance, _: charts.success(glance.channels()),
    "trend": lambda glance, _: charts.success_over_time(glance.bucketing, glance.rates()),
    "time": lambda glance, _: charts.durations(glance.durations()),
    "ageing": lambda glance, _: charts.ageing(glance.ageing()),
}
