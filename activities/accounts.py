"""Channel accounts, decrypted and parsed once and for a while."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from channels.base import Account
from channels.registry import ChannelRegistry
from models.channel import Route
from models.errors import ChannelMisconfigured
from storage import channel_accounts
from storage.database import Database
from storage.vault import Vault

# Enough for every account of a large house; one entry is a few kilobytes.
_CACHE_MAX = 10_000
# Longest that an account whose parameters were replaced is used with the former ones.
_FRESH_SECONDS = 60.0


@dataclass(frozen=True)
class _Read:
    account: Account
    at: float

    def serves(self, route: Route, now: float) -> bool:
        return self.account.version >= route.account_version and now - self.at < _FRESH_SECONDS


class AccountReader:
    """Gives activities the account of a route, with the newest parameters it has.

    A route names the version it was chosen with. Later versions are the same account at the
    channel, so what is under way is asked for, captured and given back with the newest ones: at
    once when any route names them, and after `_FRESH_SECONDS` anyway. Rotations overlap for longer.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        registry: ChannelRegistry,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._cache: dict[str, _Read] = {}

    async def account_of(self, route: Route) -> Account:
        """The account of `route`; raises ChannelMisconfigured when it is gone."""
        now, kept = self._clock(), self._cache.get(route.account_id)
        if kept is not None and kept.serves(route, now):
            return kept.account
        if len(self._cache) >= _CACHE_MAX:
            self._cache.clear()
        account = await self._read(route)
        self._cache[route.account_id] = _Read(account, now)
        return account

    async def _read(self, route: Route) -> Account:
        async with self._database.transaction("read channel account") as connection:
            stored = await channel_accounts.read_parameters(
                connection, self._vault, route.account_id
            )
        if stored is None:
            raise ChannelMisconfigured(f"channel account {route.account_id} does not exist")
        return self._registry.account(
            stored.account.id,
            version=stored.account.version,
            channel=route.channel,
            parameters=stored.parameters,
        )
