"""The end of a payment: status, ledger entries and notification in one transaction."""

from datetime import UTC, datetime

from temporalio import activity

from activities.first_delivery import FirstDelivery
from domain import lifecycle, notifications
from domain.postings import capture_transaction, late_suspense_transaction
from models.errors import InvariantBroken
from models.ledger import LedgerTransaction
from models.notification import Notification
from models.payment import (
    CAPTURED,
    Attempt,
    AttemptStatus,
    Evidence,
    EvidenceKind,
    LateSuccess,
    LateSuccessPolicy,
    PaymentState,
    Settlement,
    Transition,
)
from models.views import RecordedOrder
from observability import metrics
from storage import callbacks, payments
from storage.database import Database

# What an app reads about money it did not expect any more.
_LATE_NOTES = {
    LateSuccessPolicy.ACCEPT: "late_success_accepted",
    LateSuccessPolicy.REFUND: "late_success_to_be_refunded",
    LateSuccessPolicy.ASK: "late_success_awaits_decision",
}
_PAID_TWICE = "paid_twice_to_be_refunded"


class LedgerActivities:
    """Books ends. Every booking is idempotent: CAS on the payment, one ledger event per attempt."""

    def __init__(self, database: Database, first_delivery: FirstDelivery) -> None:
        self._database = database
        self._first_delivery = first_delivery

    @activity.defn
    async def settle(self, settlement: Settlement) -> None:
        """Book an end (or that a person has to look) once; a repeat changes nothing."""
        transition = settlement.transition
        await self._book(
            settlement,
            ledger_transaction=_capture(settlement),
            notification=_news(settlement, note=None),
        )
        if lifecycle.is_end(transition.after.status):
            metrics.PAYMENTS_ENDED.labels(
                transition.after.status.value, transition.evidence.kind.value
            ).inc()

    @activity.defn
    async def settle_late(self, late: LateSuccess) -> PaymentState | None:
        """Book money that came after the end, by the app's policy. None when it was booked before.

        Reads and decides anew on every try, so a second callback about the same money is harmless.
        """
        async with self._database.transaction("read late payment") as connection:
            recorded = await payments.read_order(connection, late.payment_id)
            attempt = await payments.read_attempt(connection, late.attempt_id)
        if recorded is None or attempt is None:
            raise InvariantBroken(f"late money names {late.payment_id}, which is not here")
        if attempt.status is AttemptStatus.CHARGED:
            await self._mark_handled(late.callback_id)
            return None
        settlement = _late_settlement(late, recorded, attempt.model_copy(update=_charged(late)))
        is_new = await self._book(
            settlement,
            ledger_transaction=_capture(settlement) or _suspense(settlement, late),
            notification=_news(settlement, note=settlement.transition.evidence.detail),
        )
        return settlement.transition.after if is_new else None

    @activity.defn
    async def dismiss_late(self, late: LateSuccess) -> None:
        """The channel took the money back by itself: nothing to book, and the callback is done."""
        await self._mark_handled(late.callback_id)

    async def _book(
        self,
        settlement: Settlement,
        *,
        ledger_transaction: LedgerTransaction | None,
        notification: Notification | None,
    ) -> bool:
        """True when it was booked now, False when it was on disk already."""
        async with self._database.statement("settle payment") as connection:
            is_new = await payments.settle(
                connection,
                settlement,
                ledger_transaction=ledger_transaction,
                notification=notification,
            )
        if is_new and notification:
            self._first_delivery.offer(notification)
        return is_new

    async def _mark_handled(self, callback_id: str) -> None:
        async with self._database.transaction("mark callback handled") as connection:
            await callbacks.mark_handled(connection, callback_id, datetime.now(UTC))


def _capture(settlement: Settlement) -> LedgerTransaction | None:
    """The entries of a captured payment; None for an end without money."""
    if settlement.transition.after.status not in CAPTURED:
        return None
    if settlement.attempt is not None and settlement.attempt.surplus:
        return None
    if settlement.attempt is None:
        raise InvariantBroken(f"{settlement.order.payment_id} succeeded without an attempt")
    return capture_transaction(settlement.order, settlement.attempt, settlement.transition)


def _suspense(settlement: Settlement, late: LateSuccess) -> LedgerTransaction | None:
    if settlement.attempt is None:
        return None
    return late_suspense_transaction(
        settlement.order, settlement.attempt, late, settlement.transition
    )


def _news(settlement: Settlement, *, note: str | None) -> Notification | None:
    """What the app is told about this move, if anything."""
    transition = settlement.transition
    if transition.after.notified == transition.before.notified:
        return None
    moved = transition.after.status is not transition.before.status
    event_type = notifications.event_type_of(transition.after.status) if moved else None
    return notifications.payment_event(
        settlement.order,
        transition,
        event_type=event_type or notifications.LATE_SUCCESS,
        note=note,
    )


def _late_settlement(late: LateSuccess, recorded: RecordedOrder, attempt: Attempt) -> Settlement:
    before = recorded.state
    note = _LATE_NOTES[late.policy]
    if before.status in CAPTURED:
        after, note = lifecycle.paid_twice(before), _PAID_TWICE
        attempt = attempt.model_copy(update={"surplus": True})
    elif late.policy is LateSuccessPolicy.ACCEPT:
        after = lifecycle.accepted_late(before, late.money, ordered=recorded.order.money)
    else:
        after = lifecycle.kept_late(before, late.money)
    evidence = Evidence(kind=EvidenceKind(late.source), reference=late.callback_id, detail=note)
    transition = Transition(
        payment_id=late.payment_id,
        before=before,
        after=after,
        evidence=evidence,
        at=datetime.now(UTC),
    )
    return Settlement(
        order=recorded.order,
        attempt=attempt,
        transition=transition,
        callback_ids=(late.callback_id,),
    )


def _charged(late: LateSuccess) -> dict[str, str]:
    return {"status": AttemptStatus.CHARGED, "channel_reference": late.channel_reference}
