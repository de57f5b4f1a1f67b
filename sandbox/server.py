"""The HTTP server: one process, one port, able to drop a connection without a word of answer."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TRANSPORT = "sandbox.transport"
_BACKLOG = 2048
_STOP_WITHIN_SECONDS = 3


class DroppableProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, which also hands the application its connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[_TRANSPORT] = self.transport


async def drop_connection(scope: Scope, receive: Receive) -> None:
    """Reset the connection and return once it is gone; nothing is answered."""
    transport: asyncio.Transport = scope[_TRANSPORT]
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, port: int, port_file: Path | None) -> None:
        super().__init__(config)
        self._port = port
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if self._port_file is not None:
            draft = self._port_file.with_name(self._port_file.name + ".draft")
            draft.write_text(str(self._port))
            draft.replace(self._port_file)
        sys.stdout.write(f"sandbox on port {self._port}\n")
        sys.stdout.flush()


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    os.set_inheritable(listener.fileno(), False)
    return listener


def serve(app: ASGIApp, listener: socket.socket, *, port_file: Path | None, log_level: str) -> None:
    """Serve until SIGTERM or SIGINT. Once it accepts connections it says so: a line, a file."""
    config = uvicorn.Config(
        app,
        http=DroppableProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level=log_level,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_STOP_WITHIN_SECONDS,
        server_header=False,
    )
    port = listener.getsockname()[1]
    _AnnouncingServer(config, port=port, port_file=port_file).run(sockets=[listener])
