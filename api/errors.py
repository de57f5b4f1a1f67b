"""Our errors as HTTP problems (RFC 9457). The only place where one becomes the other."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from api.problems import KINDS, Kind
from models.errors import (
    BadSignature,
    ChannelMisconfigured,
    ChannelUnavailable,
    Conflict,
    InvalidRequest,
    NotFound,
    Problem,
    ProcessorError,
    RateLimited,
    Unauthorized,
    Unavailable,
)

PROBLEM_TYPE = "application/problem+json"
_RETRY_AFTER = timedelta(seconds=2)  # our own dependencies restart within seconds

# What an error means when its own code is not in the table, from the class.
_BY_CLASS: tuple[tuple[type[ProcessorError], int], ...] = (
    (InvalidRequest, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Unauthorized, 401),
    (RateLimited, 429),
    (Unavailable, 503),
    (ChannelUnavailable, 503),
    (ChannelMisconfigured, 422),
    (BadSignature, 401),
)
_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 401: "unauthorized"}


class OrderConflict(Conflict):
    """The order number is taken by another body; `location` is the payment that has it."""

    code = "order-conflict"

    def __init__(self, detail: str, *, location: str) -> None:
        super().__init__(detail)
        self.location = location


class RefundConflict(OrderConflict):
    """The refund number is taken by another body; `location` is the refund that has it."""

    code = "refund-conflict"


class RequestInProgress(Conflict):
    """The same Idempotency-Key is being worked on right now."""

    code = "request-in-progress"


def translate_errors(app: FastAPI) -> None:
    """Let `app` answer our errors, and the framework's, as problems."""
    app.add_exception_handler(ProcessorError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)


def internal_problem(*, instance: str, request_id: str) -> Response:
    """The last resort: says nothing but where to look."""
    return _response(
        KINDS["internal"],
        code="internal",
        detail=f"we were told; the request id is {request_id}",
        instance=instance,
        request_id=request_id,
    )


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProcessorError)  # noqa: S101 - registered for this class alone
    kind = KINDS.get(error.code) or Kind(_status_of(error), error.code.replace("-", " "))
    return _response(
        kind,
        code=error.code,
        detail=error.detail,
        instance=request.url.path,
        request_id=request_id_of(request),
        problems=error.problems,
        headers=_headers_of(error, kind.status),
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    code = _BY_STATUS.get(error.status_code, "malformed")
    kind = KINDS[code]
    return _response(
        Kind(error.status_code, kind.title),
        code=code,
        detail=kind.title,
        instance=request.url.path,
        request_id=request_id_of(request),
        headers=(error.status_code == 405 and _allowed(request)) or error.headers,  # noqa: PLR2004
    )


def _allowed(request: Request) -> dict[str, str]:
    """All methods of an address: the router names those of the first route that fits."""
    template = getattr(request.scope.get("route"), "path", "")
    methods = request.app.openapi()["paths"].get(template, {})
    return {"allow": ", ".join(sorted(method.upper() for method in methods))} if methods else {}


def request_id_of(request: Request) -> str:
    """The id the middleware gave this request."""
    request_id: str = request.scope.get("paycenter.request_id", "")
    return request_id


def _status_of(error: ProcessorError) -> int:
    return next((status for kind, status in _BY_CLASS if isinstance(error, kind)), 500)


def _headers_of(error: ProcessorError, status: int) -> dict[str, str]:
    match error:
        case OrderConflict(location=location):
            return {"location": location}
        case RequestInProgress():
            return {"retry-after": "1"}
        case RateLimited(retry_after=retry_after):
            return {"retry-after": _seconds(retry_after)}
        case _ if status == 503:  # noqa: PLR2004 - HTTP's own number
            return {"retry-after": _seconds(_RETRY_AFTER)}
        case _ if status == 401:  # noqa: PLR2004 - HTTP's own number
            return {"www-authenticate": 'Bearer realm="paycenter"'}
        case _:
            return {}


def _seconds(duration: timedelta) -> str:
    return str(max(1, round(duration.total_seconds())))


def _response(  # noqa: PLR0913 - the members of a problem document
    kind: Kind,
    *,
    code: str,
    detail: str,
    instance: str,
    request_id: str,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {
        "type": f"/docs#{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "request_id": request_id,
        "errors": [problem.model_dump() for problem in problems],
    }
    return Response(
        json.dumps(body), status_code=kind.status, media_type=PROBLEM_TYPE, headers=headers
    )
