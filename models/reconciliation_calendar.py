"""A month of days as finance looks at it: channel accounts by days, and where each day stands."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from models.channel import ChannelAccountStatus, Frozen


class DayState(StrEnum):
    """Where a day of a channel account stands, by the channel's own clock.

    NO_ACCOUNT: the account was not there yet. NOT_OVER: the day is not over, or has not begun.
    NOT_RUN: it is over, and nobody compared it. The others are those of its reconciliation.
    """

    NO_ACCOUNT = "no_account"
    NOT_OVER = "not_over"
    NOT_RUN = "not_run"
    RUNNING = "running"
    BALANCED = "balanced"
    DISCREPANCIES = "discrepancies"
    FAILED = "failed"
    SIGNED_OFF = "signed_off"


class CalendarDay(Frozen):
    business_day: date
    state: DayState
    reconciliation_id: str | None = None
    unresolved: int = Field(default=0, description="discrepancies that are not resolved")


class CalendarAccount(Frozen):
    """One channel account with a day for every day of the month."""

    account_id: str
    merchant_id: str
    merchant_name: str
    channel: str
    status: ChannelAccountStatus
    timezone: str
    days: tuple[CalendarDay, ...]


class ReconciliationCalendar(Frozen):
    """Accounts whose channels have statements, in the order in which they were made."""

    object: Literal["calendar"] = "calendar"
    month: str
    as_of: datetime
    items: tuple[CalendarAccount, ...]
    next_cursor: str | None
