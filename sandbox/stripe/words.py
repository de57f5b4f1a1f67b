"""Stripe's words: versions, errors, schedules, test payment methods, fees.

Source: Stripe API reference, "Testing", "Webhooks" and "Idempotent requests", API version
2023-08-16, read 2026-11-20.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

Shown = dict[str, Any]

API_VERSION: Final = "2023-08-16"
PROVIDER: Final = "stripe"
KNOWN_EVENTS: Final = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "payment_intent.amount_capturable_updated",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "charge.refunded",
    "refund.updated",
    "refund.failed",
    "checkout.session.completed",
    "checkout.session.expired",
)

# "Up to three days with an exponential back off"; the single pauses are ours.
NOTIFY_SCHEDULE: Final = (
    timedelta(0),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    *(timedelta(hours=10),) * 2,
    *(timedelta(hours=12),) * 3,
)
SETTLES_AFTER: Final = timedelta(minutes=5)  # Stripe says no more than "some time later"
AVAILABLE_AFTER: Final = timedelta(days=2)  # the usual T+2 of an account in the US

AMOUNT_MIN: Final = 50  # Stripe's minimum for USD, and of what it publishes no figure for
_AMOUNT_MINS: Final = {
    "aed": 200, "czk": 15_00, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 175_00, "mxn": 10_00,
    "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 10_00,
}  # fmt: skip
AMOUNT_MAX: Final = 99_999_999  # eight digits
_BPS: Final = 10_000
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TIME_DIGITS: Final = 9  # microseconds till the year 2398
_RANDOM_DIGITS: Final = 15
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Conduct(StrEnum):
    """What a test payment method does when it is charged."""

    SUCCEEDS = "succeeds"
    DECLINES = "declines"
    ASKS = "asks"
    ASKS_THEN_DECLINES = "asks_then_declines"
    PROCESSES = "processes"
    PROCESSES_THEN_FAILS = "processes_then_fails"


class RefundConduct(StrEnum):
    SUCCEEDS = "succeeds"
    FAILS_LATER = "fails_later"
    PENDS = "pends"


@dataclass(frozen=True, slots=True)
class Card:
    """A test payment method. `code` and `decline_code` are told when it declines."""

    last4: str
    conduct: Conduct = Conduct.SUCCEEDS
    code: str = "card_declined"
    decline_code: str | None = "generic_decline"
    message: str = "Your card was declined."
    refunds: RefundConduct = RefundConduct.SUCCEEDS
    brand: str = "visa"


CARDS: Final = {
    "pm_card_visa": Card("4242"),
    "pm_card_mastercard": Card("4444", brand="mastercard"),
    "pm_card_chargeDeclined": Card("0002", Conduct.DECLINES),
    "pm_card_chargeDeclinedInsufficientFunds": Card(
        *("9995", Conduct.DECLINES, "card_declined", "insufficient_funds"),
        message="Your card has insufficient funds.",
    ),
    "pm_card_chargeDeclinedExpiredCard": Card(
        *("0069", Conduct.DECLINES, "expired_card", None), message="Your card has expired."
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        *("0127", Conduct.DECLINES, "incorrect_cvc", None),
        message="Your card's security code is incorrect.",
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        *("0119", Conduct.DECLINES, "processing_error", None),
        message="An error occurred while processing your card. Try again in a little bit.",
    ),
    "pm_card_authenticationRequired": Card("3184", Conduct.ASKS),
    "pm_card_threeDSecure2Required": Card("3220", Conduct.ASKS),
    "pm_card_threeDSecureRequiredChargeDeclined": Card("1629", Conduct.ASKS_THEN_DECLINES),
    "pm_card_refundFail": Card("5126", refunds=RefundConduct.FAILS_LATER),
    "pm_card_pendingRefund": Card("7726", refunds=RefundConduct.PENDS),
    "pm_sandbox_processing": Card("0101", Conduct.PROCESSES),
    "pm_sandbox_processingFails": Card("0102", Conduct.PROCESSES_THEN_FAILS),
}


@dataclass(eq=False)
class Problem(Exception):
    """A request that is answered with an error object. `saved`: under its idempotency key too.

    A request that is refused for its parameters alone never began, so nothing is saved of it.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    more: Shown = field(default_factory=dict)
    saved: bool = True

    def body(self) -> Shown:
        error: Shown = {}
        if self.code is not None:
            address = self.code.replace("_", "-")
            error |= {
                "code": self.code,
                "doc_url": f"https://stripe.com/docs/error-codes/{address}",
            }
        error["message"] = self.message
        if self.param is not None:
            error["param"] = self.param
        return {"error": error | self.more | {"type": self.type}}


def invalid(param: str, message: str, code: str | None = None) -> Problem:
    """A parameter that makes no sense."""
    return Problem(400, message, code=code, param=param, saved=False)


def missing(what: str, object_id: str, param: str) -> Problem:
    """An object that is not there (or is another account's)."""
    status = 404 if param in {"intent", "id"} else 400
    return Problem(status, f"No such {what}: '{object_id}'", code="resource_missing", param=param)


def amount_min(currency: str) -> int:
    """What Stripe asks for at least. Source: docs.stripe.com/currencies, read 2026-11-21."""
    return _AMOUNT_MINS.get(currency, AMOUNT_MIN)


def fee_of(amount: int, *, fee_bps: int, fee_fixed: int) -> int:
    """The fee for a captured charge: the share rounded half-up to a minor unit, plus the rest."""
    return (amount * fee_bps + _BPS // 2) // _BPS + fee_fixed


class Ids:
    """Makes ids that sort by time within a prefix, each greater than the last."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0

    def new(self, prefix: str) -> str:
        self._last = max((self._now() - _EPOCH) // timedelta(microseconds=1), self._last + 1)
        return f"{prefix}_{_spell(self._last)}{random_text(_RANDOM_DIGITS)}"


def random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _spell(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits.rjust(_TIME_DIGITS, _ALPHABET[0])
