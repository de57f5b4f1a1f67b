"""How old an unresolved discrepancy is, in the classes that the ageing report has."""

from datetime import date, timedelta
from enum import StrEnum


class AgeClass(StrEnum):
    """Days since a discrepancy's own day. ANY is everything that is not resolved."""

    ANY = "any"
    DAYS_0_1 = "0-1"
    DAYS_2_3 = "2-3"
    DAYS_4_7 = "4-7"
    OLDER = "older"


_DAYS = {
    AgeClass.DAYS_0_1: (-1, 1),  # a channel's day may be ahead of ours
    AgeClass.DAYS_2_3: (2, 3),
    AgeClass.DAYS_4_7: (4, 7),
}


def days_of(age: AgeClass, *, today: date) -> tuple[date, date]:
    """The business days of an age class, the first and the last."""
    if age is AgeClass.ANY:
        return date.min, date.max
    if age is AgeClass.OLDER:
        return date.min, today - timedelta(days=8)
    youngest, oldest = _DAYS[age]
    return today - timedelta(days=oldest), today - timedelta(days=youngest)
