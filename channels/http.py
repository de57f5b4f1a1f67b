"""The HTTP client all adapters share. It tells "not sent" from "sent, no answer".

The difference is money: a request that was never sent may be made elsewhere, one that may have
arrived may not. Whatever is not certainly "not sent" counts as sent.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self
from urllib.parse import urlencode

import httpx

# A channel's answer is a few KiB; a megabyte is somebody else's, or an attack on our memory.
BODY_MAX_BYTES = 1024 * 1024

# One process talks to a handful of hosts; beyond this, waiting for a connection is back-pressure.
CONNECTIONS_MAX = 100

# Idle connections are dropped before a typical load balancer drops them (60 s), since a request on
# a connection the other side has just closed ends as "sent, no answer".
_KEEPALIVE_SECONDS = 15.0

# What the total deadline adds to connecting and reading: writing a few KiB.
_WRITING = timedelta(seconds=2)

_FORM = "application/x-www-form-urlencoded;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer arrived whole. What it says, and whether to trust it, is the adapter's matter."""

    status: int
    body: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection was made, so the other side has certainly seen nothing."""

    detail: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have arrived, and no whole answer came back."""

    detail: str
    duration_ms: int


Result = Reply | NotSent | NoAnswer


class ChannelHttp:
    """One pooled client per process: no redirects, no proxies from the environment, no cookies."""

    def __init__(
        self,
        *,
        connect_timeout: timedelta,
        read_timeout: timedelta,
        total_timeout: timedelta | None = None,
        body_max_bytes: int = BODY_MAX_BYTES,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        """`read_timeout` bounds each silence, `total_timeout` the whole call.

        Without a `total_timeout` it is waiting for a free connection, connecting, reading and two
        seconds: `start_to_close` of an activity must be longer.
        """
        self.total_timeout = total_timeout or 2 * connect_timeout + read_timeout + _WRITING
        self._body_max_bytes = body_max_bytes
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(
                read_timeout.total_seconds(),
                connect=connect_timeout.total_seconds(),
                pool=connect_timeout.total_seconds(),
            ),
            limits=httpx.Limits(
                max_connections=connections_max, keepalive_expiry=_KEEPALIVE_SECONDS
            ),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "paycenter"},
        )

    async def post_form(
        self, url: str, *, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Result:
        """POST `form` to `url` with `query` behind it. Never raises for a fault on the way."""
        started = time.monotonic()
        request = self._client.build_request(
            "POST",
            f"{url}?{urlencode(query)}" if query else url,
            content=urlencode(form).encode(),
            headers={"Content-Type": _FORM},
        )
        try:
            async with asyncio.timeout(self.total_timeout.total_seconds()):
                return await self._exchange(request, started)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(detail=_words(error), duration_ms=_since(started))
        except (httpx.RequestError, TimeoutError) as error:
            return NoAnswer(detail=_words(error), duration_ms=_since(started))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _exchange(self, request: httpx.Request, started: float) -> Result:
        async with AsyncExitStack() as cleanup:
            response = await self._client.send(request, stream=True)
            cleanup.push_async_callback(response.aclose)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._body_max_bytes:
                    return NoAnswer(
                        detail=f"the answer is longer than {self._body_max_bytes} bytes",
                        duration_ms=_since(started),
                    )
            return Reply(status=response.status_code, body=bytes(body), duration_ms=_since(started))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
