"""A channel account for tests of statements: its days, its rows, and truthful lines for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from models.channel import ChannelAccount
from models.errors import InvalidRequest
from models.ids import new_id
from models.money import Money
from models.payment import AttemptStatus, PaymentStatus, Settlement
from models.reconciliation import (
    DiscrepancyView,
    LineKind,
    MatchingRules,
    ReconciliationOrder,
    ReconciliationStatus,
    RunResult,
    StatementFacts,
    StatementLine,
    StatementSource,
)
from storage import payments, reconciliation
from storage.database import Database
from storage.discrepancies import list_discrepancies
from storage.statement_run import StatementRun, load_and_classify
from tests.factories import a_transition
from tests.storage.arrange import Shop, a_prepared_payment

DAY = date(2026, 3, 2)
# Noon and midnight in Shanghai, eight hours before UTC.
NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, 16, tzinfo=UTC)
LATER = datetime(2026, 3, 4, tzinfo=UTC)
_REFERENCES = count(1)


@dataclass
class Given:
    """A statement in memory; `fails` is what its reader finds out at the end."""

    rows: Sequence[StatementLine] = ()
    fails: InvalidRequest | None = None

    def lines(self) -> Iterator[StatementLine]:
        yield from self.rows
        if self.fails:
            raise self.fails


@dataclass
class Account:
    """One channel account with its days."""

    database: Database
    url: str
    shop: Shop
    orders: dict[date, ReconciliationOrder] = field(default_factory=dict)
    rules: MatchingRules = field(default_factory=lambda: MatchingRules(channel_fee_bps=60))

    @property
    def account(self) -> ChannelAccount:
        return self.shop.account

    async def paid(self, amount: int, at: datetime = NOON) -> StatementLine:
        """A payment in our books; given back is the line a truthful statement has for it."""
        order, attempt = await a_prepared_payment(
            self.database, self.shop, money=Money(amount_minor=amount, currency="CNY")
        )
        move = a_transition(
            order, PaymentStatus.SUCCEEDED, attempt_status=AttemptStatus.CHARGED, at=at
        )
        reference = f"ch{next(_REFERENCES)}"
        charged = attempt.model_copy(update={"channel_reference": reference})
        async with self.database.transaction("arrange") as connection:
            await payments.settle(
                connection,
                Settlement(order=order, attempt=charged, transition=move),
                ledger_transaction=None,
                notification=None,
            )
        return line(attempt.serial, amount, at, reference=reference)

    async def unpaid(self, amount: int) -> StatementLine:
        """A payment of ours that has no money, and the line that says it has."""
        _, attempt = await a_prepared_payment(
            self.database, self.shop, money=Money(amount_minor=amount, currency="CNY")
        )
        return line(attempt.serial, amount, NOON)

    async def run(self, rows: Sequence[StatementLine] | Given, day: date = DAY) -> RunResult:
        given = rows if isinstance(rows, Given) else Given(rows)
        order = await self.order(day)
        async with self.database.transaction("test") as connection:
            await reconciliation.begin_run(connection, order.reconciliation_id)
        facts = StatementFacts(source=StatementSource.FETCHED, sha256="f" * 64, bytes=1)
        run = StatementRun(order, facts, self.rules, given, LATER)
        return load_and_classify(self.url, run)

    async def order(self, day: date) -> ReconciliationOrder:
        order = ReconciliationOrder(
            reconciliation_id=new_id("rec"),
            account_id=self.account.id,
            app_id=self.account.app_id,
            channel=self.account.channel,
            business_day=day,
            timezone="Asia/Shanghai",
            requested_by="key_1",
        )
        async with self.database.transaction("test") as connection:
            recorded = await reconciliation.record_reconciliation(connection, order, now=LATER)
        self.orders[day] = recorded.order
        return recorded.order

    async def found(self, day: date = DAY) -> list[DiscrepancyView]:
        async with self.database.transaction("test") as connection:
            views, _ = await list_discrepancies(
                connection,
                app_id=None,
                reconciliation_id=self.orders[day].reconciliation_id,
                limit=1000,
                cursor=None,
            )
        return sorted(views, key=lambda view: (view.class_, view.serial))

    async def classes(self, day: date = DAY) -> list[tuple[str, str, str | None]]:
        return [(v.class_.value, v.status.value, v.resolution) for v in await self.found(day)]

    async def status(self, day: date = DAY) -> ReconciliationStatus:
        async with self.database.transaction("test") as connection:
            view = await reconciliation.read_reconciliation(
                connection, self.orders[day].reconciliation_id, app_id=None
            )
        assert view is not None
        return view.status


def line(serial: str, amount: int, at: datetime, **changes: Any) -> StatementLine:
    """A payment's line with the agreed fee of 60 basis points, to the minor unit."""
    fields: dict[str, Any] = {
        "kind": LineKind.PAYMENT,
        "serial": serial,
        "refund_serial": "",
        "channel_reference": changes.pop("reference", f"ch{next(_REFERENCES)}"),
        "amount_minor": amount,
        "fee_minor": round(amount * 60 / 10_000),
        "currency": "CNY",
        "occurred_at": at,
    }
    return StatementLine(**(fields | changes))
