"""Keys that open the API: made, rotated and disabled."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.rotation import OVERLAPS, act, overlap, shown_once
from api.console.shell import page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/keys", include_in_schema=False)

_PATH = "/console/keys"


@router.get("")
async def list_(visit: Visiting) -> Response:
    """All keys, never their secrets."""
    return await _list(visit, problem=None)


@router.post("")
async def create(visit: Visiting) -> Response:
    """A key, on the answer."""
    try:
        made = await visit.api.post("/v1/keys", visit.given("name", "role", "app_id"))
    except ApiRefused as refused:
        return await _list(visit, problem=refused.problem)
    return await shown_once(visit, f"Key {made['name']}", {"API key": made["api_key"]}, back=_PATH)


@router.post("/{key_id}/rotate")
async def rotate(key_id: str, visit: Visiting) -> Response:
    """A second key like this one, on the answer."""
    made = await visit.api.post(f"/v1/keys/{key_id}/rotate", overlap(visit))
    return await shown_once(
        visit,
        f"New key {made['name']}",
        {"API key": made["api_key"]},
        back=_PATH,
        after="The old one ends after the overlap.",
    )


@router.post("/{key_id}/disable")
async def disable(key_id: str, visit: Visiting) -> Response:
    path = f"/v1/keys/{key_id}/disable"
    said = "The key is refused from now on."
    return await act(visit, path, visit.given("reason"), said=said, back=_PATH)


async def _list(visit: Visit, *, problem: Mapping[str, Any] | None) -> Response:
    asked = {"cursor": visit.request.query_params.get("cursor", "")}
    found = await listed(visit, "/v1/keys", **asked)
    return await page(
        visit,
        "console/keys.html",
        status_code=422 if problem else found.status_code,
        keys=found.items,
        next_cursor=found.next_cursor,
        problem=problem or found.problem,
        asked=asked,
        typed=visit.form,
        overlaps=OVERLAPS,
    )
