"""The console is a client of our own API: what a page reads and does goes through `/v1`.

The calls stay in this process. Who is logged in goes along in the request's scope, so the roles,
the checks of bodies and the rule of two persons are those of the API, for people as for keys.
"""

from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from api.dependencies import CALLER
from models.merchant import Caller

_BASE = "http://console"
_FIRST_ERROR = 400
_TIMEOUT_SECONDS = 60  # nothing waits on a network here; statements end by themselves before


class ApiRefused(Exception):
    """The API said no; `problem` is its problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail", ""))
        self.status = status
        self.problem = problem


class ApiCalls:
    """Calls on behalf of one person, while one page is made."""

    def __init__(self, app: ASGIApp, caller: Caller, *, request_id: str) -> None:
        self._transport = httpx.ASGITransport(_CallingAs(app, caller), raise_app_exceptions=False)
        self._headers = {"x-request-id": request_id}

    async def get(self, path: str, **query: object) -> Any:
        """The answer's JSON. What is None or empty in `query` is left out."""
        return (await self.fetch("GET", path, query=query)).json()

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return (await self.fetch("POST", path, body=body or {})).json()

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return (await self.fetch("PATCH", path, body=body)).json()

    async def upload(self, path: str, content: bytes, **query: object) -> Any:
        """Send a file as the body."""
        return (await self.fetch("POST", path, query=query, content=content)).json()

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """The answer as it is, for files. Raises ApiRefused."""
        given = {k: str(v) for k, v in (query or {}).items() if v is not None and v != ""}
        async with httpx.AsyncClient(
            transport=self._transport, base_url=_BASE, timeout=_TIMEOUT_SECONDS
        ) as client:
            answer = await client.request(
                method, path, params=given, json=body, content=content, headers=self._headers
            )
        if answer.status_code >= _FIRST_ERROR:
            raise ApiRefused(answer.status_code, answer.json())
        return answer


class _CallingAs:
    """The app, with each request of one person."""

    def __init__(self, app: ASGIApp, caller: Caller) -> None:
        self._app = app
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, CALLER: self._caller}, receive, send)
