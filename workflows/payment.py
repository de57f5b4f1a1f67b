"""One payment, from the order to its end.

Validate, assess, route and reserve -> send to the channel -> wait for news, asking after silence ->
close when the payer's time is up -> settle, or hold the money until it is captured. Only evidence
moves the status: the channel's answer, a verified callback, a query, or a command.
"""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.preparation import PreparationActivities
from domain import lifecycle
from engine import search_attributes
from models.channel import (
    Approved,
    ChannelEvent,
    Declined,
    NotAttempted,
    Pending,
    Unknown,
)
from models.payment import (
    Attempt,
    Cancellation,
    Capture,
    Evidence,
    EvidenceKind,
    Failure,
    Initiation,
    InitiationResult,
    PaymentOrder,
    PaymentState,
    Preparation,
    Progress,
)
from models.steps import PrepareStep
from workflows import channel_calls, options
from workflows.commands import Commands
from workflows.findings import Finding, from_event, from_failure
from workflows.held_money import HeldMoney
from workflows.journal import Journal
from workflows.news import News

# Another account is tried only while nothing was sent; three is enough for any outage.
ROUTES_MAX = 3


@workflow.defn
class PaymentWorkflow:
    """See the module. One run for each payment, with the id `pay/pay_…`."""

    @workflow.init
    def __init__(self, order: PaymentOrder) -> None:
        self._order = order
        self._news = News()
        self._commands = Commands()
        self._journal = Journal(order, self._news)
        self._cancel_tried = False
        self._told_to_close = False
        self._in_review = False
        self._prepared = Preparation(verdicts=())
        self._queries = 0

    @workflow.run
    async def run(self, order: PaymentOrder) -> PaymentState:
        """Bring the payment to its end and return it. A cancel in Temporal UI is a command."""
        process = asyncio.create_task(self._process())
        while not process.done():
            try:
                await asyncio.shield(process)
            except asyncio.CancelledError:
                if process.cancelled():
                    raise
                self._commands.hear_cancellation(
                    Cancellation(command_id="temporal-cancel", requested_by="temporal")
                )
        await process
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._journal.state

    # ---- messages: they record, `_process` decides -----------------------------------------------

    @workflow.update
    async def initiate(self, initiation: Initiation) -> InitiationResult:
        """Wait for the channel's first answer: what the API hands to the app."""
        await workflow.wait_condition(lambda: self._journal.is_answered)
        return InitiationResult(payment_id=self._order.payment_id, state=self._journal.state)

    @initiate.validator
    def _same_order(self, initiation: Initiation) -> None:
        if initiation.fingerprint != self._order.fingerprint:
            raise ApplicationError("another order has this id", type="IdempotencyConflict")

    @workflow.update
    async def cancel(self, cancellation: Cancellation) -> PaymentState:
        """Ask for the end and wait for it: canceled, or succeeded when the payer was faster."""
        self._commands.hear_cancellation(cancellation)
        return await self._end()

    @workflow.update
    async def end(self) -> PaymentState:
        """Wait for the end."""
        return await self._end()

    @workflow.signal
    def capture(self, capture: Capture) -> None:
        """Take part or all of what is held; the rest is released. The first one counts.

        A signal, since it must not be lost: the caller waits for the `end` in a second step.
        """
        self._commands.hear_capture(capture)

    @workflow.signal
    def channel_event(self, event: ChannelEvent) -> None:
        """A verified callback."""
        self._news.hear(event)

    @workflow.query
    def progress(self) -> Progress:
        return self._journal.progress

    async def _end(self) -> PaymentState:
        await workflow.wait_condition(lambda: lifecycle.is_end(self._journal.state.status))
        return self._journal.state

    # ---- the process -----------------------------------------------------------------------------

    async def _process(self) -> None:
        if await self._ended_unsent():
            return
        attempt, finding = await self._send_on_some_route()
        if attempt is None:
            return
        while not finding.is_final:
            attempt = finding.named_on(attempt)
            await self._note(attempt, finding)
            if isinstance(finding.outcome, Unknown):
                finding = await self._find_out(attempt)
            else:
                finding = await self._await_news(attempt)
        if not isinstance(finding.outcome, Approved):
            finding = self._news_of_money(attempt) or finding
        if finding.is_held:
            held = HeldMoney(self._journal, self._news, self._commands, self._prepared)
            await held.settle(attempt, finding)
        else:
            await self._settle(attempt, finding)

    async def _send_on_some_route(self) -> tuple[Attempt | None, Finding]:
        """Decide, reserve and send; on to another account only while nothing was sent."""
        tried: list[str] = []
        finding = Finding.not_sent("no route")
        attempt: Attempt | None = None
        for number in range(1, ROUTES_MAX + 1):
            prepared = await self._prepare(number, tried)
            if prepared.attempt is None:
                if attempt is None:
                    await self._refuse(prepared)
                return attempt, finding
            if attempt is not None:
                await self._journal.record(
                    lifecycle.not_sent(self._journal.state), attempt, finding
                )
            attempt = prepared.attempt
            self._journal.report("waiting for the channel's answer", "hand the answer to the app")
            finding = await channel_calls.send(self._order, attempt, prepared)
            if not isinstance(finding.outcome, NotAttempted):
                break
            tried.append(attempt.route.account_id)
        return attempt, finding

    async def _prepare(self, number: int, tried: list[str]) -> Preparation:
        prepared = await workflow.execute_local_activity_method(
            PreparationActivities.prepare_attempt,
            PrepareStep(order=self._order, number=number, tried_account_ids=tuple(tried)),
            **options.OUR_RECORDS,
            summary="validate, assess risk, plan the route, reserve the attempt",
        )
        self._prepared = prepared
        return prepared

    async def _await_news(self, attempt: Attempt) -> Finding:
        """Wait for a callback; ask after silence; close when time is up or the app cancels."""
        while True:
            finding = await self._weigh_news(attempt)
            if finding and finding.is_final:
                return finding
            if self._close_is_due():
                finding = await self._close(attempt)
            elif await self._news_within(self._silence()):
                continue
            elif self._wants_close():
                finding = await self._close(attempt)
            else:
                finding = await self._ask(attempt)
            if finding.is_final:
                return finding

    async def _weigh_news(self, attempt: Attempt) -> Finding | None:
        """What the callbacks that wait amount to; the channel is asked where they do not say.

        Once a close was told, "paid" may be older news than the money a cancel gave back.
        """
        finding = self._take_news(attempt)
        if finding is None or isinstance(finding.outcome, Declined | Pending):
            return finding
        if isinstance(finding.outcome, Unknown):
            return await self._ask(attempt)
        if not self._told_to_close:
            return finding
        opinion = await channel_calls.second_opinion(self._order, attempt)
        return opinion if opinion.is_final else finding

    async def _find_out(self, attempt: Attempt) -> Finding:
        """Leave an unknown outcome by callback or query alone; when silent for too long, close.

        A callback that does not say either ends one question, not the asking.
        """
        self._journal.report("finding out what the channel did", "settle what the query says")
        until = workflow.now() + timedelta(seconds=self._prepared.find_out_within)
        finding = await self._ask(attempt, until=until)
        while finding.is_unknown_callback and workflow.now() < until:
            finding = await self._ask(attempt, until=until)
        if not isinstance(finding.outcome, Unknown):
            return finding
        finding = await self._close(attempt)
        return finding if finding.is_final else await self._await_news(attempt)

    async def _close(self, attempt: Attempt) -> Finding:
        """End the serial at the channel, then ask: the payer may have paid while we closed.

        That the channel says "closed" is an answer only if the query after it does not say "paid".
        """
        self._journal.report("closing the payment at the channel", "settle what the query says")
        self._cancel_tried = self._commands.cancellation is not None
        finding = await self._ask(attempt)
        for pause in options.CLOSE_PAUSES[:1] if self._in_review else options.CLOSE_PAUSES:
            if finding.is_final:
                return finding
            if pause:
                await workflow.sleep(pause, summary="before closing again")
            self._told_to_close = True
            closed = await channel_calls.tell_to_close(self._order, attempt)
            finding = await self._ask(attempt)
            if not finding.is_final and isinstance(closed.outcome, Declined):
                return closed
            if self._commands.cancellation and finding.is_unopened:
                return Finding.canceled_unopened(self._commands.cancellation)
        if not finding.is_final:
            await self._ask_a_person(attempt, finding)
        return finding

    async def _settle(self, attempt: Attempt, finding: Finding) -> None:
        """Book the end: status, ledger entries and notification stand or fall together."""
        if isinstance(finding.outcome, Approved):
            self._news.take(attempt.serial)  # whatever else they say, this answers them
        after = lifecycle.ended(
            self._journal.state,
            finding.outcome,
            ordered=self._order.money,
            is_overdue=workflow.now() >= self._order.expires_at,
            is_canceled=self._commands.cancellation is not None,
        )
        await self._journal.book(after, finding.evidence, attempt=attempt, finding=finding)

    # ---- its steps, in the order used ------------------------------------------------------------

    async def _ended_unsent(self) -> bool:
        """End what is too late to start, or was canceled before the channel heard of it."""
        if workflow.now() >= self._order.initiate_by:
            detail = "it was too late to start; nothing was sent"
            evidence = Evidence(kind=EvidenceKind.TIMER, detail=detail)
            await self._journal.book(lifecycle.expired(self._journal.state), evidence)
        elif self._commands.cancellation is not None:
            evidence = Finding.canceled_unopened(self._commands.cancellation).evidence
            await self._journal.book(lifecycle.canceled(self._journal.state), evidence)
        return lifecycle.is_end(self._journal.state.status)

    async def _refuse(self, prepared: Preparation) -> None:
        refusal = prepared.refusal or Failure(code="refused", detail="refused by our own rules")
        evidence = Evidence(kind=EvidenceKind.VERDICT, detail=refusal.detail)
        await self._journal.book(lifecycle.refused(self._journal.state, refusal), evidence)

    async def _note(self, attempt: Attempt, finding: Finding) -> None:
        """Write down a move that is not an end, if it is a move at all."""
        after = lifecycle.answered(self._journal.state, finding.outcome)
        if self._in_review or not lifecycle.differs(self._journal.state, after):
            return
        await self._journal.record(after, attempt, finding)
        workflow.upsert_search_attributes(
            [
                search_attributes.CHANNEL.value_set(attempt.route.channel),
                search_attributes.PAYMENT_STATUS.value_set(after.status.value),
            ]
        )
        self._journal.is_answered |= not isinstance(finding.outcome, Unknown)

    async def _ask_a_person(self, attempt: Attempt, finding: Finding) -> None:
        """Every road to an answer was tried: park it, tell the app, and go on listening."""
        if self._in_review:
            return
        self._in_review = True
        after = lifecycle.needs_review(self._journal.state)
        await self._journal.book(after, finding.evidence, attempt=attempt, finding=finding)

    async def _ask(self, attempt: Attempt, *, until: datetime | None = None) -> Finding:
        """Query the channel: one round, or until it is known.

        A callback that comes meanwhile is the better answer, unless a close was told: then only
        what the channel says after it counts.
        """
        self._queries += 1
        within = (until - workflow.now()).total_seconds() if until else None
        handle = channel_calls.start_query(self._order, attempt, until_known_within=within)
        await workflow.wait_condition(
            lambda: handle.done() or (self._news.is_waiting and not self._told_to_close)
        )
        if not handle.done():
            handle.cancel()
        try:
            answer = await handle
        except ActivityError as error:
            news = None if self._told_to_close else self._take_news(attempt)
            return news or from_failure(error, may_have_been_sent=True)
        return Finding.from_query(answer).checked(self._order)

    def _take_news(self, attempt: Attempt) -> Finding | None:
        event = self._news.take(attempt.serial)
        return from_event(event).checked(self._order) if event else None

    def _news_of_money(self, attempt: Attempt) -> Finding | None:
        """A callback that says paid, if one waits: it beats a refusal, but no close of ours."""
        news = None if self._told_to_close else self._take_news(attempt)
        return news if news and isinstance(news.outcome, Approved) else None

    def _close_is_due(self) -> bool:
        """Each command is tried once at once; while a person looks, nothing else is urgent."""
        return self._has_new_cancel() or (self._wants_close() and not self._in_review)

    def _has_new_cancel(self) -> bool:
        return self._commands.cancellation is not None and not self._cancel_tried

    def _wants_close(self) -> bool:
        return self._commands.cancellation is not None or workflow.now() >= self._order.expires_at

    def _silence(self) -> timedelta:
        """How long to listen before asking: step by step, and never past the payer's time."""
        if self._in_review:
            return options.REVIEW_QUERY_EVERY
        steps = self._prepared.query_after
        step = steps[min(self._queries, len(steps) - 1)]
        left = self._order.expires_at - workflow.now()
        return max(timedelta(0), min(timedelta(seconds=step), left))

    async def _news_within(self, silence: timedelta) -> bool:
        """Whether a callback or a cancellation arrived before `silence` was over."""
        waiting_for = "a person has to look" if self._in_review else "waiting for the payer"
        self._journal.report(waiting_for, "ask the channel", workflow.now() + silence)
        try:
            await workflow.wait_condition(
                lambda: self._news.is_waiting or self._has_new_cancel(),
                timeout=silence,
                timeout_summary="silence before asking the channel",
            )
        except TimeoutError:
            return False
        return True
