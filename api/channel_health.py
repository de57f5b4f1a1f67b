"""`/v1/channel-accounts/health`: how each account at a channel does right now."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.answers import Answer, as_json
from api.dependencies import Deps
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import parse_query
from models.channel_health import ChannelHealth
from models.merchant import Role
from storage.channel_health import channel_health

router = APIRouter(prefix="/v1/channel-accounts", tags=["channel accounts"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)


class ChannelHealthList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ChannelHealth, ...]
    next_cursor: str | None


@router.get(
    "/health",
    response_model=ChannelHealthList,
    responses=problems(422),
    openapi_extra=describe(query=PageQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Channel accounts with what their attempts, callbacks and statements say of late.

    In the order of `GET /v1/channel-accounts` (ops, finance, admin).
    """
    async with deps.session(request, "read channel health", *_READERS) as (connection, _):
        query = parse_query(PageQuery, request)
        found = await channel_health(
            connection, now=deps.clock(), limit=query.limit, after=query.cursor
        )
    cursor = next_after(tuple(health.account_id for health in found), query.limit)
    return as_json(ChannelHealthList(items=found, next_cursor=cursor))
