"""Reading the content of a request, one parameter at a time."""

from models.money import Money

Content = dict[str, object]

_AMOUNT_MAX_MINOR = 100_000_000_00  # 100 000 000.00 yuan. Source: "total_amount", 2026-11-20


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
