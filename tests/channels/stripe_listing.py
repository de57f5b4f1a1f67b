"""Stripe's lists of balance transactions, for tests, and the files that come of them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from channels.base import Account
from channels.stripe.adapter import StripeChannel
from models.errors import InvalidRequest
from models.reconciliation import StatementAvailability, StatementLine
from tests.channels.faulty_server import FaultyServer
from tests.channels.stripe_side import (
    INTENT_ID,
    REFUND_ID,
    REFUND_SERIAL,
    SERIAL,
    Json,
    an_account,
    page,
    says,
)

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
THE_NEXT_DAY = MIDNIGHT + timedelta(days=1, hours=1)
NOON = MIDNIGHT + timedelta(hours=12)


def posting(kind: str = "charge", amount: int = 19_99, fee: int = 88, **changes: object) -> Json:
    """A balance transaction, with the charge of 19.99 USD as its source."""
    return {
        "id": f"txn_{kind}",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": int(NOON.timestamp()) + 86_400,
        "created": int(NOON.timestamp()),
        "currency": "usd",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": charge(),
        "status": "pending",
        "type": kind,
        **changes,
    }


def charge(**changes: object) -> Json:
    return {
        "id": "ch_3Oexample",
        "object": "charge",
        "amount": 19_99,
        "amount_captured": 19_99,
        "billing_details": {"name": "Jane Example", "email": "jane@shop.example"},
        "currency": "usd",
        "livemode": False,
        "metadata": {"order": SERIAL, "payment": "pay_1"},
        "payment_intent": INTENT_ID,
        "payment_method_details": {"card": {"last4": "4242"}},
        **changes,
    }


def given_back(amount: int = 5_00, kind: str = "refund", **changes: object) -> Json:
    source = {
        "id": REFUND_ID,
        "object": "refund",
        "amount": amount,
        "currency": "usd",
        "metadata": {"order": SERIAL, "refund": REFUND_SERIAL},
        "payment_intent": INTENT_ID,
    }
    sign = 1 if kind == "refund_failure" else -1
    return posting(kind, sign * amount, 0, source={**source, **changes})


async def fetched(
    stripe: StripeChannel,
    into: Path,
    *,
    now: datetime = THE_NEXT_DAY,
    account: Account | None = None,
) -> StatementAvailability:
    return await stripe.fetch_statement(account or an_account(), DAY, into, now)


class Listing:
    """Lists some balance transactions and reads the file that comes of it."""

    def __init__(self, stripe: StripeChannel, gateway: FaultyServer, folder: Path) -> None:
        self.stripe = stripe
        self.gateway = gateway
        self.path = folder / "statement"

    async def write(self, *postings: Json) -> Path:
        self.gateway.behaviour = says(page(*postings))
        assert await fetched(self.stripe, self.path) is StatementAvailability.FETCHED
        return self.path

    async def lines(self, *postings: Json) -> list[StatementLine]:
        return self.read(await self.write(*postings))

    def read(self, path: Path) -> list[StatementLine]:
        return list(self.stripe.read_statement(an_account(), DAY, path).lines())

    async def refused(self, *postings: Json) -> str:
        return self.refusal(await self.write(*postings))

    def refusal(self, path: Path, account: Account | None = None, day: date = DAY) -> str:
        statement = self.stripe.read_statement(account or an_account(), day, path)
        with pytest.raises(InvalidRequest) as refused:
            list(statement.lines())
        with pytest.raises(RuntimeError):
            _ = statement.totals
        return refused.value.code
