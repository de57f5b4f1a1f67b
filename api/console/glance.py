"""What the start page says: figures of `/v1/statistics` as numbers, messages and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from api.console.charts import Bucketing, duration_words, in_units, rate_words
from api.console.finance_words import age_words

_CURRENCIES_DRAWN = 3


@dataclass(frozen=True)
class Tile:
    """Something that waits: how much of it, since when, and where to go."""

    title: str
    number: str
    since: str
    href: str
    tone: str

    @property
    def is_waiting(self) -> bool:
        return self.tone != "good"


@dataclass(frozen=True)
class Picture:
    """A chart with what it says, for who does not see it, and its numbers as a table."""

    name: str
    title: str
    query: str
    message: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Glance:
    """One look at the figures."""

    told: Mapping[str, Any]

    @property
    def as_of(self) -> datetime:
        return datetime.fromisoformat(self.told["as_of"])

    @property
    def bucketing(self) -> Bucketing:
        return Bucketing(
            since=datetime.fromisoformat(self.told["since"]),
            until=datetime.fromisoformat(self.told["until"]),
            is_daily=self.told["bucket"] == "day",
        )

    @property
    def is_empty(self) -> bool:
        return not self.told["channels"]

    @property
    def currencies(self) -> tuple[str, ...]:
        """Those with the most payments first."""
        counts: dict[str, int] = {}
        for one in self.told["volume"]:
            counts[one["currency"]] = counts.get(one["currency"], 0) + one["count"]
        return tuple(sorted(counts, key=lambda currency: (-counts[currency], currency)))

    @property
    def succeeded(self) -> int:
        return sum(int(one["succeeded"]) for one in self.told["channels"])

    @property
    def ended(self) -> int:
        return sum(int(one["ended"]) for one in self.told["channels"])

    def total(self, currency: str) -> tuple[int, int]:
        """How many payments, and how much."""
        mine = [one for one in self.told["volume"] if one["currency"] == currency]
        return sum(one["count"] for one in mine), sum(one["amount"] for one in mine)

    def volume(self, currency: str) -> tuple[tuple[int, int], ...]:
        """Count and amount of every bucket, also of those with nothing."""
        found = {
            datetime.fromisoformat(one["at"]): (one["count"], one["amount"])
            for one in self.told["volume"]
            if one["currency"] == currency
        }
        return tuple(found.get(instant, (0, 0)) for instant in self.bucketing.instants)

    def channels(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(
            (one["channel"], one["succeeded"], one["ended"]) for one in self.told["channels"]
        )

    def durations(self) -> tuple[tuple[str, tuple[float | None, ...]], ...]:
        return tuple(
            (one["channel"], tuple(one[f"p{percent}_seconds"] for percent in (50, 90, 99)))
            for one in self.told["channels"]
            if one["timed"]
        )

    def rates(self) -> tuple[tuple[str, tuple[float | None, ...]], ...]:
        """The success rate of every bucket; None where nothing ended."""
        found: dict[str, dict[datetime, float]] = {}
        for one in self.told["outcomes"]:
            of_channel = found.setdefault(one["channel"], {})
            of_channel[datetime.fromisoformat(one["at"])] = 100 * one["succeeded"] / one["ended"]
        return tuple(
            (channel, tuple(rates.get(instant) for instant in self.bucketing.instants))
            for channel, rates in found.items()
        )

    def ageing(self) -> tuple[tuple[str, int], ...]:
        found = self.told["now"]["discrepancies"]
        return tuple((name, found[key]) for key, name, _ in AGES)


AGES = (
    ("days_0_1", "0–1 days", "0-1"),
    ("days_2_3", "2–3 days", "2-3"),
    ("days_4_7", "4–7 days", "4-7"),
    ("older", "older", "older"),
)

# What waits, where it is worked on, and whether it is bad by itself.
_QUEUES = (
    ("unknown", "Outcome unknown", "/console/queues?queue=unknown", "bad"),
    ("review", "In review", "/console/queues?queue=review", "warn"),
    ("late_money", "Late money to decide on", "/console/queues?queue=late", "warn"),
    ("overdue", "Open too long", "/console/payments?status=requires_action", "warn"),
    ("undelivered", "Not delivered to apps", "/console/notifications", "warn"),
    ("parked_callbacks", "Parked callbacks", "/console/queues?queue=parked", "warn"),
    ("refund_approvals", "Refunds to approve", "/console/approvals#refunds", "warn"),
    ("repair_approvals", "Repairs to approve", "/console/approvals#repairs", "warn"),
)


def tiles(glance: Glance) -> tuple[Tile, ...]:
    """Everything that may wait, in the order in which it hurts."""
    now = glance.told["now"]
    return (
        *(
            _queue_tile(now[name], title, href, tone, glance.as_of)
            for name, title, href, tone in _QUEUES
        ),
        _discrepancies_tile(now["discrepancies"]),
        _days_tile(now["days_missing"], glance.as_of.date()),
    )


def _queue_tile(
    waiting: Mapping[str, Any], title: str, href: str, tone: str, now: datetime
) -> Tile:
    count, at_least = waiting["count"], waiting["at_least"]
    since = ""
    if waiting["oldest_at"]:
        oldest = datetime.fromisoformat(waiting["oldest_at"])
        since = f"oldest: {age_words((now - oldest).total_seconds())}"
    number = f"{count:,}+" if at_least and count else f"{count:,}"
    return Tile(title, number, since, href, tone if count else "good")


def _discrepancies_tile(open_: Mapping[str, Any]) -> Tile:
    oldest = next((name for key, name, _ in reversed(AGES) if open_[key]), "")
    return Tile(
        "Discrepancies open",
        f"{open_['count']:,}",
        f"oldest: {oldest}" if oldest else "",
        "/console/discrepancies?age=any",
        ("bad" if open_["older"] else "warn") if open_["count"] else "good",
    )


def _days_tile(missing: Mapping[str, Any], today: date) -> Tile:
    count = missing["not_run"] + missing["failed"]
    since = ""
    if missing["oldest_on"]:
        age = (today - date.fromisoformat(missing["oldest_on"])).days
        since = f"oldest: {missing['oldest_on']}, {age} days ago"
    href = "/console/reconciliation"
    return Tile("Days not reconciled", f"{count:,}", since, href, "warn" if count else "good")


# ---- pictures ---------------------------------------------------------------------------------


def pictures(glance: Glance, window: str) -> tuple[Picture, ...]:
    """The charts that have something to show, each with its message and its numbers."""
    found: list[Picture] = [
        _volume(glance, currency, window) for currency in glance.currencies[:_CURRENCIES_DRAWN]
    ]
    if glance.ended:
        found += [_success(glance, window), _trend(glance, window)]
    if glance.durations():
        found.append(_durations(glance, window))
    if glance.told["now"]["discrepancies"]["count"]:
        found.append(_ageing(glance, window))
    return tuple(found)


def amount_words(minor: int, currency: str) -> str:
    return f"{in_units(minor, currency):,} {currency}"


def _volume(glance: Glance, currency: str, window: str) -> Picture:
    count, minor = glance.total(currency)
    labels, buckets = glance.bucketing.labels, glance.volume(currency)
    most = max(range(len(buckets)), key=lambda number: buckets[number][1])
    message = (
        f"{amount_words(minor, currency)} came in with {count:,} payments; the most, "
        f"{amount_words(buckets[most][1], currency)}, at {labels[most]}."
    )
    return Picture(
        "volume",
        f"Volume, {currency}",
        f"?window={window}&currency={currency}",
        message,
        ("UTC", "Payments", currency),
        tuple(
            (label, f"{number:,}", f"{in_units(amount, currency):,}")
            for label, (number, amount) in zip(labels, buckets, strict=True)
            if number
        ),
    )


def _success(glance: Glance, window: str) -> Picture:
    words = [f"{name}: {rate_words(good, all_)}" for name, good, all_ in glance.channels()]
    return Picture(
        "success",
        "Success rate by channel",
        f"?window={window}",
        "Of the attempts that ended, these succeeded. " + "; ".join(words) + ".",
        ("Channel", "Succeeded", "Ended", "Rate"),
        tuple(
            (name, f"{good:,}", f"{all_:,}", rate_words(good, all_).partition(" (")[0])
            for name, good, all_ in glance.channels()
        ),
    )


def _trend(glance: Glance, window: str) -> Picture:
    words = []
    for name, rates in glance.rates():
        known = [rate for rate in rates if rate is not None]
        words.append(f"{name} between {min(known):.0f} % and {max(known):.0f} %")
    return Picture(
        "trend",
        "Success rate over time",
        f"?window={window}",
        f"Success rate by {'day' if glance.bucketing.is_daily else 'hour'}: {'; '.join(words)}.",
        ("UTC", "Channel", "Succeeded", "Ended"),
        tuple(
            (
                glance.bucketing.label(datetime.fromisoformat(one["at"])),
                one["channel"],
                f"{one['succeeded']:,}",
                f"{one['ended']:,}",
            )
            for one in glance.told["outcomes"]
        ),
    )


def _durations(glance: Glance, window: str) -> Picture:
    words = [
        f"{name}: half within {duration_words(half)}, 9 in 10 within {duration_words(most)}"
        for name, (half, most, _) in glance.durations()
    ]
    return Picture(
        "time",
        "Time to success",
        f"?window={window}",
        "From handing a payment to its channel to knowing that it is paid. "
        + "; ".join(words)
        + ".",
        ("Channel", "Half within", "9 in 10 within", "99 in 100 within"),
        tuple((name, *map(duration_words, bounds)) for name, bounds in glance.durations()),
    )


def _ageing(glance: Glance, window: str) -> Picture:
    parts = [f"{count:,} of {name}" for name, count in glance.ageing() if count]
    return Picture(
        "ageing",
        "Open discrepancies by age",
        f"?window={window}",
        f"{glance.told['now']['discrepancies']['count']:,} are open: {_and(parts)}.",
        ("Age", "Open"),
        tuple((name, f"{count:,}") for name, count in glance.ageing()),
    )


def _and(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
