"""Where one payment stands, and how each of its moves gets on disk and into Temporal UI."""

from datetime import datetime

from temporalio import workflow

from domain import lifecycle
from engine import search_attributes
from models.payment import (
    Attempt,
    Evidence,
    PaymentOrder,
    PaymentState,
    Progress,
    Settlement,
    Transition,
)
from models.steps import RecordStep
from workflows import bookings
from workflows.findings import Finding
from workflows.news import News
from workflows.reports import report


class Journal:
    """`is_answered`: the app can be told something, since the channel said something."""

    def __init__(self, order: PaymentOrder, news: News) -> None:
        self.order = order
        self.state: PaymentState = lifecycle.created()
        self.is_answered = False
        self.progress = Progress(
            status=self.state.status, doing="deciding", next_step="call the channel"
        )
        self._news = news

    async def record(self, after: PaymentState, attempt: Attempt, finding: Finding) -> None:
        """Write down a move that is not an end and that no app is told of."""
        step = RecordStep(
            transition=self._transition(after, finding.evidence),
            attempt=finding.applied_to(attempt, after),
            exchange=finding.exchange,
        )
        await bookings.record(step)
        self.state = after

    async def show_desk(self, after: PaymentState, evidence: Evidence) -> None:
        """Write down that the payer is to choose: no attempt is under way."""
        await bookings.record(
            RecordStep(transition=self._transition(after, evidence), attempt=None)
        )
        self.state = after
        self.is_answered = True

    async def book(
        self,
        after: PaymentState,
        evidence: Evidence,
        *,
        attempt: Attempt | None = None,
        finding: Finding | None = None,
    ) -> None:
        """Write down an end, or what else an app is told of: with books and notification."""
        settlement = Settlement(
            order=self.order,
            attempt=finding.applied_to(attempt, after) if attempt and finding else attempt,
            transition=self._transition(after, evidence),
            callback_ids=self._news.weighed,
            exchange=finding.exchange if finding else None,
        )
        await bookings.book(settlement)
        self.state = after
        workflow.upsert_search_attributes(
            [search_attributes.PAYMENT_STATUS.value_set(after.status.value)]
        )
        self.report(f"{after.status}, decided by {evidence.kind}", "nothing")
        self.is_answered = True

    def report(self, doing: str, next_step: str, next_step_at: datetime | None = None) -> None:
        """Say what is going on, and what comes next."""
        self.progress = report(
            self.order, self.state, doing=doing, next_step=next_step, next_step_at=next_step_at
        )

    def _transition(self, after: PaymentState, evidence: Evidence) -> Transition:
        return Transition(
            payment_id=self.order.payment_id,
            before=self.state,
            after=after,
            evidence=evidence,
            at=workflow.now(),
        )
