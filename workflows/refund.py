"""One refund, from the order to its end.

Approval by a second person where the app asks for it -> money set aside -> the channel is asked,
always under the same number -> unknown is settled by callback or query, or by asking again under
that number -> booked. It is never called failed unless the channel says so.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import refund_lifecycle as lifecycle
from models.channel import Approved, ChannelEvent, Declined, NotAttempted, Pending, Unknown
from models.refund import (
    Decision,
    RefundInitiation,
    RefundMove,
    RefundOrder,
    RefundState,
    RefundStatus,
    RefundTransition,
)
from workflows import bookings, channel_calls
from workflows.findings import Finding, from_event
from workflows.news import News

# Silence before the channel is asked: Alipay wants ten seconds after a refund (Source: refund
# query, read 2026-11-20), banks take hours. The last step repeats.
ASK_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600, 7200, 21600)
)
# After so many rounds (about a day) a person is asked to look; asking goes on.
ROUNDS_BEFORE_REVIEW = 11


@workflow.defn
class RefundWorkflow:
    """See the module. One run for each refund, with the id `refund/ref_…`."""

    @workflow.init
    def __init__(self, order: RefundOrder) -> None:
        self._order = order
        self._state = lifecycle.created(order)
        self._initiated = False
        self._was_sent = False
        self._decision: Decision | None = None
        self._news = News()

    @workflow.run
    async def run(self, order: RefundOrder) -> RefundState:
        """Bring the refund to its end and return that."""
        await self._process()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    # ---- messages: they record, `_process` decides -----------------------------------------------

    @workflow.update
    async def initiate(self, initiation: RefundInitiation) -> RefundState:
        """Wait for the channel's first answer, or answer at once that a person has to approve."""
        await workflow.wait_condition(lambda: self._initiated)
        return self._state

    @initiate.validator
    def _same_order(self, initiation: RefundInitiation) -> None:
        if initiation.fingerprint != self._order.fingerprint:
            raise ApplicationError("another refund has this id", type="IdempotencyConflict")

    @workflow.update
    async def decide(self, decision: Decision) -> RefundState:
        """A second person approves or rejects; answers with where the refund stands then."""
        self._decision = self._decision or decision
        await workflow.wait_condition(
            lambda: self._state.status is not RefundStatus.PENDING_APPROVAL
        )
        return self._state

    @decide.validator
    def _second_person(self, decision: Decision) -> None:
        if self._state.status is not RefundStatus.PENDING_APPROVAL or self._decision:
            raise ApplicationError("the refund waits for no decision", type="InvalidState")
        if decision.decided_by == self._order.requested_by:
            raise ApplicationError("somebody else has to decide", type="SamePerson")

    @workflow.signal
    def channel_event(self, event: ChannelEvent) -> None:
        """A verified callback about this refund; the same one again changes nothing."""
        self._news.hear(event)

    # ---- the process -----------------------------------------------------------------------------

    async def _process(self) -> None:
        if not await self._accept():
            return
        finding = await self._send()
        rounds = 0
        while not isinstance(finding.outcome, Approved | Declined):
            await self._note(finding)
            rounds += 1
            if rounds == ROUNDS_BEFORE_REVIEW:
                await self._book(lifecycle.needs_review(self._state), finding)
            finding = await self._await_news(rounds)
        await self._book(lifecycle.answered(self._state, finding.outcome), finding)

    async def _accept(self) -> bool:
        """Set the money aside, after a second person's word where that is needed."""
        by_rule = Finding.from_rule("within the app's limit")
        if not self._order.needs_approval:
            await self._book(lifecycle.accepted(self._state), by_rule)
            return True
        self._initiated = True
        workflow.set_current_details(f"{self._order.money} waits for a second person's approval")
        await workflow.wait_condition(lambda: self._decision is not None)
        decision = self._decision
        if decision is None:
            return False
        said = Finding.decided(decision.command_id, decision.reason)
        if not decision.is_approved:
            await self._book(
                lifecycle.rejected(self._state, decision.reason), said, decision.decided_by
            )
            return False
        await self._book(lifecycle.accepted(self._state), said, decision.decided_by)
        return True

    async def _send(self) -> Finding:
        """Ask the channel to give the money back. Once sent, nothing counts as "not sent"."""
        finding = await channel_calls.refund(self._order)
        if isinstance(finding.outcome, NotAttempted) and self._was_sent:
            return Finding.unknown(finding.outcome.detail)
        self._was_sent = self._was_sent or not isinstance(finding.outcome, NotAttempted)
        return finding

    async def _await_news(self, rounds: int) -> Finding:
        """A callback, or after silence a query; what the channel does not know is sent again."""
        silence = ASK_AFTER[min(rounds, len(ASK_AFTER)) - 1]
        workflow.set_current_details(
            f"**{self._state.status}** · {self._order.money}\n\n"
            f"next: ask the channel at {workflow.now() + silence:%Y-%m-%d %H:%M:%S} UTC"
        )
        try:
            await workflow.wait_condition(
                lambda: self._news.is_waiting,
                timeout=silence,
                timeout_summary="silence before asking the channel",
            )
        except TimeoutError:
            return await self._ask()
        event = self._news.take(self._order.refund_serial)
        if event is None or isinstance(event.outcome, Unknown):
            return await self._ask()
        return from_event(event).exactly(self._order.money)

    async def _ask(self) -> Finding:
        if not self._was_sent:
            return await self._send()
        finding = await channel_calls.query_refund(self._order)
        return await self._send() if isinstance(finding.outcome, Unknown) else finding

    async def _note(self, finding: Finding) -> None:
        """Write down a move that is not an end, if it is a move at all."""
        after = lifecycle.answered(self._state, finding.outcome)
        in_review = self._state.status is RefundStatus.MANUAL_REVIEW
        if not in_review and lifecycle.differs(self._state, after):
            await self._book(after, finding)
        self._initiated = self._initiated or isinstance(finding.outcome, Pending | NotAttempted)

    async def _book(
        self, after: RefundState, finding: Finding, decided_by: str | None = None
    ) -> None:
        transition = RefundTransition(
            refund_id=self._order.refund_id,
            before=self._state,
            after=after,
            evidence=finding.evidence,
            at=workflow.now(),
        )
        move = RefundMove(
            order=self._order,
            transition=transition,
            decided_by=decided_by,
            exchange=finding.exchange,
            callback_ids=self._news.weighed,
        )
        await bookings.book_refund(move)
        self._state = after
        self._initiated = self._initiated or lifecycle.is_end(after.status)
