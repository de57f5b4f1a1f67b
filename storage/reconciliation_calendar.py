"""A month of every channel account's days, in one statement."""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import ChannelAccountStatus
from models.reconciliation_calendar import CalendarAccount, CalendarDay, DayState

_MONTH = text("""
SELECT account.id, account.channel, account.status, account.created_at, account.merchant_id,
       merchant.name AS merchant_name,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'day', business_day, 'id', id, 'status', status,
            'unresolved', CASE WHEN status = 'discrepancies' OR status = 'failed' THEN (
                SELECT count(*) FROM discrepancy
                WHERE discrepancy.reconciliation_id = reconciliation.id
                  AND discrepancy.status <> 'resolved') ELSE 0 END)), '[]')
        FROM reconciliation
        WHERE reconciliation.account_id = account.id
          AND business_day BETWEEN :first AND :last) AS days
FROM (
    SELECT * FROM channel_account
    WHERE channel = ANY(CAST(:channels AS text[]))
      AND (CAST(:account_id AS text) IS NULL OR id = :account_id)
      AND (CAST(:after AS text) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit
) AS account
JOIN merchant ON merchant.id = account.merchant_id
ORDER BY account.id
""")


async def month_of_accounts(  # noqa: PLR0913  # one filter each
    connection: AsyncConnection,
    month: date,
    *,
    timezones: Mapping[str, str],
    account_id: str | None,
    now: datetime,
    limit: int,
    after: str | None,
) -> tuple[CalendarAccount, ...]:
    """The days of the month that begins on `month`; `timezones` has the channels' clocks."""
    last = month.replace(day=monthrange(month.year, month.month)[1])
    values = {
        "first": month,
        "last": last,
        "channels": list(timezones),
        "account_id": account_id,
        "after": after,
        "limit": limit,
    }
    rows = (await connection.execute(_MONTH, values)).mappings()
    return tuple(_account(row, month, last, timezones[row["channel"]], now) for row in rows)


def _account(
    row: Mapping[Any, Any], first: date, last: date, timezone: str, now: datetime
) -> CalendarAccount:
    zone = ZoneInfo(timezone)
    there_from = row["created_at"].astimezone(zone).date()
    today = now.astimezone(zone).date()
    known = {date.fromisoformat(day["day"]): day for day in row["days"]}
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return CalendarAccount(
        account_id=row["id"],
        merchant_id=row["merchant_id"],
        merchant_name=row["merchant_name"],
        channel=row["channel"],
        status=ChannelAccountStatus(row["status"]),
        timezone=timezone,
        days=tuple(_day(day, known.get(day), there_from, today) for day in days),
    )


def _day(day: date, known: Mapping[str, Any] | None, there_from: date, today: date) -> CalendarDay:
    if known is not None:
        return CalendarDay(
            business_day=day,
            state=DayState(known["status"]),
            reconciliation_id=known["id"],
            unresolved=known["unresolved"],
        )
    if day >= today:
        return CalendarDay(business_day=day, state=DayState.NOT_OVER)
    there = day >= there_from
    return CalendarDay(business_day=day, state=DayState.NOT_RUN if there else DayState.NO_ACCOUNT)
