"""Builds the sandbox's application: providers' protocols, payers' pages, control API."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from sandbox.control import build_control
from sandbox.house import House


def build_app(
    books_path: Path,
    public_url: str,
    *,
    time_scale: float = 1.0,
    control_token: str | None = None,
) -> Starlette:
    """An application on the books at `books_path`; keys and certificates are kept beside them.

    `public_url` is where payers and merchants reach it. `time_scale` shortens the pauses between
    attempts to notify (0.001: a minute becomes 60 ms). Serve it with `sandbox.server`, which can
    drop connections.
    """
    house = House(books_path, public_url.rstrip("/"), time_scale=time_scale)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await house.start()
        yield
        await house.stop()

    return Starlette(
        routes=[
            *house.routes(),
            Route("/healthz", _healthz),
            Mount("/control", app=build_control(house, control_token)),
        ],
        lifespan=lifespan,
    )


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})
