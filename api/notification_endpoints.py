"""`/v1/notification-endpoints`: whether apps hear what we tell them."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.answers import Answer, as_json
from api.dependencies import Deps
from api.fields import is_id
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import parse_query
from models.errors import NotFound
from models.merchant import Role
from models.notification import EndpointState
from storage.endpoints import list_endpoints, read_endpoint_state

router = APIRouter(prefix="/v1", tags=["events"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)


class EndpointAnswer(EndpointState):
    object: Literal["notification_endpoint"] = "notification_endpoint"


class EndpointList(Answer):
    object: Literal["list"] = "list"
    items: tuple[EndpointAnswer, ...]
    next_cursor: str | None


@router.get(
    "/notification-endpoints",
    response_model=EndpointList,
    responses=problems(422),
    openapi_extra=describe(query=PageQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """How notifying each app goes: paused, what is due, the last error (ops, finance, admin)."""
    async with deps.session(request, "list endpoints", *_READERS) as (connection, _):
        query = parse_query(PageQuery, request)
        found = await list_endpoints(connection, limit=query.limit, after=query.cursor)
    items = tuple(EndpointAnswer(**state.model_dump()) for state in found)
    cursor = next_after(tuple(state.app_id for state in found), query.limit)
    return as_json(EndpointList(items=items, next_cursor=cursor))


@router.get("/apps/{app_id}/notifications", response_model=EndpointAnswer, responses=problems(404))
async def get_endpoint(app_id: str, request: Request, deps: Deps) -> Response:
    """How notifying one app goes: itself for an app, any for the other roles."""
    async with deps.session(request, "read endpoint", *_READERS, Role.APP) as (connection, caller):
        is_foreign = caller.app_id is not None and caller.app_id != app_id
        found = (
            await read_endpoint_state(connection, app_id)
            if is_id("app", app_id) and not is_foreign
            else None
        )
    if found is None:
        raise NotFound("there is no such app")
    return as_json(EndpointAnswer(**found.model_dump()))
