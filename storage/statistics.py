"""The figures of the start page: what ended in a window, from slots of ten minutes.

A busy day has a million attempts, and adding them up takes a second; so what ended is counted once
into slots (`keep_counting`, every few seconds, by the sweeper), and a look reads slots and, from
the attempts themselves, only what ended after the last counted one. Slots are arithmetic: the last
hour is counted anew each time and the last day once an hour, so that money that was written down
late (PostgreSQL was away, say) is in the right slot soon after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.statistics import BucketSize, ChannelFigures, Outcomes, Volume, WindowFigures
from storage.turns import take_turn

SLOT = timedelta(minutes=10)
# A look goes back no further than this.
KEPT_FOR = timedelta(days=93)
# What ended a moment ago may not be committed yet.
_SETTLES_IN = timedelta(minutes=1)
_COUNTED_AGAIN = timedelta(hours=1)
_REVIEWED = timedelta(hours=26)
_REVIEW_EVERY = timedelta(hours=1)
# One step goes on by at most so much, so that it ends long before the statement's own limit.
_STRIDE = timedelta(hours=12)

# How long a success may take, in seconds: a figure is as exact as these are close.
BOUNDS = (
    *(0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240),
    *(300, 420, 600, 900, 1200, 1800, 2700, 3600, 7200, 14_400, 28_800, 86_400, 604_800),
)

_BINS = len(BOUNDS) + 1
_WITHIN = ", ".join(
    f"coalesce(sum(attempts) FILTER (WHERE bin = {bin_}), 0)" for bin_ in range(_BINS)
)
# Thousands of slots: sums of integers, and one type on both sides of the union, cost a quarter.
_ADDED = ", ".join(f"sum(CAST(durations[{bin_ + 1}] AS integer))" for bin_ in range(_BINS))
# Grouped in two steps, as one filter for each bound and attempt would take most of the time. Money
# that was held first took as long as the app let it: that says nothing about the channel.
_ENDED = f"""
SELECT slot, channel, currency,
       CAST(coalesce(sum(attempts) FILTER (WHERE status = 'charged'), 0) AS bigint) AS succeeded,
       CAST(coalesce(sum(charged_minor), 0) AS bigint) AS succeeded_minor,
       CAST(coalesce(sum(attempts) FILTER (WHERE status <> 'not_sent'), 0) AS bigint) AS ended,
       CAST(coalesce(sum(attempts) FILTER (WHERE status = 'not_sent'), 0) AS bigint) AS not_sent,
       CAST(ARRAY[{_WITHIN}] AS bigint[]) AS durations
FROM (
    SELECT date_bin('10 minutes', coalesce(attempt.charged_at, attempt.updated_at), 'epoch')
               AS slot,
           attempt.channel, attempt.currency, attempt.status,
           CASE WHEN attempt.status = 'charged' AND payment.capture_method = 'automatic' THEN
               width_bucket(
                   CAST(extract(epoch FROM attempt.charged_at - attempt.created_at) AS float8),
                   CAST(ARRAY[{", ".join(map(str, BOUNDS))}] AS float8[]))
           END AS bin,
           count(*) AS attempts, sum(attempt.charged_minor) AS charged_minor
    FROM attempt JOIN payment ON payment.id = attempt.payment_id
    WHERE attempt.status IN ('charged', 'failed', 'voided', 'expired', 'not_sent')
      AND coalesce(attempt.charged_at, attempt.updated_at) >= {{since}}
      AND coalesce(attempt.charged_at, attempt.updated_at) < :until
    GROUP BY 1, 2, 3, 4, 5
) AS ends
GROUP BY slot, channel, currency
"""  # noqa: S608  # put together from our own numbers alone


# ---- counting ---------------------------------------------------------------------------------

_MARK = text("SELECT counted_until, reviewed_at FROM statistics_mark")
_FIRST = text("""
SELECT coalesce(charged_at, updated_at) FROM attempt
WHERE status IN ('charged', 'failed', 'voided', 'expired', 'not_sent')
  AND coalesce(charged_at, updated_at) >= :since
ORDER BY coalesce(charged_at, updated_at) LIMIT 1
""")
_CLEAR = text(
    "DELETE FROM statistics_slot WHERE slot < :kept OR (slot >= :since AND slot < :until)"
)
_COUNT = text(f"INSERT INTO statistics_slot {_ENDED.format(since=':since')}")
_MOVE_MARK = text("""
UPDATE statistics_mark SET counted_until = greatest(counted_until, :until),
    reviewed_at = CASE WHEN :reviewed THEN :now ELSE reviewed_at END
