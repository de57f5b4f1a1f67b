"""Delivers notifications: at once, then on the provider's schedule until it hears success."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.books import Trade
from sandbox.desk import BEIJING
from sandbox.faults import FaultQueue, FaultType, Taken, Target
from sandbox.outbox import Attempt, Notification, NotificationStatus, Outbox
from sandbox.posting import Poster, PostFailed

_UNDER_WAY_MAX = 64  # bounds sockets and memory; the rest waits in the outbox
_ANSWER_KEPT = 64
_OK = 200
_LOOK_MAX = 1000  # rows read from the outbox at once
_LONGEST_NAP = timedelta(seconds=60)
_SHORTEST_NAP_SECONDS = 0.001
_ID_BYTES = 13

_AT_BIRTH = frozenset({FaultType.HOLD, FaultType.LOSE})
_AT_ATTEMPT = frozenset({FaultType.WRONG_AMOUNT, FaultType.BAD_SIGNATURE, FaultType.DUPLICATE})
_AT_SUCCESS = frozenset({FaultType.REORDER})


@dataclass(frozen=True, slots=True)
class Wording:
    """How a provider notifies: its words, its retry schedule, and what it wants to hear."""

    paid: str
    earlier: str
    schedule: tuple[timedelta, ...]
    acknowledgement: bytes
    compose: Callable[[Notification, Trade, Taken], bytes]


class Dispatcher:
    """The one sender. What is due but unsent when the process dies is sent after the restart."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        faults: FaultQueue,
        wording: Wording,
        now: Callable[[], datetime],
        time_scale: float,
        progress: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._faults = faults
        self._wording = wording
        self._now = now
        self.time_scale = time_scale
        self._progress = progress
        self._wake = asyncio.Event()
        self._queue: deque[str] = deque()
        self._look_at = now()
        self._under_way: dict[str, asyncio.Task[None]] = {}
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

    def announce(self, trade: Trade) -> None:
        """Queue the news that a trade was paid. Called inside the paying transaction."""
        if trade.notify_url:
            self._add(trade, trade.notify_url, self._wording.paid, self._at_birth(trade))

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

    async def deliver_all(self, trade: Trade) -> int:
        """One attempt now for each of a trade's notifications that is not lost or held."""
        waiting = {NotificationStatus.LOST, NotificationStatus.HELD}
        found = self._outbox.list_notifications(out_trade_no=trade.out_trade_no)
        ready = [n for n in found if n.trade_no == trade.trade_no and n.status not in waiting]
        for notification in ready:
            await self.deliver(notification.notify_id)
        return len(ready)

    def _at_birth(self, trade: Trade) -> Taken:
        return self._faults.take(
            _AT_BIRTH, Target.NOTIFICATION, method=trade.method, out_trade_no=trade.out_trade_no
        )

    def _add(self, trade: Trade, url: str, trade_status: str, faults: Taken) -> None:
        now = self._now()
        status, next_at = _first_attempt(faults, now)
        notify_id = f"{now.astimezone(BEIJING):%Y%m%d}{secrets.token_hex(_ID_BYTES)}"
        self._outbox.add(
            Notification(
                notify_id=notify_id,
                trade_no=trade.trade_no,
                app_id=trade.app_id,
                out_trade_no=trade.out_trade_no,
                method=trade.method,
                trade_status=trade_status,
                url=url,
                status=status,
                created_at=now,
                next_at=next_at,
            )
        )
        if status is NotificationStatus.PENDING and next_at == now:
            self._queue.append(notify_id)
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
        self._progress()
        self._wake.set()

    async def _attempt(self, notification: Notification) -> None:
        trade = self._outbox.books.find_by_trade_no(notification.trade_no)
        if trade is None:
            raise LookupError(f"notification {notification.notify_id} has no trade")
        faults = self._faults.take(
            _AT_ATTEMPT, Target.NOTIFICATION, method=trade.method, out_trade_no=trade.out_trade_no
        )
        body = self._wording.compose(notification, trade, faults)
        copies = faults[FaultType.DUPLICATE].copies if FaultType.DUPLICATE in faults else 1
        number = notification.attempts + 1
        attempts = await asyncio.gather(
            *(self._post(notification.url, body, number) for _ in range(copies))
        )
        acknowledged = any(attempt.acknowledged for attempt in attempts)
        moved = self._after(notification, acknowledged=acknowledged)
        self._outbox.record(moved, tuple(attempts))
        if moved.next_at is not None:
            self._look_by(moved.next_at)
        if acknowledged and notification.trade_status == self._wording.paid:
            self._follow_with_old_news(trade, notification.url)

    def _follow_with_old_news(self, trade: Trade, url: str) -> None:
        strikes = self._faults.take(
            _AT_SUCCESS, Target.NOTIFICATION, method=trade.method, out_trade_no=trade.out_trade_no
        )
        if strikes:
            self._add(trade, url, self._wording.earlier, {})

    async def _post(self, url: str, body: bytes, number: int) -> Attempt:
        at = self._now()
        try:
            status, answer = await self._poster.post(url, body)
        except PostFailed as failed:
            return Attempt(number=number, at=at, error=str(failed))
        return Attempt(
            number=number,
            at=at,
            http_status=status,
            answer=answer[:_ANSWER_KEPT].decode("utf-8", "replace"),
            acknowledged=status == _OK and answer == self._wording.acknowledgement,
        )

    def _after(self, notification: Notification, *, acknowledged: bool) -> Notification:
        attempts = notification.attempts + 1
        if acknowledged or notification.status is NotificationStatus.ACKNOWLEDGED:
            status, next_at = NotificationStatus.ACKNOWLEDGED, None
        elif attempts < len(self._wording.schedule):
            pause = self._wording.schedule[attempts] * self.time_scale
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
