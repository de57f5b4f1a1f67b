"""`/v1/callbacks`: messages from channels that somebody should look at."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.answers import Answer, as_json
from api.dependencies import Deps
from api.fields import is_id
from api.openapi import describe, problems
from api.paging import CallbackQuery
from api.requests import parse_query
from models.errors import NotFound
from models.merchant import Role
from models.search import CallbackSummary, CallbackView
from storage.callback_views import list_callbacks, read_callback_view

router = APIRouter(prefix="/v1/callbacks", tags=["queues"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)


class CallbackItem(CallbackSummary):
    object: Literal["callback"] = "callback"


class CallbackAnswer(CallbackView):
    object: Literal["callback"] = "callback"


class CallbackList(Answer):
    object: Literal["list"] = "list"
    items: tuple[CallbackItem, ...]
    next_cursor: str | None


@router.get(
    "",
    response_model=CallbackList,
    responses=problems(422),
    openapi_extra=describe(query=CallbackQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Callbacks of one kind of trouble, oldest first, without bodies (ops, finance, admin)."""
    async with deps.session(request, "list callbacks", *_READERS) as (connection, _):
        query = parse_query(CallbackQuery, request)
        found, cursor = await list_callbacks(
            connection,
            query.match,
            account_id=query.account_id,
            now=deps.clock(),
            limit=query.limit,
            cursor=query.cursor,
        )
    items = tuple(CallbackItem(**callback.model_dump()) for callback in found)
    return as_json(CallbackList(items=items, next_cursor=cursor))


@router.get("/{callback_id}", response_model=CallbackAnswer, responses=problems(404))
async def get_callback(callback_id: str, request: Request, deps: Deps) -> Response:
    """One callback: what it says in our words, and its envelope (ops, finance, admin)."""
    async with deps.session(request, "read callback", *_READERS) as (connection, _):
        found = (
            await read_callback_view(connection, callback_id) if is_id("cb", callback_id) else None
        )
    if found is None:
        raise NotFound("there is no such callback")
    return as_json(CallbackAnswer(**found.model_dump()))
