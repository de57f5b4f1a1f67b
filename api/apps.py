"""`/v1/apps`: onboarding of business applications, and their webhooks."""

import base64
import secrets
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api import dispatch
from api.answers import (
    AppAnswer,
    AppList,
    NewAppAnswer,
    Replayed,
    app_answer,
    app_fields,
    as_json,
)
from api.auth import mint_key
from api.changes import Recorder
from api.dependencies import ApiDependencies, Deps
from api.fields import (
    Amount,
    Body,
    FreeText,
    Instant,
    Nothing,
    WebAddress,
    is_id,
    webhook_address_problem,
)
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import invalid, parse, parse_query, read_body
from api.return_urls import registration_problem
from models.errors import InvalidRequest, NotFound, Problem
from models.ids import new_id
from models.merchant import App, Caller, Role
from models.money import AMOUNT_MAX_MINOR
from models.payment import LateSuccessPolicy
from storage.apps import create_app, list_apps, read_app, set_webhook_paused
from storage.keys import create_key
from storage.notifications import redeliver_window

router = APIRouter(prefix="/v1/apps", tags=["apps"])

# Who may say when an app's endpoint hears from us: itself, and who looks after it.
_TELLERS = (Role.APP, Role.ADMIN, Role.OPS)
RETURN_URLS_MAX = 10  # a shop has a site, an app and a few test addresses
SECRET_BYTES = 32  # Standard Webhooks 1.0.0 asks for 24 to 64
_WINDOW_MAX = timedelta(days=7)  # one replay; longer ones are several
_EXAMPLE = {
    "name": "Ticket shop",
    "webhook_url": "https://shop.example.com/paycenter/events",
    "late_success": "refund",
    "refund_approval_above": 100_000,
}


class NewApp(Body):
    name: Annotated[FreeText, Field(max_length=100)]
    webhook_url: WebAddress | None = Field(default=None, description="where events go; https")
    late_success: Literal["accept", "refund", "ask"] = Field(
        default="ask", description="what to do with money that arrives after a payment ended"
    )
    payment_limit: Amount | None = Field(default=None, description="of one payment")
    refund_approval_above: Annotated[int, Field(ge=0, le=AMOUNT_MAX_MINOR)] | None = Field(
        default=None, description="larger refunds wait for a second person; without it none does"
    )
    return_urls: Annotated[list[WebAddress], Field(max_length=RETURN_URLS_MAX)] = Field(
        default=[],
        description="where the cash desk may send payers back to, and what lies under it",
    )


class Window(Body):
    """From `since` up to, not including, `until`."""

    since: Instant
    until: Instant


@router.post(
    "",
    status_code=201,
    response_model=NewAppAnswer,
    responses=problems(400, 422),
    openapi_extra=describe(body=NewApp, example=_EXAMPLE),
)
async def create(request: Request, deps: Deps) -> Response:
    """Onboard an app (admin). Its API key and webhook secret are in this answer and never again."""
    raw = await read_body(request)
    async with deps.session(request, "create app", Role.ADMIN) as (connection, caller):
        body = parse(NewApp, raw)
        check_webhook(body.webhook_url, deps)
        check_return_urls(body.return_urls, deps)
        app, key, secret = _app(body, deps), mint_key(), secrets.token_bytes(SECRET_BYTES)
        await create_app(connection, deps.vault, app, secret)
        await create_key(
            connection,
            key_id=key.key_id,
            secret_hash=key.secret_hash,
            role=Role.APP,
            app_id=app.id,
            name="first key",
            now=app.created_at,
        )
        await Recorder(connection, caller, app.created_at).record(app, "create")
    answer = NewAppAnswer(
        **app_fields(app),
        api_key=key.text,
        webhook_secret=f"whsec_{base64.b64encode(secret).decode()}",
    )
    return as_json(answer, status_code=201, location=f"/v1/apps/{app.id}")


@router.get(
    "", response_model=AppList, responses=problems(422), openapi_extra=describe(query=PageQuery)
)
async def list_(request: Request, deps: Deps) -> Response:
    """All apps (admin)."""
    async with deps.session(request, "list apps", Role.ADMIN) as (connection, _):
        query = parse_query(PageQuery, request)
        apps = await list_apps(connection, limit=query.limit, after=query.cursor)
    items = tuple(app_answer(app) for app in apps)
    return as_json(
        AppList(items=items, next_cursor=next_after(tuple(app.id for app in apps), query.limit))
    )


