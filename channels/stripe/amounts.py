"""Which currencies cards are charged in, and how Stripe writes an amount of each.

Source: docs.stripe.com/currencies (presentment currencies, zero-decimal and three-decimal ones,
special cases, minimum amounts) and the `amount` field of POST /v1/payment_intents in the API
description of 2023-08-16; read 2026-11-20.

Left out on purpose: BGN, which ended with 2025; MGA, which ISO 4217 writes with two digits and
Stripe with none; and UGX, whose rule Stripe has changed.
"""

from fractions import Fraction

from models.money import Money

_TWO_DIGITS = """
    AED AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR MXN MYR NOK NZD PEN PHP PLN
    QAR RON SAR SEK SGD THB TRY TWD USD ZAR"""
_NO_DIGITS = "CLP JPY KRW PYG RWF VND XAF XOF XPF"
# The last digit has to be 0: card networks carry two digits only.
_THREE_DIGITS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# ISO 4217 gives it no digits; Stripe still wants it with two, always 00.
_HUNDREDFOLD = frozenset({"ISK"})

CURRENCIES = (
    frozenset(_TWO_DIGITS.split()) | frozenset(_NO_DIGITS.split()) | _THREE_DIGITS | {"ISK"}
)

# Eight digits as Stripe writes the amount.
AMOUNT_MAX = 99_999_999

# What Stripe asks for at least, where it publishes a figure; elsewhere it converts 0.50 USD at the
# day's rate, and refuses by itself.
_MINIMUM = {
    "AED": 200, "AUD": 50, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 15_00, "DKK": 250,
    "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 175_00, "INR": 50, "JPY": 50, "MXN": 10_00,
    "MYR": 200, "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 10_00,
    "USD": 50,
}  # fmt: skip

# The range a router may think in: the smallest minimum of all, the largest amount of all.
SMALLEST_MINOR = 30

_STEP = 10
_HUNDRED = 100


def obstacle_to(money: Money) -> str | None:
    """Why Stripe cannot be asked for `money`; None when it can."""
    reason = unwritable(money)
    if reason is not None:
        return reason
    minimum = _MINIMUM.get(money.currency, 1)
    if money.amount_minor < minimum or stripe_amount(money) > AMOUNT_MAX:
        return f"{money} is outside what Stripe takes in {money.currency}"
    return None


def unwritable(money: Money) -> str | None:
    """Why `money` cannot be named to Stripe at all; None when it can."""
    if money.currency not in CURRENCIES:
        return f"Stripe does not take {money.currency} here"
    if money.currency in _THREE_DIGITS and money.amount_minor % _STEP:
        return f"Stripe takes {money.currency} in steps of 0.010, not {money}"
    return None


def stripe_amount(money: Money) -> int:
    """`money` in the unit Stripe counts its currency in."""
    return money.amount_minor * (_HUNDRED if money.currency in _HUNDREDFOLD else 1)


def money_of(amount: int, currency: str) -> Money:
    """What Stripe means by `amount` of `currency` (in its lower case).

    Raises ValueError for a currency we do not know or an amount it cannot have.
    """
    code = currency.upper()
    if code not in CURRENCIES:
        raise ValueError(f"{currency[:8]!r} is no currency we take through Stripe")
    if code not in _HUNDREDFOLD:
        return Money(amount_minor=amount, currency=code)
    if amount % _HUNDRED:
        raise ValueError(f"{amount} is no whole amount of {code}")
    return Money(amount_minor=amount // _HUNDRED, currency=code)


def minor_of(amount: int, currency: str) -> int:
    """`amount` as Stripe writes it, with its sign, in minor units of `currency` (in lower case).

    For what is not exactly a price: a fee in the hundredfold currency is rounded, half to even. A
    currency we do not take is left as Stripe writes it: what is in it is not ours anyway.
    """
    if currency.upper() in _HUNDREDFOLD:
        return round(Fraction(amount, _HUNDRED))
    return amount
