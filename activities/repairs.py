"""The steps of a repair: evidence for a run of its own, or entries with a second person's word."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.repair_postings import repair_transaction
from models.channel import Approved, CallbackFacts, ChannelEvent
from models.errors import Conflict, InvariantBroken
from models.ids import new_id
from models.money import Money
from models.payment import AttemptStatus
from models.reconciliation import (
    DiscrepancyStatus,
    DiscrepancyView,
    LineKind,
    RepairAction,
    RepairOrder,
)
from models.reconciliation_steps import DecisionStep, Handover, RepairEnd
from models.refund import RefundStatus
from models.views import CallbackMatch, KeptCallback
from storage import discrepancies
from storage.callbacks import keep_callback, mark_handled, read_callback
from storage.database import Database
from storage.payments import read_attempt
from storage.refunds import read_refund_order

NOT_BOOKED_YET = "not-booked-yet"

# Hands a kept callback to the run it is about, as the callbacks' own door does. What it cannot hand
# on stays in the inbox, and a sweeper does it later.
Deliver = Callable[[KeptCallback, ChannelEvent], Awaitable[None]]

_RESOLUTIONS = {
    RepairAction.BOOK: "booked",
    RepairAction.SUSPENSE: "suspense",
    RepairAction.WRITE_OFF: "written_off",
    RepairAction.DISMISS: "dismissed",
}


class RepairActivities:
    """Every step may run twice: the inbox, the ledger's event and the versions see to it."""

    def __init__(self, database: Database, deliver: Deliver) -> None:
        self._database = database
        self._deliver = deliver

    @activity.defn
    async def hand_over(self, order: RepairOrder) -> Handover:
        """Put the line into the inbox as evidence, and tell the payment's or refund's run."""
        found, now = order.discrepancy, _now()
        facts = _facts(found)
        async with self._database.statement("keep evidence") as connection:
            kept = await keep_callback(
                connection,
                callback_id=new_id("cb"),
                channel=found.channel,
                account_id=found.account_id,
                facts=facts,
                headers={},
                body=json.dumps(found.model_dump(mode="json")).encode(),
                received_at=now,
                source="statement",
            )
        if kept.match is CallbackMatch.DISPUTED or kept.expected:
            await self._leave_to_people(kept, now)
            return Handover(
                order=order, callback_id=kept.id, refusal=f"the order is {kept.expected}"
            )
        if kept.payment_id is None:
            return Handover(order=order, callback_id=kept.id, refusal="it fits nothing of ours")
        if not kept.handled:
            event = ChannelEvent(
                callback_id=kept.id,
                serial=facts.serial,
                outcome=facts.outcome,
                received_at=kept.received_at,
                source="statement",
            )
            await self._deliver(kept, event)
        return Handover(order=order, callback_id=kept.id)

    async def _leave_to_people(self, kept: KeptCallback, now: datetime) -> None:
        """No run can weigh another amount than its own, so no sweeper need hand it over."""
        async with self._database.statement("dispute evidence") as connection:
            await mark_handled(connection, kept.id, now)

    @activity.defn
    async def await_booked(self, handover: Handover) -> RepairEnd:
        """Look whether the run has booked it; one that has not is looked at again later."""
        found = handover.order.discrepancy
        async with self._database.transaction("look for booking") as connection:
            callback = await read_callback(connection, handover.callback_id)
            if await _is_ours(connection, found):
                return RepairEnd(discrepancy_id=found.id, is_resolved=True)
        if callback is not None and callback.kept.handled:
            return RepairEnd(
                discrepancy_id=found.id,
                is_resolved=False,
                detail="its own run has weighed the statement and did not book it",
            )
        raise ApplicationError(
            "its own run has not booked it yet",
            type=NOT_BOOKED_YET,
            category=ApplicationErrorCategory.BENIGN,
        )

    @activity.defn
    async def record_decision(self, step: DecisionStep) -> None:
        """Write down what the second person said."""
        proposed = step.order.discrepancy
        async with self._database.transaction("decide on repair") as connection:
            try:
                await discrepancies.decide(connection, proposed.id, step.decision, now=_now())
            except Conflict:
                if not await _was_rejected(connection, proposed):
                    raise

    @activity.defn
    async def carry_out(self, order: RepairOrder) -> RepairEnd:
        """Resolve it, with the entries of the action, in one transaction."""
        found, action, now = order.discrepancy, order.action, _now()
        async with self._database.transaction("repair discrepancy") as connection:
            current = await discrepancies.read_discrepancy(
                connection, found.id, app_id=None, lock=True
            )
            if current is None:
                raise InvariantBroken(f"{found.id} was there when it was proposed")
            if await _is_ours(connection, found):
                # Its own run was quicker than the two people: nothing is left to be booked.
                action = RepairAction.BOOK
            await discrepancies.resolve(
                connection,
                found.id,
                resolution=_RESOLUTIONS[action],
                by=current.decided_by or "statement",
                ledger_transaction=repair_transaction(found, action, at=now),
                now=now,
            )
            await discrepancies.resettle(connection, found.reconciliation_id)
        return RepairEnd(discrepancy_id=found.id, is_resolved=True)


async def _is_ours(connection: AsyncConnection, found: DiscrepancyView) -> bool:
    """Whether our books have by now what the statement has and they had not."""
    if found.ours_minor is not None or found.payment_id is None:
        return False
    if found.kind is LineKind.PAYMENT:
        attempt = await read_attempt(connection, f"att_{found.serial}")
        return attempt is not None and attempt.status is AttemptStatus.CHARGED
    if found.refund_id is None:
        return False
    refund = await read_refund_order(connection, found.refund_id)
    return refund is not None and refund.state.status is RefundStatus.SUCCEEDED


async def _was_rejected(connection: AsyncConnection, proposed: DiscrepancyView) -> bool:
    """Whether a first try of the same step has written the rejection down."""
    current = await discrepancies.read_discrepancy(connection, proposed.id, app_id=None)
    return (
        current is not None
        and current.status is DiscrepancyStatus.OPEN
        and current.version == proposed.version + 1
    )


def _facts(found: DiscrepancyView) -> CallbackFacts:
    """The line as news. Its id is the line's own, so that handing it over again is a repetition."""
    is_payment = found.kind is LineKind.PAYMENT
    serial = found.serial if is_payment else found.refund_serial
    about = (found.account_id, found.business_day, serial, found.channel_reference)
    return CallbackFacts(
        channel_event_id=":".join(("statement", *map(str, about))),
        serial=serial,
        outcome=Approved(
            channel_reference=found.channel_reference,
            money=Money(amount_minor=found.line_minor or 0, currency=found.currency),
            paid_at=found.occurred_at,
        ),
        channel_reference=found.channel_reference,
        about="payment" if is_payment else "refund",
    )


def _now() -> datetime:
    return datetime.now(UTC)
