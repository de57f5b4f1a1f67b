"""`/v1/events`: what we told an app, and how the telling went."""

from fastapi import APIRouter, Request, Response

from api import dispatch
from api.answers import EventAnswer, EventList, as_json, event_answer
from api.dependencies import Deps
from api.fields import Nothing, is_id
from api.openapi import describe, problems
from api.paging import EventQuery
from api.requests import parse, parse_query, read_body
from models.errors import NotFound
from models.merchant import Role
from models.notification import Notification
from storage.notifications import list_notifications, read_notification, redeliver

router = APIRouter(prefix="/v1/events", tags=["events"])

_READERS = (Role.APP, Role.ADMIN, Role.OPS, Role.FINANCE)


@router.get(
    "",
    response_model=EventList,
    responses=problems(404, 422),
    openapi_extra=describe(query=EventQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Events, newest first: an app's own, all for the other roles."""
    async with deps.session(request, "list events", *_READERS) as (connection, caller):
        query = parse_query(EventQuery, request)
        if caller.app_id is not None and query.app_id not in (None, caller.app_id):
            raise NotFound("there is no such app")
        found, cursor = await list_notifications(
            connection,
            app_id=caller.app_id or query.app_id,
            object_id=query.object_id,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
    return as_json(
        EventList(items=tuple(event_answer(event) for event in found), next_cursor=cursor)
    )


@router.get("/{event_id}", response_model=EventAnswer, responses=problems(404))
async def get_event(event_id: str, request: Request, deps: Deps) -> Response:
    """One event."""
    async with deps.session(request, "read event", *_READERS) as (connection, caller):
        event = (
            await read_notification(connection, event_id, app_id=caller.app_id)
            if is_id("ntf", event_id)
            else None
        )
    return as_json(event_answer(_existing(event)))


@router.post(
    "/{event_id}/redeliver",
    response_model=EventAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def redeliver_event(event_id: str, request: Request, deps: Deps) -> Response:
    """Send an event again, under its first id (its app, admin, ops)."""
    raw = await read_body(request)
    roles = (Role.APP, Role.ADMIN, Role.OPS)
    async with deps.session(request, "redeliver event", *roles) as (connection, caller):
        parse(Nothing, raw)
        event = (
            await read_notification(connection, event_id, app_id=caller.app_id)
            if is_id("ntf", event_id)
            else None
        )
        event = await redeliver(connection, notification_id=_existing(event).id, now=deps.clock())
    due = _existing(event)
    await dispatch.wake_if_reachable(deps.client, due.app_id)
    return as_json(event_answer(due))


def _existing(event: Notification | None) -> Notification:
    if event is None:
        raise NotFound("there is no such event")
    return event
