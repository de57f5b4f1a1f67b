"""Moves of a refund: its status, its ledger entries and its notification in one statement."""

from datetime import UTC, datetime

from temporalio import activity

from activities.first_delivery import FirstDelivery
from domain.notifications import refund_event
from domain.refund_postings import refund_transaction
from models.payment import CAPTURED, LateSuccess
from models.refund import RefundFunding, RefundMove, RefundOrder
from observability import metrics
from storage import payments, refunds
from storage.database import Database


class RefundActivities:
    """Books refunds. Every move is idempotent: CAS on the refund, one ledger event for each."""

    def __init__(self, database: Database, first_delivery: FirstDelivery) -> None:
        self._database = database
        self._first_delivery = first_delivery

    @activity.defn
    async def book_refund(self, move: RefundMove) -> None:
        """Write one move down with all that goes with it; a repeat changes nothing."""
        notification = refund_event(move)
        async with self._database.statement("book refund") as connection:
            is_new = await refunds.make_refund_move(
                connection,
                move,
                ledger_transaction=refund_transaction(move),
                notification=notification,
                decided_by=move.decided_by,
            )
        if is_new and notification:
            metrics.REFUNDS_MOVED.labels(move.transition.after.status.value).inc()
            self._first_delivery.offer(notification)

    @activity.defn
    async def order_late_refund(self, late: LateSuccess) -> RefundOrder | None:
        """Write down the refund of money that is not wanted; None when the app kept it.

        Twice is the same refund.
        """
        async with self._database.transaction("order late refund") as connection:
            payment = await payments.read_order(connection, late.payment_id)
            attempt = await payments.read_attempt(connection, late.attempt_id)
            if payment is None or attempt is None:
                return None
            if payment.state.status in CAPTURED and not attempt.surplus:
                return None
            recorded = await refunds.record_refund(
                connection,
                refund_id=f"ref_{late.attempt_id.removeprefix('att_')}",
                app_id=None,
                payment_id=late.payment_id,
                refund_no=f"late-{late.attempt_id}",
                money=late.money,
                reason="paid twice" if attempt.surplus else "it came after the payment was over",
                requested_by="late-success",
                fingerprint=f"late:{late.attempt_id}",
                funding=RefundFunding.SUSPENSE,
                attempt_id=late.attempt_id,
                now=datetime.now(UTC),
            )
        return recorded.order
