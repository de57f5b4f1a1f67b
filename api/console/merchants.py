"""Merchants: who the money is for."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.rotation import act, whole
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/merchants", include_in_schema=False)

_PATH = "/console/merchants"


@router.get("")
async def list_(visit: Visiting) -> Response:
    """All merchants, and a form for a new one."""
    return await _list(visit, problem=None)


@router.post("")
async def create(visit: Visiting) -> Response:
    try:
        await visit.api.post("/v1/merchants", visit.given("name", "app_id"))
    except ApiRefused as refused:
        return await _list(visit, problem=refused.problem)
    await visit.flash("The merchant is there; give it an account at a channel.")
    return go_to(_PATH)


@router.post("/{merchant_id}")
async def rename(merchant_id: str, visit: Visiting) -> Response:
    body = {"name": visit.text("name"), "version": whole(visit.text("version"))}
    try:
        await visit.api.patch(f"/v1/merchants/{merchant_id}", body)
    except ApiRefused as refused:
        return await _list(visit, problem=refused.problem)
    await visit.flash("Renamed.")
    return go_to(_PATH)


@router.post("/{merchant_id}/disable")
async def disable(merchant_id: str, visit: Visiting) -> Response:
    path, said = f"/v1/merchants/{merchant_id}/disable", "It takes no new payments any more."
    return await act(visit, path, visit.given("reason"), said=said, back=_PATH)


@router.post("/{merchant_id}/enable")
async def enable(merchant_id: str, visit: Visiting) -> Response:
    path, said = f"/v1/merchants/{merchant_id}/enable", "It takes payments again."
    return await act(visit, path, {}, said=said, back=_PATH)


async def _list(visit: Visit, *, problem: Mapping[str, Any] | None) -> Response:
    asked = {"cursor": visit.request.query_params.get("cursor", "")}
    found = await listed(visit, "/v1/merchants", **asked)
    return await page(
        visit,
        "console/merchants.html",
        status_code=422 if problem else found.status_code,
        merchants=found.items,
        next_cursor=found.next_cursor,
        problem=problem or found.problem,
        asked=asked,
        typed=visit.form,
    )
