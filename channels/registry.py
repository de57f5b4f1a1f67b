"""The channels we have, by name. Adding one is its adapter and one line in `build_registry`."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr, ValidationError

from channels.alipay.adapter import CLOCK_MARGIN, AlipayChannel
from channels.base import Account, Channel, ChannelParameters, Method
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from models.errors import ChannelMisconfigured, InvalidRequest, NotFound, Problem

# Parsing an RSA key costs 40 ms, so accounts in use are kept parsed; 1,000 of them take a few MiB.
_ACCOUNTS_KEPT = 1_000

STRIPE_API_URL = "https://api.stripe.com"


def build_registry(
    http: ChannelHttp,
    *,
    alipay_gateway_url: str,
    stripe_api_url: str = STRIPE_API_URL,
    clock_margin: timedelta = CLOCK_MARGIN,
) -> "ChannelRegistry":
    """All channels, calling out through `http`.

    `clock_margin` is how far a channel's clock may be from ours: only after it does "not there any
    more" count.
    """
    return ChannelRegistry(
        (
            AlipayChannel(http, gateway_url=alipay_gateway_url, clock_margin=clock_margin),
            StripeChannel(http, api_url=stripe_api_url),
        )
    )


@asynccontextmanager
async def open_registry(
    *,
    alipay_gateway_url: str,
    stripe_api_url: str = STRIPE_API_URL,
    connect_timeout: timedelta,
    read_timeout: timedelta,
) -> AsyncIterator["ChannelRegistry"]:
    """All channels with an HTTP client of their own, closed at the end."""
    async with ChannelHttp(connect_timeout=connect_timeout, read_timeout=read_timeout) as http:
        yield build_registry(
            http, alipay_gateway_url=alipay_gateway_url, stripe_api_url=stripe_api_url
        )


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
