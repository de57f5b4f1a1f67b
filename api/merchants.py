"""`/v1/merchants`: who the money is for."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.answers import MerchantAnswer, MerchantList, as_json
from api.changes import Recorder, Version, Why, check_version
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, FreeText, Identifier, Nothing, is_id
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import RawBody, invalid, parse, parse_query, read_body
from models.errors import NotFound, Problem
from models.ids import new_id
from models.merchant import Caller, Merchant, Role
from storage.apps import read_app
from storage.merchants import (
    change_merchant,
    create_merchant,
    list_merchants,
    lock_merchant,
    read_merchant,
)

router = APIRouter(prefix="/v1/merchants", tags=["merchants"])

_OWNERS = (Role.APP, Role.ADMIN)
_READERS = (Role.APP, Role.ADMIN, Role.OPS, Role.FINANCE)


class NewMerchant(Body):
    """`app_id` is for admin alone: an app's merchants are its own."""

    name: Annotated[FreeText, Field(max_length=100)]
    app_id: Identifier | None = None


class MerchantChange(Body):
    name: Annotated[FreeText, Field(max_length=100)]
    version: Version | None = None


class _Wanted(NamedTuple):
    """How a merchant is to be, and what that is called."""

    action: str
    name: str
    status: str
    reason: str | None = None


@router.post(
    "",
    status_code=201,
    response_model=MerchantAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=NewMerchant, example={"name": "Riverside Cinema"}),
)
async def create(request: Request, deps: Deps) -> Response:
    """Create a merchant: admin for any app (`app_id`), an app for itself."""
    raw = await read_body(request)
    roles = (Role.APP, Role.ADMIN)
    async with deps.session(request, "create merchant", *roles) as (connection, caller):
        body = parse(NewMerchant, raw)
        app_id = _owner(caller, body)
        if not is_id("app", app_id) or await read_app(connection, app_id) is None:
            raise NotFound(
                "there is no such app",
                problems=(Problem(pointer="#/app_id", code="not-found", detail="no such app"),),
            )
        merchant = Merchant(
            id=new_id("mer"),
            app_id=app_id,
            name=body.name,
            status="active",
            created_at=deps.clock(),
        )
        await create_merchant(connection, merchant)
        await Recorder(connection, caller, merchant.created_at).record(merchant, "create")
    return as_json(
        MerchantAnswer(**merchant.model_dump()),
        status_code=201,
        location=f"/v1/merchants/{merchant.id}",
    )


@router.get(
    "",
    response_model=MerchantList,
    responses=problems(422),
    openapi_extra=describe(query=PageQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Merchants: an app's own, all for the other roles."""
    async with deps.session(request, "list merchants", *_READERS) as (connection, caller):
        query = parse_query(PageQuery, request)
        found = await list_merchants(
            connection, app_id=caller.app_id, limit=query.limit, after=query.cursor
        )
    items = tuple(MerchantAnswer(**merchant.model_dump()) for merchant in found)
    cursor = next_after(tuple(merchant.id for merchant in found), query.limit)
    return as_json(MerchantList(items=items, next_cursor=cursor))


@router.get("/{merchant_id}", response_model=MerchantAnswer, responses=problems(404))
async def get_merchant(merchant_id: str, request: Request, deps: Deps) -> Response:
    """One merchant."""
    async with deps.session(request, "read merchant", *_READERS) as (connection, caller):
        merchant = (
            await read_merchant(connection, merchant_id, app_id=caller.app_id)
            if is_id("mer", merchant_id)
            else None
        )
    if merchant is None:
        raise NotFound("there is no such merchant")
    return as_json(MerchantAnswer(**merchant.model_dump()))


@router.patch(
    "/{merchant_id}",
    response_model=MerchantAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=MerchantChange, example={"name": "Riverside Cinema", "version": 1}),
)
async def change(merchant_id: str, request: Request, deps: Deps) -> Response:
    """Rename a merchant."""
    raw = await read_body(request)

    def wanted(merchant: Merchant) -> _Wanted:
        body = parse(MerchantChange, raw)
        if body.name != merchant.name:
            check_version(body.version, merchant.version)
        return _Wanted("change", body.name, merchant.status)

    return await _change(
        merchant_id, request, deps, parse_first=(MerchantChange, raw), wanted=wanted
    )


@router.post(
    "/{merchant_id}/disable",
    response_model=MerchantAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Why, example={"reason": "moved to another provider"}),
)
async def disable(merchant_id: str, request: Request, deps: Deps) -> Response:
    """Take no new payments for it. Payments under way go on, and refunds are made."""
    raw = await read_body(request)
    return await _change(
        merchant_id,
        request,
        deps,
        parse_first=(Why, raw),
        wanted=lambda it: _Wanted("disable", it.name, "disabled", parse(Why, raw).reason),
    )


@router.post(
    "/{merchant_id}/enable",
    response_model=MerchantAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def enable(merchant_id: str, request: Request, deps: Deps) -> Response:
    """Take payments for it again."""
    raw = await read_body(request)
    return await _change(
        merchant_id,
        request,
        deps,
        parse_first=(Nothing, raw),
        wanted=lambda it: _Wanted("enable", it.name, "active"),
    )


async def _change(
    merchant_id: str,
    request: Request,
    deps: ApiDependencies,
    *,
    parse_first: tuple[type[Body], RawBody],
    wanted: Callable[[Merchant], _Wanted],
) -> Response:
    async with deps.session(request, "change merchant", *_OWNERS) as (connection, caller):
        parse(*parse_first)
        merchant = (
            await lock_merchant(connection, merchant_id, app_id=caller.app_id)
            if is_id("mer", merchant_id)
            else None
        )
        if merchant is None:
            raise NotFound("there is no such merchant")
        new, changed = wanted(merchant), merchant
        if (new.name, new.status) != (merchant.name, merchant.status):
            changed = await change_merchant(connection, merchant, name=new.name, status=new.status)
            recorder = Recorder(connection, caller, deps.clock())
            await recorder.record(changed, new.action, before=merchant, reason=new.reason)
    return as_json(MerchantAnswer(**changed.model_dump()))


def _owner(caller: Caller, body: NewMerchant) -> str:
    if caller.app_id is not None and body.app_id is None:
        return caller.app_id
    if caller.app_id is None and body.app_id is not None:
        return body.app_id
    code = "unknown-field" if body.app_id else "required"
    raise invalid(
        Problem(pointer="#/app_id", code=code, detail="admin names the app, an app does not")
    )
