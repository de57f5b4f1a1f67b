"""Codes that payers show at a till, and what each of them does."""

import re
from typing import Final

_CODE = re.compile(r"(2[5-9]|30)\d{14,22}")

# By its first four digits; every other good code pays, or agrees, at once.
WAITS: Final = "2801"
NO_MONEY: Final = "2802"
_INVALID: Final = "2803"
DONE_BUT_UNSURE: Final = "2804"


def is_good(code: str) -> bool:
    """Whether Alipay knows the code."""
    return _CODE.fullmatch(code) is not None and not code.startswith(_INVALID)
