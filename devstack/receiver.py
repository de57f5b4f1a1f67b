"""A small business app: receives our webhooks, checks their signatures its own way, keeps them.

It shares no code with the sender, so that each proves the other (Source: Standard Webhooks
specification, https://www.standardwebhooks.com, read 2026-11).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

_HOST = "127.0.0.1"
_BODY_MAX = 1_000_000
_TOLERANCE_SECONDS = 300  # the specification's advice
_SLOW_SECONDS = 2.0


class Mode(StrEnum):
    """How the app answers. HANG never does; SLOW does after two seconds."""

    OK = "ok"
    ERROR = "500"
    GONE = "410"
    SLOW = "slow"
    HANG = "hang"


@dataclass(frozen=True)
class Received:
    """One delivery. `verified`: the signature proves who sent it and that it is fresh."""

    webhook_id: str
    verified: bool
    body: dict[str, Any]
    received_at: float

    @property
    def type(self) -> str:
        return str(self.body.get("type", ""))

    @property
    def sequence(self) -> int:
        return int(self.body.get("sequence", 0))

    def speaks_of(self, object_id: str) -> bool:
        return object_id in json.dumps(self.body.get("data", {}))


@dataclass
class Receiver:
    """An HTTP server on the loopback. One address per app: `url_for` its name."""

    mode: Mode = Mode.OK
    received: list[Received] = field(default_factory=list)
    on_receipt: Callable[[Received], None] | None = None
    refused: int = 0
    _secrets: dict[str, str] = field(default_factory=dict, repr=False)
    _server: asyncio.Server | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, _HOST, port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the receiver was not started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def url_for(self, app: str) -> str:
        return f"http://{_HOST}:{self.port}/hooks/{app}"

    def trust(self, app: str, secret: str) -> None:
        """Tell the receiver the secret (`whsec_…`) that the API showed for `app`."""
        self._secrets[f"/hooks/{app}"] = secret

    def secret_of(self, app: str) -> str:
        """What `trust` was told of `app`."""
        return self._secrets[f"/hooks/{app}"]

    def about(self, object_id: str) -> list[Received]:
        """All deliveries about one object, in the order they came."""
        return [one for one in self.received if one.speaks_of(object_id)]

    async def wait_for(
        self, object_id: str, is_it: Callable[[Received], bool] = lambda _: True
    ) -> Received:
        """The first fitting delivery about an object, as soon as it is there."""
        async with self._news:
            while True:
                for one in self.about(object_id):
                    if is_it(one):
                        return one
                await self._news.wait()

    async def wait_until_refused(self) -> None:
        """Until one more delivery was answered with anything but success."""
        async with self._news:
            before = self.refused
            await self._news.wait_for(lambda: self.refused > before)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the sender hung up, or `stop` hung up on it
        finally:
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        path, headers = _parse_head(head)
        length = int(headers.get("content-length", "0"))
        if length > _BODY_MAX:
            return False
        body = await reader.readexactly(length)
        status = await self._decide()
        if status is HTTPStatus.OK:
            await self._keep(path, headers, body)
        else:
            await self._note_refused()
        writer.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _decide(self) -> HTTPStatus:
        match self.mode:
            case Mode.ERROR:
                return HTTPStatus.INTERNAL_SERVER_ERROR
            case Mode.GONE:
                return HTTPStatus.GONE
            case Mode.HANG:
                await asyncio.Event().wait()
            case Mode.SLOW:
                await asyncio.sleep(_SLOW_SECONDS)
            case Mode.OK:
                pass
        return HTTPStatus.OK

    async def _note_refused(self) -> None:
        async with self._news:
            self.refused += 1
            self._news.notify_all()

    async def _keep(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        secret = self._secrets.get(path, "")
        one = Received(
            webhook_id=headers.get("webhook-id", ""),
            verified=is_authentic(secret, headers, body, now=time.time()),
            body=json.loads(body),
            received_at=time.time(),
        )
        async with self._news:
            self.received.append(one)
            self._news.notify_all()
        if self.on_receipt is not None:
            self.on_receipt(one)


def is_authentic(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> bool:
    """Whether one of the signatures fits `whsec_…` and the delivery is fresh."""
    timestamp = headers.get("webhook-timestamp", "")
    if not secret.startswith("whsec_") or not timestamp.isdecimal():
        return False
    if abs(now - int(timestamp)) > _TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected, one.encode()) for one in given)


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    request, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return request.split(" ")[1], headers
