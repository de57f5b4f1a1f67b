"""When keys were last used, without a write on the way of a payment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

from models.errors import Unavailable
from observability.logs import logger
from storage.database import Database
from storage.keys import note_use

_log = logger(__name__)

# What is written is right to this; `storage.keys` leaves fresher ones alone.
_EXACT_TO = timedelta(hours=1)
_WRITE_EVERY_SECONDS = 60


class KeyUsage:
    """Remembers uses until they are written. Only keys that exist get here, so it stays small.

    What a killed process remembered is lost: a last use may be told a minute too early.
    """

    def __init__(self) -> None:
        self._written: dict[str, datetime] = {}
        self._waiting: dict[str, datetime] = {}

    def note(self, key_id: str, now: datetime) -> None:
        written = self._written.get(key_id)
        if written is None or now - written >= _EXACT_TO:
            self._waiting[key_id] = now

    async def write(self, database: Database) -> None:
        """Write down what was noted; raises Unavailable, and then keeps it."""
        waiting = dict(self._waiting)
        if not waiting:
            return
        async with database.statement("note key use") as connection:
            await note_use(connection, waiting)
        self._written |= waiting
        self._waiting = {k: at for k, at in self._waiting.items() if waiting.get(k) != at}

    @asynccontextmanager
    async def written_by_the_way(self, database: Database) -> AsyncIterator[None]:
        """Write every minute, and once more at the end."""
        writing = asyncio.create_task(self._keep_writing(database))
        try:
            yield
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            await self._try_to_write(database)

    async def _keep_writing(self, database: Database) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_SECONDS)
            await self._try_to_write(database)

    async def _try_to_write(self, database: Database) -> None:
        try:
            await self.write(database)
        except Unavailable as error:
            _log.warning("key_use_not_written", reason=error.detail)
