"""What people type into filters and forms, as the API wants it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from api.console.calls import ApiRefused
from api.console.visit import Visit
from models.money import AMOUNT_MAX_MINOR, exponent_of

# Most of our currencies have two digits; who means another says which.
_USUAL_DIGITS = 2
_EMPTY: Mapping[str, Any] = {"items": (), "next_cursor": None}


@dataclass(frozen=True)
class Listed:
    """A page of a list; nothing and the reason where the API did not understand what was asked."""

    items: tuple[Mapping[str, Any], ...]
    next_cursor: str | None
    problem: Mapping[str, Any] | None = None

    @property
    def status_code(self) -> int:
        return 422 if self.problem else 200


async def listed(visit: Visit, path: str, **query: object) -> Listed:
    """A list of the API. What was typed and cannot be read is told in place."""
    problem: Mapping[str, Any] | None = None
    answer = _EMPTY
    try:
        answer = await visit.api.get(path, **query)
    except ApiRefused as refused:
        if refused.status != 422:  # noqa: PLR2004 - HTTP's own number
            raise
        problem = refused.problem
    return Listed(tuple(answer["items"]), answer["next_cursor"], problem)


def minor_of(text: str, currency: str = "") -> str:
    """`19.99` in minor units, for the API; what is no amount stays as it is, to be refused there.

    `text` may end in the currency: `1999 JPY`.
    """
    number, _, named = text.partition(" ")
    try:
        digits = exponent_of(named or currency) if named or currency else _USUAL_DIGITS
        minor = Decimal(number.replace(",", "")).scaleb(digits)
    except (InvalidOperation, ValueError):
        return text
    if minor != minor.to_integral_value() or not 0 < minor <= AMOUNT_MAX_MINOR:
        return text
    return str(int(minor))


def instant_of(day: str) -> str:
    """The beginning of a day in UTC; what is not a day stays as it is, to be refused by the API."""
    return f"{day}T00:00:00Z" if len(day) == len("2026-01-31") else day
