"""Lets time pass for what takes it: processing payments, and refunds that end later."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sandbox.stripe.books import StripeBooks
from sandbox.stripe.models import Intent, Refund

_SHORTEST_SECONDS = 0.001


class Settler:
    """Ends things at the time they were promised. What a dead process left is taken up again."""

    def __init__(
        self,
        *,
        books: StripeBooks,
        now: Callable[[], datetime],
        after: Callable[[], timedelta],
        progress: Callable[[], None],
    ) -> None:
        self._books = books
        self._now = now
        self._after = after
        self._progress = progress
        self._settle: Callable[[Intent | Refund], object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due_at: datetime | None = None

    def start(self, settle: Callable[[Intent | Refund], object]) -> None:
        self._settle = settle
        self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def promise(self) -> datetime:
        """When something that begins now will end; it is looked at then."""
        at = self._now() + self._after()
        self._look_by(at)
        return at

    def is_idle(self, within: timedelta) -> bool:
        waiting = self._books.unsettled()
        return not waiting or _end(waiting[0]) > self._now() + within

    def _look_by(self, at: datetime) -> None:
        if self._due_at is not None and self._due_at <= at:
            return
        self.stop()
        pause = max((at - self._now()).total_seconds(), _SHORTEST_SECONDS)
        self._due_at = at
        self._timer = asyncio.get_running_loop().call_later(pause, self._look)

    def _look(self) -> None:
        self._due_at = None
        for waiting in self._books.unsettled():
            if _end(waiting) > self._now():
                self._look_by(_end(waiting))
                break
            if self._settle is not None:
                self._settle(waiting)
        self._progress()


def _end(waiting: Intent | Refund) -> datetime:
    if waiting.settles_at is None:
        raise ValueError(f"{waiting.id} waits for nothing")
    return waiting.settles_at
