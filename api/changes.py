"""`/v1/changes` and `/v1/expiring`: the audit trail of account management, and what runs out."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Answer, as_json
from api.dependencies import Deps
from api.fields import Body, FreeText, Identifier
from api.openapi import describe, problems
from api.paging import PageQuery, next_after
from api.requests import parse_query
from models.change import Change, ExpiringKind, warning_of
from models.errors import Conflict
from models.ids import new_id
from models.merchant import Caller, Role
from storage.changes import list_changes, list_expiring, record_change

router = APIRouter(prefix="/v1", tags=["account changes"])

# Both of two keys or secrets work so long; enough to bring the new one to every server.
_OVERLAP_SECONDS = 24 * 3600
_OVERLAP_MAX_SECONDS = 30 * 24 * 3600
_REASON_MAX = 200

Reason = Annotated[FreeText, Field(max_length=_REASON_MAX)]
Version = Annotated[
    int,
    Field(
        ge=1,
        le=2**31 - 1,
        description="as read; another answers 409. Without it the "
        "change is made whatever came between",
    ),
]
Overlap = Annotated[
    int,
    Field(ge=0, le=_OVERLAP_MAX_SECONDS, description="how long the old one works beside the new"),
]


class Why(Body):
    reason: Reason


class Rotation(Body):
    overlap_seconds: Overlap = _OVERLAP_SECONDS

    def ends_at(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self.overlap_seconds)


class ChangeQuery(PageQuery):
    object_id: Identifier | None = None


class ExpiringQuery(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[int, Field(ge=1, le=92)] = 30


class ChangeAnswer(Change):
    object: Literal["change"] = "change"


class ChangeList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ChangeAnswer, ...]
    next_cursor: str | None


class ExpiringAnswer(Answer):
    object: Literal["expiring"] = "expiring"
    kind: ExpiringKind
    object_id: str
    what: str
    expires_at: datetime
    warning: Literal["expiring", "expired"] | None


class ExpiringList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ExpiringAnswer, ...]


@router.get(
    "/changes",
    response_model=ChangeList,
    responses=problems(422),
    openapi_extra=describe(query=ChangeQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Who changed which app, merchant, account, key or person, newest first (admin)."""
    async with deps.session(request, "list changes", Role.ADMIN) as (connection, _):
        query = parse_query(ChangeQuery, request)
        found = await list_changes(
            connection, object_id=query.object_id, limit=query.limit, after=query.cursor
        )
    items = tuple(ChangeAnswer(**change.model_dump()) for change in found)
    cursor = next_after(tuple(change.id for change in found), query.limit)
    return as_json(ChangeList(items=items, next_cursor=cursor))


@router.get(
    "/expiring",
    response_model=ExpiringList,
    responses=problems(422),
    openapi_extra=describe(query=ExpiringQuery),
)
async def expiring(request: Request, deps: Deps) -> Response:
    """Keys, secrets and certificates that run out within `days`, soonest first (admin, ops)."""
    now = deps.clock()
    async with deps.session(request, "list expiring", Role.ADMIN, Role.OPS) as (connection, _):
        query = parse_query(ExpiringQuery, request)
        before = now + timedelta(days=query.days)
        found = await list_expiring(connection, now=now, before=before)
    items = tuple(
        ExpiringAnswer(**one.model_dump(), warning=warning_of(one.expires_at, now)) for one in found
    )
    return as_json(ExpiringList(items=items))


class Recorder:
    """Writes down what one caller changes of one object, in the transaction that changes it."""

    def __init__(self, connection: AsyncConnection, caller: Caller, now: datetime) -> None:
        self._connection = connection
        self._caller = caller
        self._now = now

    async def record(
        self,
        on: BaseModel,
        action: str,
        *,
        before: BaseModel | None = None,
        reason: str | None = None,
        **more: Any,
    ) -> None:
        """`on` as it is now. Models never hold secrets; of `before` and it only what differs."""
        was = before.model_dump(mode="json") if before else {}
        is_now = on.model_dump(mode="json")
        changed = {name for name in is_now if name != "version" and was.get(name) != is_now[name]}
        object_id: str = is_now["id"]
        await record_change(
            self._connection,
            Change(
                id=new_id("chg"),
                at=self._now,
                actor=self._caller.key_id,
                object_kind=_kind_of(on),
                object_id=object_id,
                action=action,
                reason=reason,
                before={name: was[name] for name in sorted(changed & was.keys())},
                after={name: is_now[name] for name in sorted(changed)} | more
                if before or more
                else {name: is_now[name] for name in sorted(is_now)},
            ),
        )


_KINDS: dict[str, Literal["app", "merchant", "channel_account", "key", "operator"]] = {
    "App": "app",
    "Merchant": "merchant",
    "ChannelAccount": "channel_account",
    "ApiKey": "key",
    "Operator": "operator",
}


def _kind_of(on: BaseModel) -> Literal["app", "merchant", "channel_account", "key", "operator"]:
    return _KINDS[type(on).__name__]


def check_version(wanted: int | None, present: int) -> None:
    """Raises Conflict when somebody else changed it since it was read."""
    if wanted is not None and wanted != present:
        raise Conflict(
            f"it was changed meanwhile: it is version {present} now, not {wanted}",
            code="changed-meanwhile",
        )
