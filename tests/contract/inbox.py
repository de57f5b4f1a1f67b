"""The endpoint that hears a channel's callbacks: keeps the bytes, answers in the channel's form."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from channels.base import Acknowledgement

_PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Delivery:
    headers: Mapping[str, str]
    body: bytes


class Inbox:
    """Serves on a free port. `accepts` says for each delivery, in order, then always yes."""

    def __init__(self, acknowledge: Callable[[bool], Acknowledgement]) -> None:
        self._acknowledge = acknowledge
        self._arrived: asyncio.Queue[Delivery] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self.accepts: list[bool] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/callbacks"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def next(self) -> Delivery:
        return await asyncio.wait_for(self._arrived.get(), _PATIENCE_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = (line.partition(":") for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        accepted = self.accepts.pop(0) if self.accepts else True
        said = self._acknowledge(accepted)
        self._arrived.put_nowait(Delivery(headers, body))
        text = said.body.encode()
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % (said.status_code, said.content_type.encode(), len(text))
            + text
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
