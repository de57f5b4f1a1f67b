"""Apps: their terms, addresses, keys and webhook secret."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.rotation import OVERLAPS, act, lines, overlap, shown_once, whole
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/apps", include_in_schema=False)

_KEYS_SHOWN = 100
_SAID = {
    "disable": "Its keys are refused from now on. Payments under way go on.",
    "enable": "Its keys are taken again.",
    "webhook/pause": "Events are kept, in order, until they are resumed.",
    "webhook/resume": "What was kept is being sent.",
}


@router.get("")
async def list_(visit: Visiting) -> Response:
    """All apps, and a form for a new one."""
    return await _list(visit, problem=None)


@router.post("")
async def create(visit: Visiting) -> Response:
    """Onboard an app; its key and webhook secret are on the answer."""
    try:
        made = await visit.api.post("/v1/apps", visit.given("name", "webhook_url"))
    except ApiRefused as refused:
        return await _list(visit, problem=refused.problem)
    return await shown_once(
        visit,
        f"App {made['name']}",
        {"API key": made["api_key"], "Webhook secret": made["webhook_secret"]},
        back=f"/console/apps/{made['id']}",
    )


@router.get("/{app_id}")
async def show(app_id: str, visit: Visiting) -> Response:
    """One app with its keys and everything that can be changed."""
    return await _show(visit, app_id, problem=None)


@router.post("/{app_id}")
async def change(app_id: str, visit: Visiting) -> Response:
    """Keep the form's values, unless somebody else changed the app meanwhile."""
    try:
        await visit.api.patch(f"/v1/apps/{app_id}", _form(visit))
    except ApiRefused as refused:
        return await _show(visit, app_id, problem=refused.problem)
    await visit.flash("Saved.")
    return go_to(f"/console/apps/{app_id}")


@router.post("/{app_id}/webhook-secret")
async def rotate_secret(app_id: str, visit: Visiting) -> Response:
    """A new webhook secret, on the answer."""
    made = await visit.api.post(f"/v1/apps/{app_id}/webhook-secret/rotate", overlap(visit))
    return await shown_once(
        visit,
        "New webhook secret",
        {"Webhook secret": made["webhook_secret"]},
        back=f"/console/apps/{app_id}",
        after=f"Events carry both signatures until {made['former_until'][:19]}Z, "
        "and that of the new secret alone after it.",
    )


@router.post("/{app_id}/keys")
async def create_key(app_id: str, visit: Visiting) -> Response:
    """One more key of the app, on the answer."""
    made = await visit.api.post("/v1/keys", {"name": visit.text("name"), "app_id": app_id})
    back = f"/console/apps/{app_id}"
    return await shown_once(visit, f"Key {made['name']}", {"API key": made["api_key"]}, back=back)


@router.post("/{app_id}/disable")
async def disable(app_id: str, visit: Visiting) -> Response:
    return await _act(visit, app_id, "disable", visit.given("reason"))


@router.post("/{app_id}/enable")
async def enable(app_id: str, visit: Visiting) -> Response:
    return await _act(visit, app_id, "enable", {})


@router.post("/{app_id}/pause")
async def pause(app_id: str, visit: Visiting) -> Response:
    return await _act(visit, app_id, "webhook/pause", {})


@router.post("/{app_id}/resume")
async def resume(app_id: str, visit: Visiting) -> Response:
    return await _act(visit, app_id, "webhook/resume", {})


async def _act(visit: Visit, app_id: str, command: str, body: Mapping[str, Any]) -> Response:
    path, back = f"/v1/apps/{app_id}/{command}", f"/console/apps/{app_id}"
    return await act(visit, path, body, said=_SAID[command], back=back)


async def _list(visit: Visit, *, problem: Mapping[str, Any] | None) -> Response:
    cursor = visit.text("cursor")
    found = await listed(visit, "/v1/apps", cursor=cursor)
    return await page(
        visit,
        "console/apps.html",
        status_code=422 if problem else found.status_code,
        apps=found.items,
        next_cursor=found.next_cursor,
        problem=problem or found.problem,
        asked={"cursor": cursor},
        typed=visit.form,
    )


async def _show(visit: Visit, app_id: str, *, problem: Mapping[str, Any] | None) -> Response:
    app = await visit.api.get(f"/v1/apps/{app_id}")
    keys = await visit.api.get("/v1/keys", app_id=app_id, limit=_KEYS_SHOWN)
    return await page(
        visit,
        "console/app.html",
        status_code=422 if problem else 200,
        app=app,
        keys=keys["items"],
        problem=problem,
        typed=visit.form if problem else {},
        overlaps=OVERLAPS,
    )


def _form(visit: Visit) -> dict[str, Any]:
    return {
        "name": visit.text("name"),
        "webhook_url": visit.text("webhook_url") or None,
        "late_success": visit.text("late_success"),
        "payment_limit": whole(visit.text("payment_limit")),
        "refund_approval_above": whole(visit.text("refund_approval_above")),
        "return_urls": lines(visit.text("return_urls")),
        "version": whole(visit.text("version")),
    }
