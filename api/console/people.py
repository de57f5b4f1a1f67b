"""People who work in the console."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.rotation import act, shown_once
from api.console.shell import page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/people", include_in_schema=False)

_PATH = "/console/people"
_ONCE = "It opens one login; the person then sets a password of their own."


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Everybody, and a form for somebody new."""
    return await _list(visit, problem=None)


@router.post("")
async def create(visit: Visiting) -> Response:
    """Let a person in; the first password is on the answer."""
    try:
        made = await visit.api.post("/v1/operators", visit.given("login", "name", "role"))
    except ApiRefused as refused:
        return await _list(visit, problem=refused.problem)
    return await _password(visit, made)


@router.post("/{operator_id}/reset-password")
async def reset(operator_id: str, visit: Visiting) -> Response:
    """A new password for one login, on the answer."""
    return await _password(
        visit, await visit.api.post(f"/v1/operators/{operator_id}/reset-password")
    )


@router.post("/{operator_id}/disable")
async def disable(operator_id: str, visit: Visiting) -> Response:
    path, said = f"/v1/operators/{operator_id}/disable", "They are shut out from now on."
    return await act(visit, path, {}, said=said, back=_PATH)


@router.post("/{operator_id}/enable")
async def enable(operator_id: str, visit: Visiting) -> Response:
    path, said = f"/v1/operators/{operator_id}/enable", "They may log in again."
    return await act(visit, path, {}, said=said, back=_PATH)


async def _password(visit: Visit, made: Mapping[str, Any]) -> Response:
    secrets = {"Password": made["password"]}
    title = f"Password for {made['login']}"
    return await shown_once(visit, title, secrets, back=_PATH, after=_ONCE)


async def _list(visit: Visit, *, problem: Mapping[str, Any] | None) -> Response:
    asked = {"cursor": visit.request.query_params.get("cursor", "")}
    found = await listed(visit, "/v1/operators", **asked)
    return await page(
        visit,
        "console/people.html",
        status_code=422 if problem else found.status_code,
        people=found.items,
        next_cursor=found.next_cursor,
        problem=problem or found.problem,
        asked=asked,
        typed=visit.form,
    )
