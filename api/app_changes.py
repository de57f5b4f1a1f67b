"""`/v1/apps/{id}`: changing an app, turning it off and on, and a new webhook secret."""

import base64
import secrets
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.answers import Answer, AppAnswer, app_answer, as_json
from api.apps import (
    RETURN_URLS_MAX,
    SECRET_BYTES,
    check_return_urls,
    check_webhook,
    no_such_app,
    require_own,
)
from api.changes import Recorder, Rotation, Version, Why, check_version
from api.dependencies import ApiDependencies, Deps
from api.fields import Amount, Body, FreeText, Nothing, WebAddress
from api.openapi import describe, problems
from api.requests import invalid, parse, read_body
from models.errors import Problem
from models.merchant import App, Role
from models.money import AMOUNT_MAX_MINOR
from models.payment import LateSuccessPolicy
from storage.apps import change_app, lock_app, rotate_webhook_secret

router = APIRouter(prefix="/v1/apps", tags=["apps"])

# What an app may not change of itself: its own limits.
_LIMITS = frozenset({"payment_limit", "refund_approval_above"})
_STORED_AS = {
    "payment_limit": "payment_limit_minor",
    "refund_approval_above": "refund_approval_above_minor",
}


class AppChange(Body):
    """What is left out stays; null takes away. Limits are for admin alone."""

    name: Annotated[FreeText, Field(max_length=100)] | None = None
    webhook_url: WebAddress | None = None
    late_success: Literal["accept", "refund", "ask"] | None = None
    payment_limit: Amount | None = None
    refund_approval_above: Annotated[int, Field(ge=0, le=AMOUNT_MAX_MINOR)] | None = None
    return_urls: Annotated[list[WebAddress], Field(max_length=RETURN_URLS_MAX)] | None = None
    version: Version | None = None


class NewSecretAnswer(Answer):
    """`webhook_secret` is shown in this answer and never again."""

    object: Literal["webhook_secret"] = "webhook_secret"
    app_id: str
    webhook_secret: str
    former_until: datetime = Field(description="both sign until then, the new one alone after it")


@router.patch(
    "/{app_id}",
    response_model=AppAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(
        body=AppChange, example={"return_urls": ["https://shop.example/done"], "version": 1}
    ),
)
async def change(app_id: str, request: Request, deps: Deps) -> Response:
    """Change an app: itself, or any for admin. The same body twice changes nothing more."""
    raw = await read_body(request)
    async with deps.session(request, "change app", Role.ADMIN, Role.APP) as (connection, caller):
        body = parse(AppChange, raw)
        require_own(caller, app_id)
        _check(body, deps, is_app=caller.app_id is not None)
        app = _existing(await lock_app(connection, app_id))
        changed = app.model_copy(update=_values(body))
        if changed != app:
            check_version(body.version, app.version)
            changed = await change_app(connection, changed)
            recorder = Recorder(connection, caller, deps.clock())
            await recorder.record(changed, "change", before=app)
    return as_json(app_answer(changed))


@router.post(
    "/{app_id}/disable",
    response_model=AppAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Why, example={"reason": "the contract has ended"}),
)
async def disable(app_id: str, request: Request, deps: Deps) -> Response:
    """Refuse all keys of an app from now on (admin). Payments under way go on to their end."""
    raw = await read_body(request)
    return await _set_status(app_id, request, deps, lambda: parse(Why, raw).reason)


@router.post(
    "/{app_id}/enable",
    response_model=AppAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def enable(app_id: str, request: Request, deps: Deps) -> Response:
    """Take its keys again (admin)."""
    raw = await read_body(request)
    return await _set_status(app_id, request, deps, lambda: _nothing(parse(Nothing, raw)))


@router.post(
    "/{app_id}/webhook-secret/rotate",
    status_code=201,
    response_model=NewSecretAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Rotation, example={"overlap_seconds": 86_400}),
)
async def rotate_secret(app_id: str, request: Request, deps: Deps) -> Response:
    """A new webhook secret. Until the overlap ends, events are signed with the old one too."""
    raw = await read_body(request)
    secret, now = secrets.token_bytes(SECRET_BYTES), deps.clock()
    async with deps.session(request, "rotate secret", Role.ADMIN, Role.APP) as (connection, caller):
        until = parse(Rotation, raw).ends_at(now)
        require_own(caller, app_id)
        app = _existing(await lock_app(connection, app_id))
        await rotate_webhook_secret(connection, deps.vault, app_id, secret, until=until)
        recorder = Recorder(connection, caller, now)
        await recorder.record(
            app, "rotate-webhook-secret", before=app, former_until=until.isoformat()
        )
    answer = NewSecretAnswer(
        app_id=app_id,
        webhook_secret=f"whsec_{base64.b64encode(secret).decode()}",
        former_until=until,
    )
    return as_json(answer, status_code=201)


async def _set_status(app_id: str, request: Request, deps: ApiDependencies, read: Any) -> Response:
    async with deps.session(request, "set app status", Role.ADMIN) as (connection, caller):
        reason: str | None = read()
        require_own(caller, app_id)
        app = _existing(await lock_app(connection, app_id))
        changed = app.model_copy(update={"status": "disabled" if reason else "active"})
        if changed != app:
            changed = await change_app(connection, changed)
            recorder = Recorder(connection, caller, deps.clock())
            action = "disable" if reason else "enable"
            await recorder.record(changed, action, before=app, reason=reason)
    return as_json(app_answer(changed))


def _nothing(_: Nothing) -> None:
    return None


def _check(body: AppChange, deps: ApiDependencies, *, is_app: bool) -> None:
    given = body.model_fields_set
    wrong = [
        Problem(pointer=f"#/{name}", code="required", detail="this cannot be taken away")
        for name in ("name", "late_success", "return_urls")
        if name in given and getattr(body, name) is None
    ]
    if is_app:
        wrong += [
            Problem(pointer=f"#/{name}", code="forbidden", detail="only an admin changes limits")
            for name in sorted(given & _LIMITS)
        ]
    if wrong:
        raise invalid(*wrong)
    check_webhook(body.webhook_url, deps)
    check_return_urls(body.return_urls or [], deps)


def _values(body: AppChange) -> dict[str, Any]:
    given = body.model_dump(include=body.model_fields_set - {"version"})
    values = {_STORED_AS.get(name, name): value for name, value in given.items()}
    if "late_success" in values:
        values["late_success"] = LateSuccessPolicy(values["late_success"])
    if "return_urls" in values:
        values["return_urls"] = tuple(values["return_urls"])
    return values


def _existing(app: App | None) -> App:
    if app is None:
        raise no_such_app()
    return app
