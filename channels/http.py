"""The HTTP client all adapters share. It tells "not sent" from "sent, no answer".

The difference is money: a request that was never sent may be made elsewhere, one that may have
arrived may not. Whatever is not certainly "not sent" counts as sent.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Self
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from observability.checkpoints import reached

# A channel's answer is a few KiB; a megabyte is somebody else's, or an attack on our memory.
BODY_MAX_BYTES = 1024 * 1024

# One process talks to a handful of hosts; beyond this, waiting for a connection is back-pressure.
CONNECTIONS_MAX = 100

# Idle connections are dropped before a typical load balancer drops them (60 s), since a request on
# a connection the other side has just closed ends as "sent, no answer".
_KEEPALIVE_SECONDS = 15.0

# What the total deadline adds to connecting and reading: writing a few KiB.
_WRITING = timedelta(seconds=2)

# Raised before there is a connection to write to: refused, not resolved, TLS failed, none free in
# time. aiohttp repeats GET once by itself, and never a POST (Source: its client.py, 3.14.5).
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)

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
        self._timeouts = aiohttp.ClientTimeout(
            total=None,
            connect=2 * connect_timeout.total_seconds(),  # with the wait for a free connection
            sock_connect=connect_timeout.total_seconds(),
            sock_read=read_timeout.total_seconds(),
        )
        self._connections_max = connections_max
        self._session: aiohttp.ClientSession | None = None

    async def post_form(
        self, url: str, *, query: Mapping[str, str], form: Mapping[str, str]
    ) -> Result:
        """POST `form` to `url` with `query` behind it. Never raises for a fault on the way."""
        return await self.call("POST", url, headers={}, query=query, form=form)

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> Result:
        """Make one request, with `form` as its body. Never raises for a fault on the way."""
        where = URL(f"{url}?{urlencode(query)}" if query else url, encoded=True)
        content = None if form is None else urlencode(form).encode()
        sent = dict(headers) if form is None else {"Content-Type": _FORM, **headers}
        await reached("before send")
        answer = await self._call(method, where, content, sent)
        await reached("after answer")
        return answer

    async def _call(
        self, method: str, where: URL, content: bytes | None, sent: Mapping[str, str]
    ) -> Result:
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(self.total_timeout.total_seconds()),
                self._opened().request(
                    method, where, data=content, headers=sent, allow_redirects=False
                ) as response,
            ):
                return await self._read(response, started)
        except _NOT_SENT as error:
            return NotSent(detail=_words(error), duration_ms=_since(started))
        except (aiohttp.ClientError, TimeoutError) as error:
            return NoAnswer(detail=_words(error), duration_ms=_since(started))

    async def download(
        self, url: str, *, sink: Callable[[bytes], object], bytes_max: int, within: timedelta
    ) -> Result:
        """GET a file, handing its bytes to `sink` as they come.

        The Reply's body is empty then; with another status than 200 it is what was said instead.
        A file longer than `bytes_max`, or not whole `within` the time, is NoAnswer.
        """
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(within.total_seconds()),
                self._opened().get(URL(url, encoded=True), allow_redirects=False) as response,
            ):
                if response.status != HTTPStatus.OK:
                    return await self._read(response, started)
                return await _pour(response, sink, bytes_max, started)
        except _NOT_SENT as error:
            return NotSent(detail=_words(error), duration_ms=_since(started))
        except (aiohttp.ClientError, TimeoutError) as error:
            return NoAnswer(detail=_words(error), duration_ms=_since(started))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The pool, made with the first call: it belongs to the event loop that runs then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections_max, keepalive_timeout=_KEEPALIVE_SECONDS
                ),
                timeout=self._timeouts,
                headers={"Accept-Encoding": "identity", "User-Agent": "paycenter"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def _read(self, response: aiohttp.ClientResponse, started: float) -> Result:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._body_max_bytes:
                response.close()
                return NoAnswer(
                    detail=f"the answer is longer than {self._body_max_bytes} bytes",
                    duration_ms=_since(started),
                )
        return Reply(status=response.status, body=bytes(body), duration_ms=_since(started))


async def _pour(
    response: aiohttp.ClientResponse,
    sink: Callable[[bytes], object],
    bytes_max: int,
    started: float,
) -> Result:
    poured = 0
    async for chunk in response.content.iter_any():
        poured += len(chunk)
        if poured > bytes_max:
            response.close()
            return NoAnswer(
                detail=f"the file is longer than {bytes_max} bytes", duration_ms=_since(started)
            )
        sink(chunk)
    return Reply(status=response.status, body=b"", duration_ms=_since(started))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
