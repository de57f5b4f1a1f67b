"""The time, where nobody hands us another."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
