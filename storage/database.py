"""The connection pool. Every transaction has a name, and is counted under it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from models.errors import InvariantBroken, Unavailable
from observability.checkpoints import reached
from observability.metrics import SQL_TRANSACTIONS

# A statement here touches a handful of rows: one that takes longer hangs, and is better ended.
_LIMITS = {
    "lock_timeout": "5s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
}
_CONNECT_TIMEOUT_SECONDS = 5
# How long a caller waits for a free connection before it is told to come back later.
_POOL_TIMEOUT_SECONDS = 5.0


class Database:
    """Connections, opened when first needed.

    At most `pool_size` for single statements, and as many for transactions. `url` is for work that
    brings a connection of its own; it holds the password.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 20,
        pool_timeout_seconds: float = _POOL_TIMEOUT_SECONDS,
        application_name: str = "paycenter",
    ) -> None:
        self.url = url
        # Two pools, as changing a pooled connection from one kind to the other would be one more
        # await in which a cancelled task can leave it behind.
        self._single, self._transactional = (
            create_async_engine(
                driver_url(url),
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=pool_timeout_seconds,
                isolation_level=isolation_level,
                hide_parameters=True,  # an error with a payer code in it would end in a log
                connect_args={
                    "options": " ".join(f"-c {name}={value}" for name, value in _LIMITS.items()),
                    "application_name": application_name,
                    "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
                },
            )
            for isolation_level in ("AUTOCOMMIT", "READ COMMITTED")
        )

    @asynccontextmanager
    async def transaction(self, name: str) -> AsyncIterator[AsyncConnection]:
        """One READ COMMITTED transaction, committed at the end and rolled back on any exception.

        Raises Unavailable when the database cannot be reached, is lost on the way, or keeps us
        waiting too long. If that happens at the commit, whether it took place is not known: all of
        `storage` is safe to run twice. A broken constraint that nobody expected is InvariantBroken.
        """
        async with self._translated(name), self._transactional.begin() as connection:
            yield connection
            await reached("before commit", name)

    @asynccontextmanager
    async def statement(self, name: str) -> AsyncIterator[AsyncConnection]:
        """For one statement that writes, and reads around it: two round trips fewer.

        Every statement in here commits on its own, so a second one that writes needs `transaction`;
        for reads nothing is different, since READ COMMITTED gives each of them a snapshot of its
        own. Raises what `transaction` raises.
        """
        async with self._translated(name), self._single.connect() as connection:
            await reached("before commit", name)
            yield connection

    @asynccontextmanager
    async def _translated(self, name: str) -> AsyncIterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                await self.close()
            raise Unavailable(f"the database is not available ({_kind_of(error)})") from error
        except IntegrityError as error:
            raise InvariantBroken(f"the database refused {name}: {error.orig}") from error
        SQL_TRANSACTIONS.labels(name).inc()
        await reached("after commit", name)

    async def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""
        async with self.transaction("ping") as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Drop every idle connection: those of a server that went away are of no use to anybody.

        New ones are opened when they are needed.
        """
        await self._single.dispose()
        await self._transactional.dispose()


def driver_url(url: str) -> str:
    """`postgresql://…` with the driver we use named in it."""
    scheme, separator, rest = url.partition("://")
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not separator:
        raise ValueError("a database url starts with postgresql://")
    return f"postgresql+psycopg://{rest}"


def _kind_of(error: Exception) -> str:
    """What went wrong, without the statement and its parameters."""
    cause = getattr(error, "orig", None)
    return type(cause or error).__name__