@router.get("/{app_id}", response_model=AppAnswer, responses=problems(404))
async def get_app(app_id: str, request: Request, deps: Deps) -> Response:
    """One app: any for admin, itself for an app."""
    async with deps.session(request, "read app", Role.ADMIN, Role.APP) as (connection, caller):
        require_own(caller, app_id)
        app = await read_app(connection, app_id)
    if app is None:
        raise no_such_app()
    return as_json(app_answer(app))


@router.post(
    "/{app_id}/webhook/pause",
    response_model=AppAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def pause(app_id: str, request: Request, deps: Deps) -> Response:
    """Stop sending events to the app; they are kept, in order, until it resumes."""
    return await _set_paused(app_id, request, deps, paused=True)


@router.post(
    "/{app_id}/webhook/resume",
    response_model=AppAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def resume(app_id: str, request: Request, deps: Deps) -> Response:
    """Send what was kept, and everything after it."""
    return await _set_paused(app_id, request, deps, paused=False)


@router.post(
    "/{app_id}/events/replay",
    response_model=Replayed,
    responses=problems(400, 404, 422),
    openapi_extra=describe(
        body=Window,
        example={"since": "2026-01-31T09:00:00Z", "until": "2026-01-31T12:00:00Z"},
    ),
)
async def replay(app_id: str, request: Request, deps: Deps) -> Response:
    """Send the events of a window again, with their first ids and in their order."""
    raw = await read_body(request)
    async with deps.session(request, "replay events", *_TELLERS) as (connection, caller):
        window = parse(Window, raw)
        require_own(caller, app_id)
        _check_window(window)
        if await read_app(connection, app_id) is None:
            raise no_such_app()
        count = await redeliver_window(
            connection, app_id=app_id, since=window.since, until=window.until, now=deps.clock()
        )
    await dispatch.wake_if_reachable(deps.client, app_id)
    return as_json(Replayed(redelivered=count))


async def _set_paused(
    app_id: str, request: Request, deps: ApiDependencies, *, paused: bool
) -> Response:
    raw = await read_body(request)
    async with deps.session(request, "pause webhook", *_TELLERS) as (connection, caller):
        parse(Nothing, raw)
        require_own(caller, app_id)
        if await read_app(connection, app_id) is None:
            raise no_such_app()
        await set_webhook_paused(connection, app_id, deps.clock() if paused else None)
        app = await read_app(connection, app_id)
    if app is None:
        raise no_such_app()
    await dispatch.tell_if_reachable(deps.client, app_id, paused=paused)
    return as_json(app_answer(app))


def _app(body: NewApp, deps: ApiDependencies) -> App:
    return App(
        id=new_id("app"),
        name=body.name,
        status="active",
        webhook_url=body.webhook_url,
        webhook_paused_at=None,
        late_success=LateSuccessPolicy(body.late_success),
        payment_limit_minor=body.payment_limit,
        refund_approval_above_minor=body.refund_approval_above,
        return_urls=tuple(body.return_urls),
        created_at=deps.clock(),
    )


def check_webhook(url: str | None, deps: ApiDependencies) -> None:
    wrong = url and webhook_address_problem(url, allow_private=deps.options.allow_private_webhooks)
    if wrong:
        raise InvalidRequest(
            wrong,
            code="notify-url-forbidden",
            problems=(Problem(pointer="#/webhook_url", code="notify-url-forbidden", detail=wrong),),
        )


def check_return_urls(urls: list[str], deps: ApiDependencies) -> None:
    wrong = [
        Problem(pointer=f"#/return_urls/{index}", code="return-url-forbidden", detail=detail)
        for index, url in enumerate(urls)
        if (detail := registration_problem(url, allow_http=deps.options.allow_private_webhooks))
    ]
    if wrong:
        raise invalid(*wrong)


def _check_window(window: Window) -> None:
    if not timedelta(0) < window.until - window.since <= _WINDOW_MAX:
        raise invalid(
            Problem(
                pointer="#/until",
                code="window",
                detail=f"must be after `since`, by at most {_WINDOW_MAX.days} days",
            )
        )


def require_own(caller: Caller, app_id: str) -> None:
    foreign = caller.role is Role.APP and caller.app_id != app_id
    if foreign or not is_id("app", app_id):
        raise no_such_app()


def no_such_app() -> NotFound:
    return NotFound("there is no such app")
