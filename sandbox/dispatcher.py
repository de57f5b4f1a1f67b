"""Delivers notifications: at once, then on the provider's schedule until it hears success."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sandbox.faults import FaultQueue, FaultType, Taken, Target
from sandbox.outbox import Attempt, Notification, NotificationStatus, Outbox
from sandbox.posting import FORM_HEADERS, Poster, PostFailed

_UNDER_WAY_MAX = 64  # bounds sockets and memory; the rest waits in the outbox
_ANSWER_KEPT = 64
_LOOK_MAX = 1000  # rows read from the outbox at once
_LONGEST_NAP = timedelta(seconds=60)
_SHORTEST_NAP_SECONDS = 0.001

_AT_BIRTH = frozenset({FaultType.HOLD, FaultType.LOSE})
_AT_ATTEMPT = frozenset({FaultType.WRONG_AMOUNT, FaultType.BAD_SIGNATURE, FaultType.DUPLICATE})
_AT_SUCCESS = frozenset({FaultType.REORDER})


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told: about which trade, which status of it, to which address.

    `about` is the number of the refund that is the news, empty when it is the trade itself.
    """

    notify_id: str
    provider: str
    trade_no: str
    app_id: str
    out_trade_no: str
    method: str
    trade_status: str
    url: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One POST: its body, and its own header lines."""

    body: bytes
    headers: bytes = FORM_HEADERS


@dataclass(frozen=True, slots=True)
class Wording:
    """How a provider notifies: its retry schedule, its letters, and what it wants to hear.

    A letter is written anew for every attempt. `overtaken` are the statuses whose news an older
    letter may follow when it is told to reorder; `earlier` is that older news.
    """

    schedule: tuple[timedelta, ...]
    compose: Callable[[Notification, Taken], Letter]
    is_acknowledged: Callable[[int, bytes], bool]
    overtaken: frozenset[str]
    earlier: Callable[[Notification], News]


class Dispatcher:
    """The one sender. What is due but unsent when the process dies is sent after the restart."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        faults: FaultQueue,
        wordings: Mapping[str, Wording],
        now: Callable[[], datetime],
        time_scale: float,
        progress: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._faults = faults
        self._wordings = wordings
        self._now = now
        self.time_scale = time_scale
        self._progress = progress
        self._wake = asyncio.Event()
        self._queue: deque[str] = deque()
        self._look_at = now()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._passed_over: set[str] = set()
        self._poster = Poster()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.create_task(self._run())

    async def stop(self) -> None:
        tasks = [*self._under_way.values(), *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._poster.close()

    def announce(self, news: News) -> None:
        """Queue news. Called inside the transaction that made it."""
        faults = self._faults.take(
            _AT_BIRTH, Target.NOTIFICATION, method=news.method, out_trade_no=news.out_trade_no
        )
        self._add(news, faults)

    def look_again(self) -> None:
        """Something in the outbox became due in another way than by time."""
        self._look_by(self._now())

    def is_idle(self, within: timedelta) -> bool:
        return not self._under_way and not self._outbox.due(self._now() + within, 1)

    async def deliver(self, notify_id: str) -> None:
        """Make one attempt now and return when it is over, however it ends."""
        notification = self._outbox.find(notify_id)
        if notification is not None:
            await asyncio.wait([self._begin(notification)])

    async def deliver_all(self, *, trade_no: str, out_trade_no: str) -> int:
        """One attempt now for each of a trade's notifications that is not lost or held."""
        waiting = {NotificationStatus.LOST, NotificationStatus.HELD}
        found = self._outbox.list_notifications(out_trade_no=out_trade_no)
        ready = [n for n in found if n.trade_no == trade_no and n.status not in waiting]
        for notification in ready:
            await self.deliver(notification.notify_id)
        return len(ready)

    def _add(self, news: News, faults: Taken) -> None:
        now = self._now()
        status, next_at = _first_attempt(faults, now)
        self._outbox.add(
            Notification(**asdict(news), status=status, created_at=now, next_at=next_at)
        )
        if status is NotificationStatus.PENDING and next_at == now:
            self._queue.append(news.notify_id)
            self._wake.set()
        elif next_at is not None:
            self._look_by(next_at)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            if not self._queue and self._look_at <= self._now():
                self._look()
            while self._queue and len(self._under_way) < _UNDER_WAY_MAX:
                self._take_up(self._queue.popleft())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._nap_seconds()):
                    await self._wake.wait()

    def _nap_seconds(self) -> float | None:
        """How long there is nothing to do; None when only a finished attempt can help."""
        if self._queue:
            return None
        return max((self._look_at - self._now()).total_seconds(), _SHORTEST_NAP_SECONDS)

    def _look(self) -> None:
        """Queue what the outbox has due, and note when to look again."""
        now = self._now()
        due = [notification.notify_id for notification in self._outbox.due(now, _LOOK_MAX)]
        self._queue.extend(notify_id for notify_id in due if notify_id not in self._under_way)
        self._passed_over.update(notify_id for notify_id in due if notify_id in self._under_way)
        following = self._outbox.next_due_after(now) or now + _LONGEST_NAP
        self._look_at = now if len(due) == _LOOK_MAX else min(following, now + _LONGEST_NAP)

    def _look_by(self, at: datetime) -> None:
        self._look_at = min(self._look_at, at)
        self._wake.set()

    def _take_up(self, notify_id: str) -> None:
        notification = self._outbox.find(notify_id)
        if notification is not None and notification.is_due(self._now()):
            self._begin(notification)

    def _begin(self, notification: Notification) -> asyncio.Task[None]:
        known = self._under_way.get(notification.notify_id)
        if known is not None:
            return known
        task = asyncio.create_task(self._attempt(notification))
        self._under_way[notification.notify_id] = task
        task.add_done_callback(lambda _: self._finished(notification.notify_id))
        return task

    def _finished(self, notify_id: str) -> None:
        del self._under_way[notify_id]
        if notify_id in self._passed_over:  # its next attempt may have been due meanwhile
            self._passed_over.discard(notify_id)
            self._look_by(self._now())
        self._progress()
        self._wake.set()

    async def _attempt(self, notification: Notification) -> None:
        wording = self._wordings[notification.provider]
        faults = self._strikes(_AT_ATTEMPT, notification)
        letter = wording.compose(notification, faults)
        copies = faults[FaultType.DUPLICATE].copies if FaultType.DUPLICATE in faults else 1
        number = notification.attempts + 1
        attempts = await asyncio.gather(
            *(self._post(notification, letter, number) for _ in range(copies))
        )
        acknowledged = any(attempt.acknowledged for attempt in attempts)
        moved = self._after(notification, acknowledged=acknowledged)
        self._outbox.record(moved, tuple(attempts))
        if moved.next_at is not None:
            self._look_by(moved.next_at)
        overtakes = notification.trade_status in wording.overtaken
        if acknowledged and overtakes and self._strikes(_AT_SUCCESS, notification):
            self._add(wording.earlier(notification), {})

    def _strikes(self, types: frozenset[FaultType], notification: Notification) -> Taken:
        return self._faults.take(
            types,
            Target.NOTIFICATION,
            method=notification.method,
            out_trade_no=notification.out_trade_no,
        )

    async def _post(self, notification: Notification, letter: Letter, number: int) -> Attempt:
        at = self._now()
        wording = self._wordings[notification.provider]
        try:
            status, answer = await self._poster.post(notification.url, letter.body, letter.headers)
        except PostFailed as failed:
            return Attempt(number=number, at=at, error=str(failed))
        return Attempt(
            number=number,
            at=at,
            http_status=status,
            answer=answer[:_ANSWER_KEPT].decode("utf-8", "replace"),
            acknowledged=wording.is_acknowledged(status, answer),
        )

    def _after(self, notification: Notification, *, acknowledged: bool) -> Notification:
        attempts = notification.attempts + 1
        schedule = self._wordings[notification.provider].schedule
        if acknowledged or notification.status is NotificationStatus.ACKNOWLEDGED:
            status, next_at = NotificationStatus.ACKNOWLEDGED, None
        elif attempts < len(schedule):
            pause = schedule[attempts] * self.time_scale
            status, next_at = NotificationStatus.PENDING, self._now() + pause
        else:
            status, next_at = NotificationStatus.EXHAUSTED, None
        return notification.model_copy(
            update={"status": status, "next_at": next_at, "attempts": attempts}
        )


def _first_attempt(faults: Taken, now: datetime) -> tuple[NotificationStatus, datetime | None]:
    if FaultType.LOSE in faults:
        return NotificationStatus.LOST, None
    hold = faults.get(FaultType.HOLD)
    if hold is None:
        return NotificationStatus.PENDING, now
    if hold.seconds is None:
        return NotificationStatus.HELD, None
    return NotificationStatus.PENDING, now + timedelta(seconds=hold.seconds)
