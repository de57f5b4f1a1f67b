"""Money: whole minor units of one currency, never a float, never negative."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Self

from iso4217 import Currency
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

# Fits a PostgreSQL bigint and a number that JavaScript reads exactly (2**53), with room to sum.
AMOUNT_MAX_MINOR = 99_999_999_999_999

# Codes of assets that are no country's money (own coins) and the digits after their point.
OWN_COINS: dict[str, int] = {}

_EXPONENTS: dict[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
} | OWN_COINS


def exponent_of(currency: str) -> int:
    """Digits after the point of `currency` (CNY 2, JPY 0, KWD 3).

    Raises ValueError for a code that ISO 4217 does not list with an exponent.
    """
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r} is not a currency we know") from None


def _known_currency(code: str) -> str:
    exponent_of(code)
    return code


CurrencyCode = Annotated[
    str, Field(min_length=3, max_length=8, examples=["CNY"]), AfterValidator(_known_currency)
]
AmountMinor = Annotated[int, Field(ge=0, le=AMOUNT_MAX_MINOR, strict=True)]


class Money(BaseModel):
    """An amount of one currency in its minor unit (1999 CNY is 19.99 yuan)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_minor: AmountMinor
    currency: CurrencyCode

    def share_bps(self, rate_bps: int) -> Self:
        """The part of this amount at `rate_bps` basis points, rounded half-even to a minor unit."""
        part = Decimal(self.amount_minor) * Decimal(rate_bps) / Decimal(10_000)
        return self._of(int(part.to_integral_value(ROUND_HALF_EVEN)))

    def minus(self, other: "Money") -> Self:
        """What is left after taking `other`; ValueError on a different currency or below zero."""
        if other.currency != self.currency:
            raise ValueError(f"{other.currency} cannot be taken from {self.currency}")
        return self._of(self.amount_minor - other.amount_minor)

    def to_decimal(self) -> Decimal:
        """The amount in whole units, exactly (1999 CNY is Decimal('19.99'))."""
        return Decimal(self.amount_minor).scaleb(-exponent_of(self.currency))

    @classmethod
    def from_decimal_text(cls, text: str, currency: str) -> Self:
        """Read an amount a provider wrote in whole units ("19.99").

        Raises ValueError when the text is no plain decimal or has more digits than the currency.
        """
        scaled = _plain_decimal(text).scaleb(exponent_of(currency))
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{text!r} has more digits than {currency} allows")
        return cls(amount_minor=int(scaled), currency=currency)

    def _of(self, amount_minor: int) -> Self:
        return type(self)(amount_minor=amount_minor, currency=self.currency)

    def __str__(self) -> str:
        return f"{self.to_decimal():f} {self.currency}"


def _plain_decimal(text: str) -> Decimal:
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not whole or not digits.isascii() or not digits.isdigit() or text.endswith("."):
        raise ValueError(f"{text!r} is not a plain decimal amount")
    return Decimal(text)
