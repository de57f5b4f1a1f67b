"""Who waits for a payment to move. One question a second for all of them, while anybody waits."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from models.errors import RateLimited, Unavailable
from observability.logs import logger
from storage.checkout import read_versions
from storage.database import Database

_log = logger(__name__)

_EVERY_SECONDS = 1.0
# A payer has a few tabs; more than this per payment is no payer.
WATCHERS_MAX = 8
_RETRY = timedelta(seconds=30)


class Watch:
    """Follows payments by the version of their rows."""

    def __init__(self, every_seconds: float = _EVERY_SECONDS) -> None:
        self._every = every_seconds
        self._queues: defaultdict[str, set[asyncio.Queue[int]]] = defaultdict(set)
        self._asking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def following(
        self, database: Database, payment_id: str
    ) -> AsyncIterator[asyncio.Queue[int]]:
        """A queue that gets the payment's version once a second. Raises RateLimited."""
        self.expect_room(payment_id)
        queues = self._queues[payment_id]
        mine: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
        queues.add(mine)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(database))
        try:
            yield mine
        finally:
            queues.discard(mine)
            if not queues:
                self._queues.pop(payment_id, None)

    def expect_room(self, payment_id: str) -> None:
        """Raises RateLimited when too many watch a payment already."""
        if len(self._queues.get(payment_id, ())) >= WATCHERS_MAX:
            raise RateLimited("too many watch this payment", retry_after=_RETRY)

    async def _ask(self, database: Database) -> None:
        while self._queues:
            try:
                async with database.statement("watch payments") as connection:
                    versions = await read_versions(connection, tuple(self._queues))
            except Unavailable as error:
                _log.warning("watch_postponed", reason=str(error))
                versions = {}
            for payment_id, version in versions.items():
                for queue in self._queues.get(payment_id, ()):
                    if queue.full():
                        queue.get_nowait()
                    queue.put_nowait(version)
            await asyncio.sleep(self._every)
