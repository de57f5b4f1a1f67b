"""What happened in a window of time, and what waits now: the figures of the start page.

Outcomes are those of attempts, so that a channel is judged by what it was asked, also where another
one took the payment afterwards. Amounts are minor units. Small numbers stay small numbers: a rate
is always given with the counts it comes from.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field, computed_field

from models.channel import Frozen
from models.money import CurrencyCode

# An answer counts so far and says "at least" from there: what a person cannot work through in a
# day need not be counted on every look.
COUNTED_TO = 1_000


class BucketSize(StrEnum):
    """How the window is cut. Days are those of UTC."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return timedelta(days=1) if self is BucketSize.DAY else timedelta(hours=1)


class Volume(Frozen):
    """Money that came in, of one currency, in one bucket."""

    at: datetime = Field(description="the bucket's beginning")
    currency: CurrencyCode
    count: int
    amount: int = Field(description="in minor units")


class Outcomes(Frozen):
    """How attempts at one channel ended in one bucket."""

    at: datetime = Field(description="the bucket's beginning")
    channel: str
    succeeded: int
    ended: int = Field(description="all that ended, the succeeded ones among them")


class ChannelFigures(Frozen):
    """One channel over the whole window.

    The durations are from handing an attempt to the channel to knowing that it was paid. Each is a
    bound that so many attempts kept to; money that was held first has none.
    """

    channel: str
    succeeded: int
    ended: int = Field(description="all that ended, the succeeded ones among them")
    not_sent: int = Field(description="never reached the channel; not among the ended ones")
    timed: int = Field(description="how many successes the durations come from")
    p50_seconds: float | None = Field(description="half of them took at most this long")
    p90_seconds: float | None = Field(description="nine in ten took at most this long")
    p99_seconds: float | None = Field(description="99 in 100 took at most this long")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def success_bps(self) -> int | None:
        """The share that succeeded in basis points, rounded down; null when nothing ended."""
        return self.succeeded * 10_000 // self.ended if self.ended else None


class Waiting(Frozen):
    """How many of a kind wait, and for how long."""

    count: int
    at_least: bool = Field(description="there are more than were counted")
    oldest_at: datetime | None


class OpenDiscrepancies(Frozen):
    """What is not resolved, by days since its own day."""

    days_0_1: int
    days_2_3: int
    days_4_7: int
    older: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        return self.days_0_1 + self.days_2_3 + self.days_4_7 + self.older


class MissingDays(Frozen):
    """Days of channel accounts that are over and have no good reconciliation."""

    not_run: int
    failed: int
    oldest_on: date | None


class WaitsNow(Frozen):
    """What is open at this moment, whatever the window."""

    unknown: Waiting = Field(description="attempts whose outcome the channel has not told")
    review: Waiting = Field(description="payments a person has to look at")
    late_money: Waiting = Field(
        description="payments that had ended when their money came: somebody has to say what now"
    )
    overdue: Waiting = Field(description="payments still open well after they expired")
    undelivered: Waiting = Field(description="notifications that were due and not delivered")
    parked_callbacks: Waiting = Field(description="callbacks that fit no payment")
    refund_approvals: Waiting = Field(description="refunds that wait for a second person")
    repair_approvals: Waiting = Field(description="repairs that wait for a second person")
    discrepancies: OpenDiscrepancies
    days_missing: MissingDays


class WindowFigures(Frozen):
    """What ended in a window."""

    volume: tuple[Volume, ...]
    outcomes: tuple[Outcomes, ...]
    channels: tuple[ChannelFigures, ...]


class Statistics(WindowFigures):
    """The window's figures and what waits now."""

    object: Literal["statistics"] = "statistics"
    as_of: datetime
    since: datetime
    until: datetime
    bucket: BucketSize
    now: WaitsNow
