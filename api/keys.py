"""`/v1/keys`: keys that open this API. A secret is in the answer that makes it and never again."""

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Answer, as_json
from api.auth import mint_key
from api.changes import Recorder, Rotation, Why
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, FreeText, Identifier, Instant, is_id
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import invalid, parse, parse_query, read_body
from models.change import warning_of
from models.errors import Conflict, NotFound, Problem
from models.merchant import ApiKey, Caller, Role
from storage.apps import read_app
from storage.keys import create_key, disable_key, end_key, list_keys, lock_key, read_key

router = APIRouter(prefix="/v1/keys", tags=["keys"])

_OWNERS = (Role.APP, Role.ADMIN)
_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class NewKey(Body):
    """`app_id` is for admin alone, with the role `app`: an app makes keys for itself."""

    name: Annotated[FreeText, Field(max_length=100)]
    role: Literal["app", "admin", "ops", "finance"] = "app"
    app_id: Identifier | None = None
    expires_at: Instant | None = Field(default=None, description="null: works until disabled")


class KeyQuery(PageQuery):
    app_id: Identifier | None = Field(default=None, description="an app's own key needs none")


class KeyAnswer(ApiKey):
    object: Literal["key"] = "key"
    warning: Literal["expiring", "expired"] | None


class NewKeyAnswer(KeyAnswer):
    """`api_key` is shown in this answer and never again."""

    api_key: str


class KeyList(Answer):
    object: Literal["list"] = "list"
    items: tuple[KeyAnswer, ...]
    next_cursor: str | None


@router.get(
    "",
    response_model=KeyList,
    responses=problems(422),
    openapi_extra=describe(query=KeyQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Keys in the order in which they were made: an app's own, all or one app's for admin."""
    async with deps.session(request, "list keys", *_OWNERS) as (connection, caller):
        query = parse_query(KeyQuery, request)
        app_id = caller.app_id or query.app_id
        found = await list_keys(connection, app_id=app_id, limit=query.limit, after=query.cursor)
    items = tuple(_answer(key, deps) for key in found)
    cursor = next_after(tuple(key.id for key in found), query.limit)
    return as_json(KeyList(items=items, next_cursor=cursor))


@router.post(
    "",
    status_code=201,
    response_model=NewKeyAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=NewKey, example={"name": "Second server"}),
)
async def create(request: Request, deps: Deps) -> Response:
    """Make a key: any for admin, an app's own for itself."""
    raw = await read_body(request)
    async with deps.session(request, "create key", *_OWNERS) as (connection, caller):
        body = parse(NewKey, raw)
        app_id = _owner(caller, body)
        if body.expires_at is not None and body.expires_at <= deps.clock():
            raise _wrong("expires_at", "in-the-past", "must lie ahead")
        if app_id is not None and (
            not is_id("app", app_id) or await read_app(connection, app_id) is None
        ):
            raise NotFound(
                "there is no such app",
                problems=(Problem(pointer="#/app_id", code="not-found", detail="no such app"),),
            )
        key, secret = await _make(
            connection,
            deps,
            name=body.name,
            role=Role(body.role),
            app_id=app_id,
            expires_at=body.expires_at,
        )
        await Recorder(connection, caller, deps.clock()).record(key, "create")
    return _shown_once(key, secret, deps)


@router.get("/{key_id}", response_model=KeyAnswer, responses=problems(404))
async def get_key(key_id: str, request: Request, deps: Deps) -> Response:
    """One key, without its secret."""
    async with deps.session(request, "read key", *_OWNERS) as (connection, caller):
        found = await read_key(connection, _is_key_id(key_id), app_id=caller.app_id)
    return as_json(_answer(_existing(found), deps))


@router.post(
    "/{key_id}/rotate",
    status_code=201,
    response_model=NewKeyAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=Rotation, example={"overlap_seconds": 86_400}),
)
async def rotate(key_id: str, request: Request, deps: Deps) -> Response:
    """Make a second key like this one, which itself ends after the overlap."""
    raw = await read_body(request)
    async with deps.session(request, "rotate key", *_OWNERS) as (connection, caller):
        body, now = parse(Rotation, raw), deps.clock()
        old = _existing(await lock_key(connection, _is_key_id(key_id), app_id=caller.app_id))
        ends_at = body.ends_at(now)
        _require_living(old, now)
        if old.expires_at is None or ends_at < old.expires_at:
            await end_key(connection, old.id, ends_at)
        key, secret = await _make(
            connection, deps, name=old.name, role=old.role, app_id=old.app_id, expires_at=None
        )
        ended = _existing(await read_key(connection, old.id, app_id=None))
        recorder = Recorder(connection, caller, now)
        await recorder.record(ended, "rotate", before=old, replaced_by=key.id)
        await recorder.record(key, "create")
    return _shown_once(key, secret, deps)


@router.post(
    "/{key_id}/disable",
    response_model=KeyAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=Why, example={"reason": "was in a public repository"}),
)
async def disable(key_id: str, request: Request, deps: Deps) -> Response:
    """Refuse a key from now on, for good. Nobody disables the key they call with."""
    raw = await read_body(request)
    async with deps.session(request, "disable key", *_OWNERS) as (connection, caller):
        body, now = parse(Why, raw), deps.clock()
        old = _existing(await lock_key(connection, _is_key_id(key_id), app_id=caller.app_id))
        if old.id == caller.key_id:
            raise Conflict("this is the key you call with; rotate it", code="same-key")
        if old.disabled_at is None:
            await disable_key(connection, key_id=old.id, now=now, reason=body.reason)
        found = _existing(await read_key(connection, old.id, app_id=None))
        if old.disabled_at is None:
            recorder = Recorder(connection, caller, now)
            await recorder.record(found, "disable", before=old, reason=body.reason)
    return as_json(_answer(found, deps))


