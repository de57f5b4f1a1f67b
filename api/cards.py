"""Card numbers: how to tell one, so that none gets in."""

import re
import unicodedata

_DIGITS_MIN, _DIGITS_MAX = 13, 19
_RUN = re.compile(r"(?<!\d)\d(?:[ .\-/]?\d){12,18}(?!\d)")

# Lengths issued under the big schemes' first digits; order numbers are often long numbers too, and
# one in ten of those passes the Luhn check.
_ISSUED = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|62\d{14,17}|6(?:011|5\d\d)\d{12}"
    r"|3[47]\d{13}|35\d{14}"
)


def holds_card_number(text: str) -> bool:
    """Whether free text holds 13 to 19 digits that pass the Luhn check, grouped or not."""
    plain = unicodedata.normalize("NFKC", text)
    return any(_passes_luhn(re.sub(r"\D", "", match[0])) for match in _RUN.finditer(plain))


def is_card_number(identifier: str) -> bool:
    """Whether the whole of `identifier` is a number that a card scheme would issue."""
    return _ISSUED.fullmatch(identifier) is not None and _passes_luhn(identifier)


def _passes_luhn(digits: str) -> bool:
    if not _DIGITS_MIN <= len(digits) <= _DIGITS_MAX:
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[-1::-2]) + sum(doubled)) % 10 == 0
