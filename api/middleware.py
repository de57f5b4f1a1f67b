"""Around every request: an id, a place in the logs, the metrics, safe headers, a last resort."""

import re
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

from api.errors import internal_problem
from observability.checkpoints import reached
from observability.logs import logger
from observability.metrics import HTTP_REQUESTS, HTTP_SECONDS

_log = logger(__name__)

_REQUEST_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{7,63}")
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_CLIENT_GONE = 499  # nginx's number for it; nobody receives it
_SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=31536000",
}


class RequestContext:
    """Pure ASGI, so that streaming and cancellation pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        scope["paycenter.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await _Answer(self._app, scope, send).run(receive)


class _Answer:
    """One request on its way through: remembers the status, adds headers, counts."""

    def __init__(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        self._app, self._scope, self._send = app, scope, send
        self._request_id: str = scope["paycenter.request_id"]
        self._status = 0

    async def run(self, receive: Receive) -> None:
        began = time.perf_counter()
        try:
            await self._app(self._scope, receive, self._send_with_headers)
        except ClientDisconnect:
            self._status = _CLIENT_GONE
        except Exception:  # the last resort: whatever it is, the caller gets an id and no details
            # The template, since the address of a cash desk is a secret.
            _log.exception("request_failed", route=self._route())
            await self._answer_internal(receive)
        finally:
            self._count(time.perf_counter() - began)

    def _route(self) -> str:
        return getattr(self._scope.get("route"), "path", "unmatched")

    async def _send_with_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            route = getattr(self._scope.get("route"), "path", "")
            await reached("before answer", f"{self._scope['method']} {route}")
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            for name, value in _SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def _answer_internal(self, receive: Receive) -> None:
        if self._status:
            return  # half an answer is out; closing the connection is all that is left
        problem = internal_problem(instance=self._scope["path"], request_id=self._request_id)
        await problem(self._scope, receive, self._send_with_headers)

    def _count(self, seconds: float) -> None:
        route = getattr(self._scope.get("route"), "path", "unmatched")
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        HTTP_REQUESTS.labels(route, method, str(self._status or _CLIENT_GONE)).inc()
        HTTP_SECONDS.labels(route).observe(seconds)


def _request_id(sent: str) -> str:
    return sent if _REQUEST_ID.fullmatch(sent) else f"req_{ULID()}"
