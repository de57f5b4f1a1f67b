"""`/v1/operators`: people who work in the console."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from api.answers import Answer, as_json
from api.changes import Recorder
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, FreeText, Nothing, is_id
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.passwords import one_time_password
from api.requests import parse, parse_query, read_body
from models.errors import Conflict, NotFound
from models.ids import new_id
from models.merchant import Role
from models.operator import Operator
from storage.operators import (
    create_operator,
    list_operators,
    read_operator,
    set_disabled,
    set_password,
)

router = APIRouter(prefix="/v1/operators", tags=["people"])

_LOGIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-@")


def _login(text: str) -> str:
    if not set(text) <= _LOGIN_CHARACTERS:
        raise PydanticCustomError("login", "use small letters, digits, and . _ - @")
    return text


class NewOperator(Body):
    login: Annotated[str, Field(min_length=2, max_length=64), AfterValidator(_login)]
    name: Annotated[FreeText, Field(max_length=100)]
    role: Literal["ops", "finance", "admin"]


class OperatorAnswer(Answer):
    id: str
    object: Literal["operator"] = "operator"
    login: str
    name: str
    role: str
    must_change: bool = Field(description="the password was made by us, for one login")
    created_at: datetime
    disabled_at: datetime | None


class NewOperatorAnswer(OperatorAnswer):
    """`password` opens one login and is shown in this answer and never again."""

    password: str


class OperatorList(Answer):
    object: Literal["list"] = "list"
    items: tuple[OperatorAnswer, ...]
    next_cursor: str | None


@router.post(
    "",
    status_code=201,
    response_model=NewOperatorAnswer,
    responses=problems(400, 409, 422),
    openapi_extra=describe(
        body=NewOperator, example={"login": "kim", "name": "Kim", "role": "finance"}
    ),
)
async def create(request: Request, deps: Deps) -> Response:
    """Let a person into the console (admin). The password in this answer opens one login."""
    raw = await read_body(request)
    async with deps.session(request, "may create operator", Role.ADMIN):
        body = parse(NewOperator, raw)
    password = one_time_password()
    hashed = await deps.passwords.hash(password)
    operator = Operator(
        id=new_id("opr"),
        login=body.login,
        name=body.name,
        role=Role(body.role),
        must_change=True,
        created_at=deps.clock(),
    )
    async with deps.session(request, "create operator", Role.ADMIN) as (connection, caller):
        await create_operator(connection, operator, hashed)
        await Recorder(connection, caller, deps.clock()).record(operator, "create")
    answer = NewOperatorAnswer(**operator.model_dump(), password=password)
    return as_json(answer, status_code=201, location=f"/v1/operators/{operator.id}")


@router.get(
    "",
    response_model=OperatorList,
    responses=problems(422),
    openapi_extra=describe(query=PageQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """People, in the order in which they came (admin)."""
    async with deps.session(request, "list operators", Role.ADMIN) as (connection, _):
        query = parse_query(PageQuery, request)
        found = await list_operators(connection, limit=query.limit, after=query.cursor)
    items = tuple(OperatorAnswer(**operator.model_dump()) for operator in found)
    cursor = next_after(tuple(operator.id for operator in found), query.limit)
    return as_json(OperatorList(items=items, next_cursor=cursor))


@router.get("/{operator_id}", response_model=OperatorAnswer, responses=problems(404))
async def get_operator(operator_id: str, request: Request, deps: Deps) -> Response:
    """One person (admin)."""
    async with deps.session(request, "read operator", Role.ADMIN) as (connection, _):
        found = await read_operator(connection, _is_operator_id(operator_id))
    return as_json(OperatorAnswer(**_existing(found).model_dump()))


@router.post(
    "/{operator_id}/disable",
    response_model=OperatorAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=Nothing),
)
async def disable(operator_id: str, request: Request, deps: Deps) -> Response:
    """Shut a person out at once (admin). Nobody shuts out themselves."""
    return await _set_disabled(operator_id, request, deps, disabled_at=deps.clock())


@router.post(
    "/{operator_id}/enable",
    response_model=OperatorAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def enable(operator_id: str, request: Request, deps: Deps) -> Response:
    """Let a person in again (admin)."""
    return await _set_disabled(operator_id, request, deps, disabled_at=None)


@router.post(
    "/{operator_id}/reset-password",
    response_model=NewOperatorAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def reset_password(operator_id: str, request: Request, deps: Deps) -> Response:
    """A new password for one login (admin). The person's sessions end."""
    raw = await read_body(request)
    async with deps.session(request, "may reset password", Role.ADMIN):
        parse(Nothing, raw)
    password = one_time_password()
    hashed = await deps.passwords.hash(password)
    async with deps.session(request, "reset password", Role.ADMIN) as (connection, caller):
        found = await set_password(
            connection, _is_operator_id(operator_id), hashed, must_change=True
        )
        person = _existing(found)
        recorder = Recorder(connection, caller, deps.clock())
        await recorder.record(person, "reset-password", before=person)
    return as_json(NewOperatorAnswer(**_existing(found).model_dump(), password=password))


async def _set_disabled(
    operator_id: str, request: Request, deps: ApiDependencies, *, disabled_at: datetime | None
) -> Response:
    raw = await read_body(request)
    async with deps.session(request, "set operator status", Role.ADMIN) as (connection, caller):
        parse(Nothing, raw)
        if disabled_at is not None and caller.key_id == operator_id:
            raise Conflict("nobody shuts out themselves", code="same-person")
        before = await read_operator(connection, _is_operator_id(operator_id))
        found = await set_disabled(connection, _is_operator_id(operator_id), disabled_at)
        recorder = Recorder(connection, caller, deps.clock())
        action = "enable" if disabled_at is None else "disable"
        await recorder.record(_existing(found), action, before=before)
    return as_json(OperatorAnswer(**_existing(found).model_dump()))


def _is_operator_id(value: str) -> str:
    if not is_id("opr", value):
        raise NotFound("there is no such person")
    return value


def _existing(operator: Operator | None) -> Operator:
    if operator is None:
        raise NotFound("there is no such person")
    return operator
