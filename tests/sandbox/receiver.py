"""A merchant's endpoint for notifications: keeps what comes, answers what it is told to."""

import asyncio
from typing import Self
from urllib.parse import parse_qsl

_PATIENCE_SECONDS = 10


class Receiver:
    """Serves on a free port. `answers` are given first, in order, then `success`."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self._arrived: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/notify?shop=1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def next(self) -> dict[str, str]:
        """The next notification, when it comes."""
        return await asyncio.wait_for(self._arrived.get(), _PATIENCE_SECONDS)

    def has_more(self) -> bool:
        return not self._arrived.empty()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.partition(":")[2])
            for line in head.lower().splitlines()
            if line.startswith("content-length:")
        )
        body = await reader.readexactly(length)
        answer = self.answers.pop(0) if self.answers else b"success"
        self._arrived.put_nowait(dict(parse_qsl(body.decode(), keep_blank_values=True)))
        writer.write(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
