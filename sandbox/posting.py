"""A lean HTTP client for one thing: POST a body, read the start of the answer.

Benchmarks run the sandbox on the same machine as what they measure; a general client's connection
pool took several times the time of all else here.
"""

import asyncio
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

import httptools

_TIMEOUT_SECONDS = 10.0
_ANSWER_MAX_BYTES = 1024
_READ_BYTES = 4096
_HEAD_MAX_BYTES = 16 * 1024
_IDLE_MAX_SECONDS = 2.0  # shorter than servers keep a connection, so none is closed as we write
_IDLE_MAX = 64
_PORTS = {"http": 80, "https": 443}
_ADDRESSES_KEPT = 1024

FORM_HEADERS = (
    b"User-Agent: alipay-sandbox\r\n"
    b"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
)


class PostFailed(Exception):
    """No answer could be had; the text says why."""


@dataclass(frozen=True, slots=True)
class _Address:
    host: str
    port: int
    tls: bool
    head: bytes


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0

    def is_fresh(self) -> bool:
        rested = time.monotonic() - self.idle_since
        return rested < _IDLE_MAX_SECONDS and not self.reader.at_eof()


class _Answer:
    """What httptools tells while it parses."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = b""
        self.is_complete = False
        self.keeps_connection = False

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.keeps_connection = self.parser.should_keep_alive()  # it knows it only here


class Poster:
    """Posts over kept connections. Redirects are answers like any other."""

    def __init__(self) -> None:
        self._idle: defaultdict[_Address, list[_Connection]] = defaultdict(list)

    async def post(self, url: str, body: bytes, headers: bytes = FORM_HEADERS) -> tuple[int, bytes]:
        """The status, and the answer up to a bound. Raises PostFailed.

        `headers` are whole lines, each with its end.
        """
        try:
            address = _address(url)
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._exchange(address, headers, body)
        except (OSError, ValueError, EOFError, httptools.HttpParserError) as error:
            raise PostFailed(f"{type(error).__name__}: {error}"[:200]) from None

    def close(self) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.writer.close()
        self._idle.clear()

    async def _exchange(self, address: _Address, headers: bytes, sent: bytes) -> tuple[int, bytes]:
        connection = self._kept(address) or await _connect(address)
        reusable = False
        try:
            connection.writer.write(
                b"%s%sContent-Length: %d\r\n\r\n%s" % (address.head, headers, len(sent), sent)
            )
            status, body, reusable = await _read(connection.reader)
        finally:
            if reusable and len(self._idle[address]) < _IDLE_MAX:
                connection.idle_since = time.monotonic()
                self._idle[address].append(connection)
            else:
                connection.writer.close()
        return status, body

    def _kept(self, address: _Address) -> _Connection | None:
        waiting = self._idle[address]
        while waiting:
            connection = waiting.pop()
            if connection.is_fresh():
                return connection
            connection.writer.close()
        return None


async def _connect(address: _Address) -> _Connection:
    context = ssl.create_default_context() if address.tls else None
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    return _Connection(reader, writer)


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    answer = _Answer()
    received = 0
    while not answer.is_complete:
        part = await reader.read(_READ_BYTES)
        if not part:
            break  # an answer without a length ends with its connection
        received += len(part)
        answer.parser.feed_data(part)
        if len(answer.body) > _ANSWER_MAX_BYTES or received > _HEAD_MAX_BYTES:
            return answer.parser.get_status_code(), answer.body[:_ANSWER_MAX_BYTES], False
    if not received:
        raise EOFError("the connection was closed without an answer")
    return answer.parser.get_status_code(), answer.body, answer.keeps_connection


@lru_cache(maxsize=_ADDRESSES_KEPT)
def _address(url: str) -> _Address:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url[:100]!r} is no http address")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    return _Address(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        tls=parts.scheme == "https",
        head=head.encode("ascii"),
    )
