"""A house with one of everything in its books, all of it right: what a check is tried on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.first_delivery import FirstDelivery
from activities.ledger import LedgerActivities
from activities.refunds import RefundActivities
from activities.webhook import WebhookSender
from domain import lifecycle, refund_lifecycle
from domain.repair_postings import repair_transaction
from models import ids
from models.channel import Approved, CallbackFacts, Declined, Outcome
from models.money import Money
from models.payment import (
    Attempt,
    Evidence,
    EvidenceKind,
    LateSuccess,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
    Settlement,
    Transition,
)
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyView,
    LineKind,
    MatchingRules,
    ReconciliationOrder,
    RepairAction,
    RepairDecision,
    StatementFacts,
    StatementLine,
    StatementSource,
)
from models.refund import RefundMove, RefundOrder, RefundState, RefundTransition
from storage import callbacks, discrepancies, idempotency, payments, reconciliation
from storage.database import Database
from storage.statement_run import StatementRun, load_and_classify
from tests.factories import NOON, a_preparation, an_attempt, an_exchange, cny
from tests.storage.arrange import (
    VAULT,
    Shop,
    a_prepared_payment,
    a_refund,
    a_shop,
    an_order_on_disk,
)

ROUTE = "POST /v1/payments"


@dataclass(frozen=True)
class House:
    """Names of what is in the books.

    `paid` took 50.00 by callback; 20.00 of it went back, 5.00 is going, 1.00 was refused. `late`
    failed, then 7.00 came and goes back out of suspense. `open` waits, `other` is another app's and
    was paid twice. `discrepancy` is 9.99 that the channel has and we have not, put into suspense by
    two people.
    """

    shop: Shop
    paid: str
    paid_callback: str
    refunded: str
    going: str
    refused: str
    approved: str
    late: str
    late_refund: str
    open: str
    other: str
    surplus_refund: str
    discrepancy: str


class _Statement:
    """9.99 under a number that is not ours."""

    def lines(self) -> Iterator[StatementLine]:
        yield StatementLine(
            kind=LineKind.PAYMENT,
            serial="theirs",
            refund_serial="",
            channel_reference="ch-theirs",
            amount_minor=9_99,
            fee_minor=6,
            currency="CNY",
            occurred_at=NOON,
        )


class Builder:
    """Books things as the workers do."""

    def __init__(self, database: Database, url: str, sender: WebhookSender) -> None:
        self._database = database
        self._url = url
        first_delivery = FirstDelivery(database, VAULT, sender)
        self._ledger = LedgerActivities(database, first_delivery)
        self._refunds = RefundActivities(database, first_delivery)
        self._drain = first_delivery.drain

    async def build(self) -> House:
        shop = await a_shop(self._database, webhook_url=None, refund_approval_above_minor=10_00)
        paid, attempt, callback = await self._paid(shop, cny(50_00))
        refunded = await self._refunded(paid, cny(4_00), self._given_back())
        going = await self._refunded(paid, cny(5_00))
        refused = await self._refunded(paid, cny(1_00), Declined(code="no", detail="no"))
        approved = await self._refunded(paid, cny(16_00), decided_by="key_of_finance")
        late, late_refund = await self._late(shop, cny(7_00))
        waiting = await self._open(shop)
        other = await a_shop(self._database, webhook_url=None)
        others, _, _ = await self._paid(other, cny(3_00))
        surplus_refund = await self._paid_twice(other, others)
        await self._answered(paid)
        await self._called(paid, attempt.serial)
        await self._drain()
        return House(
            shop=shop,
            paid=paid.payment_id,
            paid_callback=callback,
            refunded=refunded.refund_id,
            going=going.refund_id,
            refused=refused.refund_id,
            approved=approved.refund_id,
            late=late,
            late_refund=late_refund,
            open=waiting.payment_id,
            other=others.payment_id,
            surplus_refund=surplus_refund,
            discrepancy=await self._reconciled(shop),
        )

    async def _paid(self, shop: Shop, money: Money) -> tuple[PaymentOrder, Attempt, str]:
        order, attempt = await a_prepared_payment(self._database, shop, money=money)
        callback_id = await self._callback(shop, attempt, money)
        outcome = Approved(channel_reference=f"ch-{attempt.serial}", money=money)
        after = lifecycle.answered(lifecycle.created(), outcome)
        evidence = Evidence(kind=EvidenceKind.CALLBACK, reference=callback_id)
        await self._ledger.settle(_settlement(order, attempt, after, evidence, (callback_id,)))
        return order, attempt, callback_id

    async def _late(self, shop: Shop, money: Money) -> tuple[str, str]:
        order, attempt = await a_prepared_payment(self._database, shop, money=money)
        failed = lifecycle.answered(lifecycle.created(), Declined(code="closed", detail="closed"))
        await self._ledger.settle(
            _settlement(order, attempt, failed, Evidence(kind=EvidenceKind.QUERY))
        )
        refund = await self._came_late(shop, attempt, money)
        return order.payment_id, refund.refund_id

    async def _paid_twice(self, shop: Shop, order: PaymentOrder) -> str:
        """Money by a second attempt of a payment that has its money."""
        second = an_attempt(order, shop.account, number=2)
        async with self._database.statement("prepare attempt") as connection:
            await payments.record_preparation(connection, order, a_preparation(second), NOON)
        return (await self._came_late(shop, second, order.money)).refund_id

    async def _came_late(self, shop: Shop, attempt: Attempt, money: Money) -> RefundOrder:
        """Money that nobody wants: booked into suspense, and on its way back."""
        late = LateSuccess(
            payment_id=attempt.payment_id,
            attempt_id=attempt.id,
            callback_id=await self._callback(shop, attempt, money),
            policy=LateSuccessPolicy.REFUND,
            money=money,
            channel_reference=f"ch-{attempt.serial}",
        )
        await self._ledger.settle_late(late)
        refund = await self._refunds.order_late_refund(late)
        assert refund is not None
        await self._book(refund)
        return refund

    async def _open(self, shop: Shop) -> PaymentOrder:
        """One whose payer has time until a quarter of an hour from now."""
        order = await an_order_on_disk(self._database, shop, created_at=datetime.now(UTC))
        attempt = an_attempt(order, shop.account)
        async with self._database.statement("prepare attempt") as connection:
            await payments.record_preparation(connection, order, a_preparation(attempt), NOON)
        return order

    async def _refunded(
        self,
        order: PaymentOrder,
        money: Money,
        outcome: Outcome | None = None,
        *,
        decided_by: str | None = None,
    ) -> RefundOrder:
        refund = (await a_refund(self._database, order, money)).order
        accepted = await self._book(refund, decided_by=decided_by)
        if outcome is not None:
            await self._move(refund, accepted, refund_lifecycle.answered(accepted, outcome))
        return refund

    async def _book(self, refund: RefundOrder, *, decided_by: str | None = None) -> RefundState:
        first = refund_lifecycle.created(refund)
        accepted = refund_lifecycle.accepted(first)
        await self._move(refund, first, accepted, decided_by=decided_by)
        return accepted

    async def _move(
        self,
        refund: RefundOrder,
        before: RefundState,
        after: RefundState,
        *,
        decided_by: str | None = None,
    ) -> None:
        transition = RefundTransition(
            refund_id=refund.refund_id,
            before=before,
            after=after,
            evidence=Evidence(kind=EvidenceKind.ANSWER),
            at=NOON + timedelta(seconds=after.version),
        )
        move = RefundMove(order=refund, transition=transition, decided_by=decided_by)
        await self._refunds.book_refund(move)

    async def _reconciled(self, shop: Shop) -> str:
        """A day whose statement has one line that we know nothing of."""
        day = NOON.date()
        order = ReconciliationOrder(
            reconciliation_id=ids.new_id("rec"),
            account_id=shop.account.id,
            app_id=shop.app.id,
            channel="alipay",
            business_day=day,
            timezone="UTC",
            requested_by="key_1",
        )
        async with self._database.transaction("order") as connection:
            await reconciliation.record_reconciliation(connection, order, now=NOON)
            await reconciliation.begin_run(connection, order.reconciliation_id)
        facts = StatementFacts(source=StatementSource.FETCHED, sha256="f" * 64, bytes=1)
        run = StatementRun(order, facts, MatchingRules(), _Statement(), NOON)
        load_and_classify(self._url, run)
        async with self._database.transaction("repair") as connection:
            found, _ = await discrepancies.list_discrepancies(
                connection, app_id=None, class_=DiscrepancyClass.CHANNEL_ONLY, limit=1, cursor=None
            )
            await self._repair(connection, found[0])
        return found[0].id

    async def _repair(self, connection: AsyncConnection, found: DiscrepancyView) -> None:
        await discrepancies.propose(
            connection,
            found.id,
            action=RepairAction.SUSPENSE,
            by="key_1",
            reason="nobody knows whose it is",
            now=NOON,
        )
        decision = RepairDecision(decided_by="key_2", is_approved=True, reason="agreed")
        await discrepancies.decide(connection, found.id, decision, now=NOON)
        await discrepancies.resolve(
            connection,
            found.id,
            resolution="suspense",
            by="key_2",
            ledger_transaction=repair_transaction(found, RepairAction.SUSPENSE, at=NOON),
            now=NOON,
        )

    async def _callback(self, shop: Shop, attempt: Attempt, money: Money) -> str:
        callback_id = ids.new_id("cb")
        async with self._database.statement("keep callback") as connection:
            await callbacks.keep_callback(
                connection,
                callback_id=callback_id,
                channel="alipay",
                account_id=shop.account.id,
                facts=CallbackFacts(
                    channel_event_id=f"event-{attempt.serial}",
                    serial=attempt.serial,
                    outcome=Approved(channel_reference=f"ch-{attempt.serial}", money=money),
                ),
                headers={},
                body=b"",
                received_at=NOON,
            )
        return callback_id

    async def _answered(self, order: PaymentOrder) -> None:
        names = {"app_id": order.app_id, "route": ROUTE, "key": "key-1", "owner": "api-1"}
        body = f'{{"id": "{order.payment_id}"}}'.encode()
        async with self._database.transaction("answer") as connection:
            await idempotency.claim(
                connection,
                **names,
                fingerprint=order.fingerprint,
                lease=timedelta(seconds=30),
                now=NOON,
            )
            await idempotency.finish(
                connection,
                **names,
                status_code=201,
                body=body,
                object_id=order.payment_id,
                now=NOON,
            )

    async def _called(self, order: PaymentOrder, serial: str) -> None:
        exchange = an_exchange("pay", started_at=NOON)
        async with self._database.transaction("exchange") as connection:
            await payments.record_exchange(
                connection, payment_id=order.payment_id, serial=serial, exchange=exchange
            )

    def _given_back(self) -> Approved:
        return Approved(channel_reference="ch-refund", money=cny(4_00))


def _settlement(
    order: PaymentOrder,
    attempt: Attempt,
    after: PaymentState,
    evidence: Evidence,
    callback_ids: tuple[str, ...] = (),
) -> Settlement:
    transition = Transition(
        payment_id=order.payment_id,
        before=lifecycle.created(),
        after=after,
        evidence=evidence,
        at=NOON + timedelta(seconds=1),
    )
    return Settlement(
        order=order, attempt=attempt, transition=transition, callback_ids=callback_ids
    )
