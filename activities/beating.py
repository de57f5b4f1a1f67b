"""Heartbeats of steps that take long, so that a lost worker shows within half a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

# A sixth of the shortest heartbeat timeout there is (`workflows.options`).
_EVERY_SECONDS = 5.0


class Stopped(Exception):
    """The step is not wanted any more; what it did so far is undone by whoever hears this."""


class Progress:
    """How far a step is. A thread tells it, the event loop reports it."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._done = 0
        self._stopped = False

    def reach(self, done: int) -> None:
        """Raises Stopped in a thread whose step was cancelled."""
        if self._stopped:
            raise Stopped(self._doing)
        self._done = done

    def stop(self) -> None:
        self._stopped = True

    def report(self) -> None:
        activity.heartbeat(self._doing, self._done)


@asynccontextmanager
async def beating(doing: str) -> AsyncIterator[Progress]:
    """Heartbeats while the block runs. A thread that is still at work after it is told to stop."""
    progress = Progress(doing)
    beats = asyncio.create_task(_beat(progress))
    try:
        yield progress
    finally:
        progress.stop()
        beats.cancel()
        with suppress(asyncio.CancelledError):
            await beats


async def _beat(progress: Progress) -> None:
    while True:
        progress.report()
        await asyncio.sleep(_EVERY_SECONDS)
