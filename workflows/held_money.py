"""Money a channel holds for a payment with manual capture, until it is taken or given up.

A hold is no money of ours: nothing of it is in the books before some of it is captured. Capture
and release are asked for again, under the same number, until the channel says what it did.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain import lifecycle
from models.channel import Approved, Declined, Unknown
from models.payment import Attempt, Preparation
from workflows import channel_calls
from workflows.commands import Commands
from workflows.findings import Finding, from_event, from_failure
from workflows.journal import Journal
from workflows.news import News

# Before the channel is asked once more for what it did not answer. The last step repeats.
ASK_AGAIN_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300, 1800, 3600, 21600)
)
# After so many rounds (about two hours) a person is asked to look; asking goes on.
ROUNDS_BEFORE_REVIEW = 7


class HeldMoney:
    """The part of a payment between authorization and its end."""

    def __init__(
        self, journal: Journal, news: News, commands: Commands, prepared: Preparation
    ) -> None:
        self._journal = journal
        self._order = journal.order
        self._news = news
        self._commands = commands
        self._prepared = prepared
        self._rounds = 0

    async def settle(self, attempt: Attempt, hold: Finding) -> None:
        """Write the hold down, wait for what becomes of it, and book that."""
        until = workflow.now() + timedelta(seconds=self._prepared.hold_within)
        held = lifecycle.held(self._journal.state, until=until)
        await self._journal.book(held, hold.evidence, attempt=attempt, finding=hold)
        attempt = hold.applied_to(attempt, held)
        finding = await self._end_of(attempt, until)
        after = lifecycle.ended(
            self._journal.state,
            finding.outcome,
            ordered=self._order.money,
            is_overdue=workflow.now() >= until,
            is_canceled=self._commands.cancellation is not None,
        )
        await self._journal.book(after, finding.evidence, attempt=attempt, finding=finding)

    async def _end_of(self, attempt: Attempt, until: datetime) -> Finding:
        """The channel's word that the money was taken, or that it is not held any more."""
        while True:
            await self._until_something_is_due(until)
            if self._news.is_waiting:
                finding = await self._weigh_news(attempt)
            elif self._commands.capture is not None:
                finding = await self._capture(attempt)
            elif self._is_to_be_released(until):
                finding = await self._release(attempt)
            else:
                continue
            if finding.is_final and not finding.is_held:
                return finding
            if self._commands.capture is not None or self._is_to_be_released(until):
                await self._ask_again_later(attempt, finding)

    def _is_to_be_released(self, until: datetime) -> bool:
        return self._commands.cancellation is not None or workflow.now() >= until

    async def _until_something_is_due(self, until: datetime) -> None:
        left = max(timedelta(0), until - workflow.now())
        self._journal.report("money is held", "release it unless it is captured", until)
        try:
            await workflow.wait_condition(
                lambda: (
                    self._news.is_waiting
                    or self._commands.capture is not None
                    or self._commands.cancellation is not None
                ),
                timeout=left,
                timeout_summary="money is held",
            )
        except TimeoutError:
            return

    async def _weigh_news(self, attempt: Attempt) -> Finding:
        """News of a capture counts when it is the one we asked for; otherwise we ask."""
        event = self._news.take(attempt.serial)
        if event is None:
            return Finding.unknown("news of another serial")
        finding = from_event(event).checked(self._order)
        if finding.is_held or isinstance(finding.outcome, Declined) or self._is_ours(finding):
            return finding
        return await self._ask(attempt)

    def _is_ours(self, finding: Finding) -> bool:
        asked = self._commands.capture
        return (
            asked is not None
            and isinstance(finding.outcome, Approved)
            and finding.outcome.money == asked.money
        )

    async def _capture(self, attempt: Attempt) -> Finding:
        """Take what was asked for. A refusal counts only once the hold is seen to be gone."""
        command = self._commands.capture
        if command is None:
            return Finding.unknown("no capture was asked for")
        self._journal.report(f"capturing {command.money}", "book what the channel says")
        finding = await channel_calls.capture(
            self._order, attempt, command.money, notify_url=self._prepared.notify_url
        )
        if not isinstance(finding.outcome, Declined):
            return finding
        now = await self._ask(attempt)
        if now.is_held:
            self._commands.capture = None  # the app may ask for another amount, or let it go
        return now

    async def _release(self, attempt: Attempt) -> Finding:
        """Give up the hold, then ask: somebody may have captured it at the channel."""
        self._journal.report("releasing the money", "settle what the query says")
        told = await channel_calls.release(self._order, attempt)
        finding = await self._ask(attempt)
        if isinstance(finding.outcome, Unknown) and isinstance(told.outcome, Declined):
            return told
        return finding

    async def _ask_again_later(self, attempt: Attempt, finding: Finding) -> None:
        """Pause until the next round, or until the channel says something by itself."""
        self._rounds += 1
        if self._rounds == 1 and isinstance(finding.outcome, Unknown):
            after = lifecycle.answered(self._journal.state, finding.outcome)
            await self._journal.record(after, attempt, finding)
        if self._rounds == ROUNDS_BEFORE_REVIEW:
            after = lifecycle.needs_review(self._journal.state)
            await self._journal.book(after, finding.evidence, attempt=attempt, finding=finding)
        pause = ASK_AGAIN_AFTER[min(self._rounds, len(ASK_AGAIN_AFTER)) - 1]
        self._journal.report("the channel has not answered", "ask again", workflow.now() + pause)
        try:
            await workflow.wait_condition(
                lambda: self._news.is_waiting, timeout=pause, timeout_summary="before asking again"
            )
        except TimeoutError:
            return

    async def _ask(self, attempt: Attempt) -> Finding:
        try:
            answer = await channel_calls.start_query(self._order, attempt, until_known_within=None)
        except ActivityError as error:
            return from_failure(error, may_have_been_sent=True)
        return Finding.from_query(answer).checked(self._order)
