"""`/v1/checks`: what the last looks around saw, between the daily reconciliations."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from api.answers import Answer, as_json
from api.dependencies import Deps
from api.openapi import describe, problems
from api.paging import Limit
from api.requests import parse_query
from models.check import CheckRound
from models.merchant import Role
from storage.checks import last_rounds

router = APIRouter(prefix="/v1/checks", tags=["reconciliation"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)


class CheckQuery(BaseModel):
    """The newest `limit` rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Limit = 1


class FindingAnswer(Answer):
    kind: str
    object_id: str
    detail: str


class CheckAnswer(Answer):
    """One look around. Of many findings the first hundred are listed; `counts` has them all."""

    id: str
    object: Literal["check"] = "check"
    started_at: datetime
    finished_at: datetime
    open_payments: int
    successes: int
    unanswered: int
    counts: dict[str, int]
    findings: tuple[FindingAnswer, ...]


class CheckList(Answer):
    object: Literal["list"] = "list"
    items: tuple[CheckAnswer, ...]
    next_cursor: str | None = None


@router.get(
    "",
    response_model=CheckList,
    responses=problems(422),
    openapi_extra=describe(query=CheckQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """The newest looks around: open payments and recent successes, against channel, books and runs.

    For ops, finance and admin.
    """
    async with deps.session(request, "list checks", *_READERS) as (connection, _):
        query = parse_query(CheckQuery, request)
        rounds = await last_rounds(connection, limit=query.limit)
    return as_json(CheckList(items=tuple(_answer(one) for one in rounds)))


def _answer(seen: CheckRound) -> CheckAnswer:
    return CheckAnswer.model_validate(seen.model_dump(mode="python"))
