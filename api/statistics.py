"""`/v1/statistics`: what happened lately and what waits now, at a glance."""

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.answers import as_json
from api.dependencies import ApiDependencies, Deps
from api.openapi import describe, problems
from api.requests import invalid, parse_query
from channels.base import Reconciling
from models.errors import Problem
from models.merchant import Role
from models.statistics import BucketSize, Statistics
from storage.statistics import window_figures
from storage.waiting import waits_now

router = APIRouter(prefix="/v1/statistics", tags=["statistics"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)
_HOURS_MAX = 168  # a week: also what is drawn hour by hour at most
_DAYS_MAX = 92  # a quarter; slots are kept that long
# From here on an hour is too thin a slice to be seen.
_BY_THE_HOUR_UP_TO = 48


class StatisticsQuery(BaseModel):
    """`hours` or `days`, counted back from now; the bucket that now is in is the last one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: Annotated[int, Field(ge=1, le=_HOURS_MAX)] | None = Field(
        default=None, description="the default is 24"
    )
    days: Annotated[int, Field(ge=1, le=_DAYS_MAX)] | None = None
    bucket: BucketSize | None = Field(
        default=None, description="the default is hours up to two days, and days beyond"
    )

    @property
    def window(self) -> int:
        """In hours."""
        return self.days * 24 if self.days is not None else self.hours or 24

    @property
    def size(self) -> BucketSize:
        if self.bucket is not None:
            return self.bucket
        return BucketSize.HOUR if self.window <= _BY_THE_HOUR_UP_TO else BucketSize.DAY

    def since(self, now: datetime) -> datetime:
        """The beginning of the first bucket."""
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        length = self.size.length
        buckets = math.ceil(timedelta(hours=self.window) / length)
        return epoch + ((now - epoch) // length - buckets + 1) * length


@router.get(
    "",
    response_model=Statistics,
    responses=problems(422),
    openapi_extra=describe(query=StatisticsQuery),
)
async def statistics(request: Request, deps: Deps) -> Response:
    """Volume, success and its time by channel, and what waits for somebody (ops, finance, admin).

    Counts of a window are of what ended in it. What waits is counted up to a bound, and says so.
    """
    async with deps.session(request, "statistics", *_READERS) as (connection, _):
        query = _checked(parse_query(StatisticsQuery, request))
        now = deps.clock()
        since = query.since(now)
        figures = await window_figures(connection, since=since, until=now, bucket=query.size)
        waiting = await waits_now(connection, now=now, timezones=timezones_of(deps))
    answer = Statistics(
        volume=figures.volume,
        outcomes=figures.outcomes,
        channels=figures.channels,
        as_of=now,
        since=since,
        until=now,
        bucket=query.size,
        now=waiting,
    )
    return as_json(answer)


def _checked(query: StatisticsQuery) -> StatisticsQuery:
    if query.hours is not None and query.days is not None:
        detail = "give hours or days, not both"
        raise invalid(Problem(pointer="#/days", code="conflict", detail=detail))
    if query.size is BucketSize.HOUR and query.window > _HOURS_MAX:
        detail = "more than a week is told by the day"
        raise invalid(Problem(pointer="#/bucket", code="too-large", detail=detail))
    return query


def timezones_of(deps: ApiDependencies) -> dict[str, str]:
    """The clock of every channel that has statements."""
    known = {name: deps.channels.get(name) for name in deps.channels.names()}
    return {
        name: channel.capabilities.timezone
        for name, channel in known.items()
        if isinstance(channel, Reconciling)
    }
