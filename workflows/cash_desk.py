"""Our cash desk, where the payer chooses how to pay: what was chosen, tried, and is due next."""

from datetime import timedelta

from temporalio import workflow

from models.payment import Attempt, Choice, PaymentStatus
from workflows.commands import Commands
from workflows.journal import Journal
from workflows.news import News

# A payer who was refused so often is not going to pay; and serials are no toys.
CHOICES_MAX = 9


class CashDesk:
    """`choice` is what the payer chose and nobody took up yet."""

    def __init__(self, journal: Journal, news: News, commands: Commands) -> None:
        self.choice: Choice | None = None
        self._journal = journal
        self._news = news
        self._commands = commands
        self._taken: Choice | None = None
        self._tried: list[Attempt] = []
        self._choices = 0

    # ---- what the payer says ---------------------------------------------------------------------

    def counts(self, choice: Choice) -> bool:
        """Whether it is about the next attempt, while that may be made.

        Two tabs, or a second click, join the first.
        """
        under_way = self.choice or self._taken
        if under_way is not None:
            return under_way == choice
        return choice.number == self.next_number and self._may_choose()

    def hear(self, choice: Choice) -> None:
        """Let the process take it up, unless it joins one that is under way."""
        if self.counts(choice) and choice != self._taken:
            self.choice = choice

    def is_open_for(self, choice: Choice) -> bool:
        """Whether the payer still waits for what becomes of a choice."""
        return choice in (self.choice, self._taken)

    def _may_choose(self) -> bool:
        """Not while it is unknown whether money moved."""
        return self._journal.state.status is PaymentStatus.REQUIRES_ACTION

    # ---- what the process does with it -----------------------------------------------------------

    @property
    def next_number(self) -> int:
        """The number of the attempt that comes next."""
        return len(self._tried) + 1

    @property
    def has_choices_left(self) -> bool:
        return self._choices < CHOICES_MAX

    async def next_step(self) -> Choice | Attempt | None:
        """What comes next: a choice, a former attempt that was paid, or None to close the desk."""
        left = self._journal.order.expires_at - workflow.now()
        self._journal.report(
            "the payer chooses how to pay", "close the desk", workflow.now() + left
        )
        try:
            await workflow.wait_condition(
                self._has_something, timeout=max(timedelta(0), left), timeout_summary="cash desk"
            )
        except TimeoutError:
            return None
        paid = self._news.watched_and_paid
        if paid is not None:
            return next(attempt for attempt in self._tried if attempt.serial == paid)
        if self._commands.cancellation is not None:
            return None
        self._taken, self.choice = self.choice, None
        self._choices += 1
        return self._taken

    def _has_something(self) -> bool:
        return (
            self.choice is not None
            or self._commands.cancellation is not None
            or self._news.watched_and_paid is not None
        )

    def reserve(self, attempt: Attempt) -> None:
        """An attempt was reserved: its number is used."""
        self._tried.append(attempt)

    def answer(self) -> None:
        """The payer knows what becomes of the choice."""
        self._taken = None

    def stay(self) -> None:
        """The attempt under way could not be closed for certain: another is not tried."""
        self.choice = None

    def watch_former(self) -> None:
        """No attempt is under way; money on one of them would still be the payer's."""
        for attempt in self._tried:
            self._news.watch(attempt.serial)
