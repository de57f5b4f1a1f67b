"""One attempt, from the channel's first answer to its last.

Wait for news, ask after silence, and close the serial when the payer's time is up, when the app
cancels, or when the payer at the cash desk turns to another method.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain import lifecycle
from engine import search_attributes
from models.channel import Approved, Declined, Pending, Unknown
from models.payment import Attempt, Preparation
from workflows import channel_calls, options
from workflows.cash_desk import CashDesk
from workflows.commands import Commands
from workflows.findings import Finding, from_event, from_failure
from workflows.journal import Journal
from workflows.news import News


class Pursuit:
    """`desk` is where the payer chose the method, None where the app did."""

    def __init__(
        self,
        journal: Journal,
        news: News,
        commands: Commands,
        prepared: Preparation,
        desk: CashDesk | None,
    ) -> None:
        self._journal = journal
        self._order = journal.order
        self._news = news
        self._commands = commands
        self._prepared = prepared
        self._desk = desk
        self._cancel_tried = False
        self._told_to_close = False
        self._turn_tried = False
        self._in_review = False
        self._queries = 0

    async def follow(self, attempt: Attempt, finding: Finding) -> tuple[Attempt, Finding]:
        """From the first answer on: the attempt with the channel's reference, and its end."""
        while not finding.is_final:
            attempt = finding.named_on(attempt)
            await self._note(attempt, finding)
            if isinstance(finding.outcome, Unknown):
                finding = await self._find_out(attempt)
            else:
                finding = await self._await_news(attempt)
        if not isinstance(finding.outcome, Approved):
            finding = self._news_of_money(attempt) or finding
        return attempt, finding

    async def _await_news(self, attempt: Attempt) -> Finding:
        """Wait for a callback; ask after silence; close when it is not wanted any more."""
        while True:
            finding = await self._weigh_news(attempt)
            if finding and finding.is_final:
                return finding
            if self._close_is_due():
                finding = await self._close(attempt)
            elif self._payer_turned():
                finding = await self._close_for_another(attempt)
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

    async def _close_for_another(self, attempt: Attempt) -> Finding:
        """Close the serial so that another may be tried; if that is not certain, stay with it."""
        self._journal.report("closing this attempt", "let the payer pay in another way")
        self._told_to_close = self._turn_tried = True
        closed = await channel_calls.tell_to_close(self._order, attempt)
        finding = await self._ask(attempt)
        if not finding.is_final and isinstance(closed.outcome, Declined):
            finding = closed
        if isinstance(finding.outcome, Declined) or finding.is_unopened:
            return finding.for_another()
        if not finding.is_final and self._desk is not None:
            self._desk.stay()
        return finding

    # ---- its steps, in the order used ------------------------------------------------------------

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
        if self._desk is not None and not isinstance(finding.outcome, Unknown):
            self._desk.answer()

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

    def _payer_turned(self) -> bool:
        """Whether the payer chose another method, or paid a former attempt after all."""
        if self._desk is None or self._in_review:
            return False
        paid_before = self._news.watched_and_paid is not None and not self._turn_tried
        return self._desk.choice is not None or paid_before

    def _silence(self) -> timedelta:
        """How long to listen before asking: step by step, and never past the payer's time."""
        if self._in_review:
            return options.REVIEW_QUERY_EVERY
        steps = self._prepared.query_after
        step = steps[min(self._queries, len(steps) - 1)]
        left = self._order.expires_at - workflow.now()
        return max(timedelta(0), min(timedelta(seconds=step), left))

    async def _news_within(self, silence: timedelta) -> bool:
        """Whether a callback or a command arrived before `silence` was over."""
        waiting_for = "a person has to look" if self._in_review else "waiting for the payer"
        self._journal.report(waiting_for, "ask the channel", workflow.now() + silence)
        try:
            await workflow.wait_condition(
                lambda: self._news.is_waiting or self._has_new_cancel() or self._payer_turned(),
                timeout=silence,
                timeout_summary="silence before asking the channel",
            )
        except TimeoutError:
            return False
        return True
