"""Field types of request bodies: strict, bounded, and never a card number."""

import ipaddress
import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.cards import holds_card_number, is_card_number
from models.ids import suffix_of
from models.money import AMOUNT_MAX_MINOR, exponent_of

URL_MAX = 2048
# What belongs to a payment adds two digits or more to the ULID of the payment.
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}[0-9]{0,4}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")
_VISIBLE_ASCII = re.compile(r"[!-~]+")
# Wallets' payment codes: 10-15 WeChat Pay, 25-30 Alipay (their manuals, "auth_code"). No card
# begins like the first; for the second the lengths of cards are refused by the scheme's own range.
# And the token that Stripe's card form makes in the payer's browser.
_PAYER_CODE = re.compile(r"(?:1[0-5]|2[5-9]|30)[0-9]{14,22}|pm_[A-Za-z0-9_]{5,120}")


class Body(BaseModel):
    """A request body: unknown fields are refused and nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Nothing(Body):
    """A body for requests that need none: leave it out, or send `{}`."""


def is_id(prefix: str, value: str) -> bool:
    """Whether `value` could be an id of ours (`pay_` and a ULID)."""
    return value.startswith(f"{prefix}_") and _ULID.fullmatch(suffix_of(value)) is not None


def _no_control(text: str) -> str:
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise PydanticCustomError("control-character", "control characters are not accepted")
    if not text.strip():
        raise PydanticCustomError("blank", "this must say something")
    return text


def _no_card_number(text: str) -> str:
    if holds_card_number(text):
        raise PydanticCustomError("pan-not-accepted", "this looks like a card number")
    return text


def visible_ascii(text: str) -> str:
    if not _VISIBLE_ASCII.fullmatch(text):
        raise PydanticCustomError(
            "characters", "use visible ASCII characters, without spaces or control characters"
        )
    return text


def no_card_identifier(text: str) -> str:
    if is_card_number(text):
        raise PydanticCustomError(
            "pan-not-accepted", "this looks like a card number; put a letter in front"
        )
    return text


def _payer_code(text: str) -> str:
    if not _PAYER_CODE.fullmatch(text) or (text.startswith("pm_") and holds_card_number(text)):
        raise PydanticCustomError(
            "payer-code", "this is not a code of a payer's wallet or card form"
        )
    return text


def _currency(code: str) -> str:
    try:
        exponent_of(code)
    except ValueError:
        raise PydanticCustomError("currency-unsupported", "not an ISO 4217 code we know") from None
    return code


def _web_address(text: str) -> str:
    visible_ascii(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise PydanticCustomError("url", "this is not a web address") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise PydanticCustomError("url", "use http:// or https:// and a host name")
    if parts.username is not None or parts.password is not None or "\\" in text:
        raise PydanticCustomError("url", "names and passwords do not belong in an address")
    return text


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    problem = PydanticCustomError("instant", "write an instant like 2026-01-31T09:00:00Z")
    if not isinstance(value, str):
        raise problem
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise problem
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise problem from None


def _day(value: Any) -> date:
    problem = PydanticCustomError("day", "write a day like 2026-01-31")
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise problem
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise problem from None


Amount = Annotated[
    int,
    Field(
        gt=0, le=AMOUNT_MAX_MINOR, strict=True, examples=[1999], description="in minor units (fen)"
    ),
]
Currency = Annotated[
    str, Field(min_length=3, max_length=8, examples=["CNY"]), AfterValidator(_currency)
]
OrderNumber = Annotated[
    str,
    Field(min_length=1, max_length=64, examples=["A-2026-0001"]),
    AfterValidator(visible_ascii),
    AfterValidator(no_card_identifier),
]
Identifier = Annotated[
    str,
    Field(min_length=1, max_length=64),
    AfterValidator(visible_ascii),
    AfterValidator(no_card_identifier),
]
FreeText = Annotated[
    str, Field(min_length=1), AfterValidator(_no_control), AfterValidator(_no_card_number)
]
WebAddress = Annotated[str, Field(min_length=8, max_length=URL_MAX), AfterValidator(_web_address)]
PayerCode = Annotated[str, Field(min_length=8, max_length=128), AfterValidator(_payer_code)]
Instant = Annotated[
    datetime, BeforeValidator(_instant, json_schema_input_type=str), Field(strict=False)
]


BusinessDay = Annotated[
    date,
    BeforeValidator(_day, json_schema_input_type=str),
    Field(strict=False, examples=["2026-11-20"]),
]


def webhook_address_problem(url: str, *, allow_private: bool) -> str | None:
    """Why notifications may not go to `url` at all, or None. Names are resolved when sending."""
    if allow_private:
        return None
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.port not in (None, 443, 8443):
        return "use https on port 443 or 8443"
    if _is_address_literal(parts.hostname or ""):
        return "use a public host name"
    return None


def _is_address_literal(host: str) -> bool:
    # A last label that begins with a digit is some spelling of an address (0x7f.1, 2130706433).
    last = host.rstrip(".").rpartition(".")[2]
    if last in ("localhost", "internal", "local") or last[:1].isdigit() or not last:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
