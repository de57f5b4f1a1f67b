"""The channels we have, by name: every adapter in this package, found by its file."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import SecretStr, ValidationError

import channels
from channels.base import Account, Channel, ChannelParameters, Method, Surroundings
from channels.http import ChannelHttp
from models.errors import ChannelMisconfigured, InvalidRequest, NotFound, Problem

# Parsing an RSA key costs 40 ms, so accounts in use are kept parsed; 1,000 of them take a few MiB.
_ACCOUNTS_KEPT = 1_000

# How far a channel's clock may be from ours before "expired here" means "expired there".
CLOCK_MARGIN = timedelta(seconds=60)

_NO_ADAPTERS = frozenset({"base", "http", "registry"})


def build_registry(
    http: ChannelHttp,
    *,
    urls: Mapping[str, str] | None = None,
    clock_margin: timedelta = CLOCK_MARGIN,
) -> "ChannelRegistry":
    """All channels, calling out through `http`.

    `urls`: where some of them are, by name, instead of their public addresses. Raises ValueError
    for a name that no adapter has.
    """
    places, found = dict(urls or {}), []
    for name, is_package in _adapters():
        module = import_module(f"channels.{name}.adapter" if is_package else f"channels.{name}")
        around = Surroundings(http=http, url=places.pop(name, None), clock_margin=clock_margin)
        channel: Channel = module.build_channel(around)
        found.append(channel)
    if places:
        raise ValueError(f"there is no channel {', '.join(sorted(places))}")
    return ChannelRegistry(tuple(found))


@asynccontextmanager
async def open_registry(
    *, urls: Mapping[str, str] | None = None, connect_timeout: timedelta, read_timeout: timedelta
) -> AsyncIterator["ChannelRegistry"]:
    """All channels with an HTTP client of their own, closed at the end."""
    async with ChannelHttp(connect_timeout=connect_timeout, read_timeout=read_timeout) as http:
        yield build_registry(http, urls=urls)


class ChannelRegistry:
    """Adapters by name, and everything about them the API and the workers ask."""

    def __init__(
        self, channels: tuple[Channel, ...], *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock or _utc_now
        self._accounts: OrderedDict[tuple[str, str, int], tuple[dict[str, str], Account]] = (
            OrderedDict()
        )

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._channels))

    def get(self, name: str) -> Channel:
        """The adapter. Raises NotFound for a channel we do not have."""
        try:
            return self._channels[name]
        except KeyError:
            raise NotFound(f"there is no channel {name!r}", code="channel-not-found") from None

    def methods(self) -> dict[str, tuple[str, Method]]:
        """Every method by its name, with the name of its channel."""
        return {
            method.name: (channel.name, method)
            for channel in self._channels.values()
            for method in channel.capabilities.methods
        }

    def parameters_schema(self, name: str) -> dict[str, Any]:
        """JSON Schema of a channel's parameters; secret ones are `writeOnly`."""
        return self.get(name).parameters.model_json_schema()

    def parse_parameters(self, name: str, parameters: Mapping[str, object]) -> ChannelParameters:
        """Check parameters as entered, certificates against today.

        Raises InvalidRequest with one problem per field, and never repeats a value.
        """
        model = self.get(name).parameters
        try:
            return model.model_validate(dict(parameters), context={"now": self._clock()})
        except ValidationError as error:
            problems = _problems(error)
        raise InvalidRequest("the channel parameters cannot work", problems=problems)

    def split_secrets(self, parameters: ChannelParameters) -> tuple[dict[str, str], dict[str, str]]:
        """The public fields and the secret ones, as text; unset fields are in neither."""
        public: dict[str, str] = {}
        secrets: dict[str, str] = {}
        for field in type(parameters).model_fields:
            value = getattr(parameters, field)
            if isinstance(value, SecretStr):
                secrets[field] = value.get_secret_value()
            elif value is not None:
                public[field] = str(value)
        return public, secrets

    def account(
        self, account_id: str, version: int, channel: str, parameters: Mapping[str, str]
    ) -> Account:
        """An account ready to use, parsed once per version.

        Certificates may have run out since they were entered: answers then fail to verify, which is
        for the adapter to say. Raises ChannelMisconfigured when the parameters cannot be read.
        """
        key, given = (channel, account_id, version), dict(parameters)
        kept = self._accounts.get(key)
        if kept is not None and kept[0] == given:
            self._accounts.move_to_end(key)
            return kept[1]
        try:
            parsed = self.get(channel).parameters.model_validate(given)
        except ValidationError as error:
            words = "; ".join(f"{p.pointer} {p.detail}" for p in _problems(error))
            raise ChannelMisconfigured(f"account {account_id}: {words}") from None
        account = Account(id=account_id, version=version, parameters=parsed)
        self._accounts[key] = (given, account)
        if len(self._accounts) > _ACCOUNTS_KEPT:
            self._accounts.popitem(last=False)
        return account


def _adapters() -> tuple[tuple[str, bool], ...]:
    """The name of each adapter in this package, and whether it is a folder."""
    modules = sorted(iter_modules(channels.__path__), key=lambda module: module.name)
    return tuple((one.name, one.ispkg) for one in modules if one.name not in _NO_ADAPTERS)


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            pointer="/".join(("#/parameters", *_location(e["loc"], e.get("ctx") or {}))),
            code=e["type"].replace("_", "-"),
            detail=e["msg"],
        )
        for e in error.errors(include_url=False, include_input=False)
    )


def _location(loc: tuple[int | str, ...], context: Mapping[str, object]) -> tuple[str, ...]:
    """Where the error is: an adapter's own check over several fields names one in its context."""
    field = context.get("field")
    parts = (*loc, field) if isinstance(field, str) else loc
    return tuple(str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _utc_now() -> datetime:
    return datetime.now(UTC)