async def _make(  # what one key is, by name
    connection: AsyncConnection,
    deps: ApiDependencies,
    *,
    name: str,
    role: Role,
    app_id: str | None,
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    minted, now = mint_key(), deps.clock()
    await create_key(
        connection,
        key_id=minted.key_id,
        secret_hash=minted.secret_hash,
        role=role,
        app_id=app_id,
        name=name,
        now=now,
        expires_at=expires_at,
    )
    key = ApiKey(
        id=minted.key_id,
        role=role,
        app_id=app_id,
        name=name,
        created_at=now,
        expires_at=expires_at,
    )
    return key, minted.text


def _owner(caller: Caller, body: NewKey) -> str | None:
    """The app a key is for, None for our own. Raises InvalidRequest."""
    if caller.app_id is not None:
        if body.role != "app":
            raise _wrong("role", "not-a-choice", "an app makes keys of the role app")
        if body.app_id is not None:
            raise _wrong("app_id", "unknown-field", "an app makes keys for itself")
        return caller.app_id
    if (body.role == "app") != (body.app_id is not None):
        raise _wrong("app_id", "app-or-not", "the role app needs it, the others have none")
    return body.app_id


def _require_living(key: ApiKey, now: datetime) -> None:
    if key.disabled_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Conflict("this key does not work any more; make a new one", code="key-ended")


def _shown_once(key: ApiKey, secret: str, deps: ApiDependencies) -> Response:
    shown = _answer(key, deps).model_dump()
    answer = NewKeyAnswer(**shown, api_key=secret)
    return as_json(answer, status_code=201, location=f"/v1/keys/{key.id}")


def _answer(key: ApiKey, deps: ApiDependencies) -> KeyAnswer:
    warning = warning_of(key.expires_at, deps.clock()) if key.expires_at else None
    return KeyAnswer(**key.model_dump(), warning=warning)


def _is_key_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise NotFound("there is no such key")
    return value


def _existing(key: ApiKey | None) -> ApiKey:
    if key is None:
        raise NotFound("there is no such key")
    return key


def _wrong(field: str, code: str, detail: str) -> Exception:
    return invalid(Problem(pointer=f"#/{field}", code=code, detail=detail))
