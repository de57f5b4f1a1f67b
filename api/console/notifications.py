"""Notifications: whether apps hear what we tell them, and telling them again."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import instant_of, listed
from api.console.calls import ApiRefused
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting, own_path
from models.merchant import Role

router = APIRouter(prefix="/console/notifications", include_in_schema=False)

_FILTERS = ("app_id", "status", "object_id", "cursor", "apps_after")
_STATUSES = (("due", "due"), ("delivered", "delivered"))


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Every app's endpoint, and what apps are told, newest first."""
    return await _shown(visit)


@router.get("/{event_id}")
async def show(event_id: str, visit: Visiting) -> Response:
    """One notification: what it says, and how the telling went."""
    event = await visit.api.get(f"/v1/events/{event_id}")
    return await page(
        visit,
        "console/notification.html",
        event=event,
        payload=json.dumps(event["payload"], indent=2, ensure_ascii=False),
        may_act=_may_act(visit),
    )


@router.post("/{event_id}/redeliver")
async def redeliver(event_id: str, visit: Visiting) -> Response:
    await visit.api.post(f"/v1/events/{event_id}/redeliver")
    await visit.flash("It is due again.")
    return go_to(own_path(visit.text("back") or f"/console/notifications/{event_id}"))


@router.post("/apps/{app_id}/pause")
async def pause(app_id: str, visit: Visiting) -> Response:
    said = "Paused. What is due is kept, in its order."
    return await _tell(visit, f"/v1/apps/{app_id}/webhook/pause", {}, said)


@router.post("/apps/{app_id}/resume")
async def resume(app_id: str, visit: Visiting) -> Response:
    said = "Resumed. What was kept is sent now, in its order."
    return await _tell(visit, f"/v1/apps/{app_id}/webhook/resume", {}, said)


@router.post("/apps/{app_id}/replay")
async def replay(app_id: str, visit: Visiting) -> Response:
    """Send everything of some days again."""
    window = {"since": instant_of(visit.text("since")), "until": instant_of(visit.text("until"))}
    return await _tell(visit, f"/v1/apps/{app_id}/events/replay", window, "")


async def _tell(visit: Visit, path: str, body: Mapping[str, str], said: str) -> Response:
    try:
        told = await visit.api.post(path, body)
    except ApiRefused as refused:
        if refused.status in (401, 403, 404):
            raise
        return await _shown(visit, problem=refused.problem, status_code=refused.status)
    await visit.flash(said or f"{told['redelivered']} events are due again.")
    return go_to("/console/notifications")


async def _shown(
    visit: Visit, *, problem: Mapping[str, Any] | None = None, status_code: int = 200
) -> Response:
    asked = {name: visit.text(name) for name in _FILTERS}
    endpoints = await listed(visit, "/v1/notification-endpoints", cursor=asked["apps_after"])
    events = await listed(
        visit,
        "/v1/events",
        **{name: asked[name] for name in ("app_id", "status", "object_id", "cursor")},
    )
    wrong = endpoints.problem or events.problem
    return await page(
        visit,
        "console/notifications.html",
        status_code=422 if wrong else status_code,
        problem=problem or wrong,
        asked=asked,
        endpoints=endpoints.items,
        more_endpoints=endpoints.next_cursor,
        events=events,
        names={endpoint["app_id"]: endpoint["app_name"] for endpoint in endpoints.items},
        statuses=_STATUSES,
        is_narrowed=any(asked[name] for name in ("app_id", "status", "object_id", "cursor")),
        may_act=_may_act(visit),
    )


def _may_act(visit: Visit) -> bool:
    return visit.may(Role.OPS, Role.ADMIN)
