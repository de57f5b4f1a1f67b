"""Reading the content of a request, one parameter at a time."""

import re
from datetime import timedelta

from models.money import Money

Content = dict[str, object]

_AMOUNT_MAX_MINOR = 100_000_000_00  # 100 000 000.00 yuan. Source: "total_amount", 2026-11-20
_SPAN = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SPAN_MAX = timedelta(days=15)  # 1m to 15d. Source: "timeout_express", 2026-11-20


class InvalidContent(Exception):
    """A parameter of the method is missing or wrong; the text names it."""


def text_of(content: Content, name: str) -> str:
    """A parameter that has to be there. Raises InvalidContent."""
    value = content.get(name)
    if isinstance(value, (str, int)) and str(value):
        return str(value)
    raise InvalidContent(name)


def amount_of(content: Content, name: str) -> int:
    """An amount in yuan, more than nothing, in fen. Raises InvalidContent."""
    try:
        amount = Money.from_decimal_text(text_of(content, name), "CNY").amount_minor
    except ValueError:
        raise InvalidContent(name) from None
    if not 0 < amount <= _AMOUNT_MAX_MINOR:
        raise InvalidContent(name)
    return amount


def span_of(text: str, name: str) -> timedelta:
    """A span such as `90m`, `2h` or `15d`. Raises InvalidContent."""
    parts = _SPAN.fullmatch(text)
    if parts is None:
        raise InvalidContent(name)
    span = timedelta(**{_UNITS[parts[2]]: int(parts[1])})
    if not timedelta(0) < span <= _SPAN_MAX:
        raise InvalidContent(name)
    return span
