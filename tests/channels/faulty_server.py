"""A small HTTP server on 127.0.0.1 that answers as told, or fails as told."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

Behaviour = Callable[["FaultyServer", asyncio.StreamWriter], Awaitable[None]]


def replies(
    body: bytes, *, status: int = 200, headers: str = "", announced: int | None = None
) -> Behaviour:
    """Answer with `body`; `announced` lies about its length."""

    async def behave(_: "FaultyServer", writer: asyncio.StreamWriter) -> None:
        length = len(body) if announced is None else announced
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return behave


async def resets(_: "FaultyServer", writer: asyncio.StreamWriter) -> None:
    """Tear the connection down with RST."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def is_silent(server: "FaultyServer", writer: asyncio.StreamWriter) -> None:
    """Say nothing until the server stops."""
    await server.stopping.wait()
    writer.close()


async def drips(server: "FaultyServer", writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then, often enough for every read to be in time."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not server.stopping.is_set() and not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        try:
            await asyncio.wait_for(server.stopping.wait(), 0.02)
        except TimeoutError:
            continue


async def hangs_up(_: "FaultyServer", writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


class FaultyServer:
    """Reads each request whole, keeps its fields, then behaves."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = hangs_up
        self.requests: list[dict[str, str]] = []
        self.heads: list[str] = []
        self.received = asyncio.Event()
        self.stopping = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/gateway.do"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self.stopping.set()
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while not writer.is_closing() and await self._read(reader):
                await self.behaviour(self, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        lengths = [line for line in lines if line.lower().startswith("content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)
        query = urlsplit(lines[0].split(" ")[1]).query
        self.heads.append(head)
        self.requests.append(dict(parse_qsl(query) + parse_qsl(body.decode())))
        self.received.set()
        return True
