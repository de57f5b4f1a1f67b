"""Stripe's side."""

from collections.abc import Mapping
from datetime import timedelta

from models.money import Money
from sandbox.stripe.words import KNOWN_EVENTS
from tests.contract.sides.base import Priced, Will
from tests.sandbox.process import Control

_CARDS = {
    Will.PAYS: "pm_card_visa",
    Will.WAITS: "pm_card_threeDSecure2Required",
    Will.REFUSES: "pm_card_chargeDeclined",
}


class StripeSide:
    price = Priced(Money(amount_minor=19_99, currency="USD"), 88)  # 2.9 % is 0.57971, and 0.30
    smallest = Money(amount_minor=30, currency="GBP")
    largest = Money(amount_minor=999_999_99, currency="USD")
    sends = frozenset({"stripe_card", "stripe_checkout"})
    stays_open = frozenset({"stripe_checkout"})
    refund_request = "refunds.create"
    capture_request = "payment_intents.capture"
    void_request = "payment_intents.cancel"

    async def open_account(self, control: Control, notify_url: str) -> dict[str, str]:
        # What an intent tells of a paid page, its session would tell once more.
        heard = [kind for kind in KNOWN_EVENTS if kind != "checkout.session.completed"]
        made = await control.post("/stripe/accounts", webhook_url=notify_url, enabled_events=heard)
        return {
            "secret_key": made["secret_key"],
            "publishable_key": made["publishable_key"],
            "webhook_secrets": made["webhook_secret"],
        }

    def strangers(self, parameters: Mapping[str, str]) -> dict[str, str]:
        return {**parameters, "secret_key": "sk_test_nobody_was_given_this_one"}

    def payer_code(self, method: str, will: Will) -> str:
        return _CARDS[will]

    async def end_the_day(self, control: Control) -> timedelta:
        """The list is there at any time; it is the adapter that waits for the day's end."""
        return timedelta(days=2)

    def without_a_line(self, statement: bytes) -> bytes:
        head, _, *rest = statement.splitlines(keepends=True)
        return b"".join([head, *rest])

    async def let_the_day_go_on(self, control: Control) -> None:
        """It never ended."""

    async def expire_hold(self, control: Control, serial: str) -> None:
        await control.post("/stripe/expire", id=serial)


SIDE = StripeSide()