""")


async def keep_counting(connection: AsyncConnection, *, now: datetime) -> bool:
    """Count what ended since the last time, one step of at most a day; whether more is to be done.

    Nothing when no slot is over since then, or when another process counts at this moment.
    """
    if not await take_turn(connection, "statistics"):
        return False
    mark = (await connection.execute(_MARK)).one()
    until = _slot_of(now - _SETTLES_IN)
    is_behind = until - mark.counted_until > _STRIDE
    reviews = not is_behind and now - mark.reviewed_at >= _REVIEW_EVERY
    if mark.counted_until >= until and not reviews:
        return False
    since = mark.counted_until - (_REVIEWED if reviews else _COUNTED_AGAIN)
    if since < now - KEPT_FOR:
        since = _slot_of(await _first_end(connection, now - KEPT_FOR) or until)
    step = min(until, max(since, mark.counted_until) + _STRIDE)
    values = {"since": since, "until": step, "now": now, "kept": now - KEPT_FOR - _STRIDE}
    await connection.execute(_CLEAR, values)
    await connection.execute(_COUNT, values)
    await connection.execute(_MOVE_MARK, values | {"reviewed": reviews and step == until})
    return bool(step < until)


async def _first_end(connection: AsyncConnection, since: datetime) -> datetime | None:
    found: datetime | None = await connection.scalar(_FIRST, {"since": since})
    return found


def _slot_of(instant: datetime) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch + (instant - epoch) // SLOT * SLOT


# ---- looking ----------------------------------------------------------------------------------

# Starting workers takes longer than the few minutes that are not counted yet.
_ALONE = text("SET LOCAL max_parallel_workers_per_gather = 0")
_LIVE = _ENDED.format(since="greatest(:since, (SELECT counted_until FROM statistics_mark))")
_WINDOW = text(f"""
SELECT date_bin(:length, slot, 'epoch') AS at, channel, currency,
       sum(succeeded) AS succeeded, sum(succeeded_minor) AS minor, sum(ended) AS ended,
       sum(not_sent) AS not_sent, ARRAY[{_ADDED}] AS durations
FROM (
    SELECT slot, channel, currency, succeeded, succeeded_minor, ended, not_sent, durations
    FROM statistics_slot
    WHERE slot >= :since AND slot < :until
      AND slot < (SELECT counted_until FROM statistics_mark)
    UNION ALL {_LIVE}
) AS slots
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
""")  # noqa: S608  # put together from our own text alone


async def window_figures(
    connection: AsyncConnection, *, since: datetime, until: datetime, bucket: BucketSize
) -> WindowFigures:
    """What ended from `since`, the beginning of a bucket, up to before `until`."""
    values = {"since": since, "until": until, "length": bucket.length}
    await connection.execute(_ALONE)
    rows = (await connection.execute(_WINDOW, values)).mappings().all()
    return WindowFigures(
        volume=_volume(rows),
        outcomes=_outcomes(rows),
        channels=tuple(
            _channel_figures(channel, [row for row in rows if row["channel"] == channel])
            for channel in sorted({row["channel"] for row in rows})
        ),
    )


def _volume(rows: Sequence[Mapping[Any, Any]]) -> tuple[Volume, ...]:
    totals: dict[tuple[datetime, str], tuple[int, int]] = {}
    for row in rows:
        key = (row["at"], row["currency"])
        count, minor = totals.get(key, (0, 0))
        totals[key] = (count + int(row["succeeded"]), minor + int(row["minor"]))
    return tuple(
        Volume(at=at, currency=currency, count=count, amount=minor)
        for (at, currency), (count, minor) in sorted(totals.items())
        if count
    )


def _outcomes(rows: Sequence[Mapping[Any, Any]]) -> tuple[Outcomes, ...]:
    totals: dict[tuple[datetime, str], tuple[int, int]] = {}
    for row in rows:
        key = (row["at"], row["channel"])
        succeeded, ended = totals.get(key, (0, 0))
        totals[key] = (succeeded + int(row["succeeded"]), ended + int(row["ended"]))
    return tuple(
        Outcomes(at=at, channel=channel, succeeded=succeeded, ended=ended)
        for (at, channel), (succeeded, ended) in sorted(totals.items())
        if ended
    )


@dataclass
class _Durations:
    """How many took how long, by the bounds."""

    counts: list[int] = field(default_factory=lambda: [0] * _BINS)

    def add(self, counts: Sequence[int]) -> None:
        self.counts = [have + int(more) for have, more in zip(self.counts, counts, strict=True)]

    @property
    def total(self) -> int:
        return sum(self.counts)

    def bound_of(self, percent: int) -> float | None:
        """What `percent` in a hundred kept to; None for none, and beyond the last bound."""
        needed = -(-self.total * percent // 100)  # rounded up: all of it, not nearly
        seen = 0
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            seen += count
            if seen >= needed > 0:
                return bound
        return None


def _channel_figures(channel: str, rows: Sequence[Mapping[Any, Any]]) -> ChannelFigures:
    durations = _Durations()
    for row in rows:
        durations.add(row["durations"])
    return ChannelFigures(
        channel=channel,
        succeeded=sum(int(row["succeeded"]) for row in rows),
        ended=sum(int(row["ended"]) for row in rows),
        not_sent=sum(int(row["not_sent"]) for row in rows),
        timed=durations.total,
        p50_seconds=durations.bound_of(50),
        p90_seconds=durations.bound_of(90),
        p99_seconds=durations.bound_of(99),
    )
