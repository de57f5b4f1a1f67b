"""Channel accounts, decrypted and parsed once per version."""

from channels.base import Account
from channels.registry import ChannelRegistry
from models.channel import Route
from models.errors import ChannelMisconfigured
from storage import channel_accounts
from storage.database import Database
from storage.vault import Vault

# Enough for every account of a large house; one entry is a few kilobytes.
_CACHE_MAX = 10_000


class AccountReader:
    """Gives activities the account of a route. The cache key is the version, so it never lies."""

    def __init__(self, database: Database, vault: Vault, registry: ChannelRegistry) -> None:
        self._database = database
        self._vault = vault
        self._registry = registry
        self._cache: dict[tuple[str, int], Account] = {}

    async def account_of(self, route: Route) -> Account:
        """The account of `route`; raises ChannelMisconfigured when it is gone."""
        key = (route.account_id, route.account_version)
        if key not in self._cache:
            if len(self._cache) >= _CACHE_MAX:
                self._cache.clear()
            self._cache[key] = await self._read(route)
        return self._cache[key]

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
