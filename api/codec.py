"""`/codec`: lets Temporal UI and the `temporal` command show what we encrypted.

It is a decryption oracle, so it is closed unless a token is set, and every use is logged. The token
comes as `Authorization: Bearer …`; a browser on a plain http UI cannot send one, so for a stack on
one machine it may be a part of the path: `--ui-codec-endpoint http://127.0.0.1:8000/codec/<token>`.
"""

import hmac
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads

from api.dependencies import ApiDependencies, Deps
from api.requests import read_body
from engine.encryption import CannotDecrypt
from models.errors import InvalidRequest, NotFound
from observability.logs import logger

router = APIRouter(prefix="/codec", tags=["codec"], include_in_schema=False)

_log = logger(__name__)

_BODY_MAX = 8 * 1024 * 1024  # one page of a history in the UI; Temporal's own messages end at 4 MiB
_ALLOWED_HEADERS = "content-type,x-namespace,authorization,authorization-extras"


def _token_of(request: Request) -> str:
    in_path: str | None = request.path_params.get("token")
    if in_path is not None:
        return in_path
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _opened(request: Request, deps: Deps) -> ApiDependencies:
    expected = deps.options.codec_token
    if not expected:
        raise NotFound("there is nothing here")
    if not hmac.compare_digest(expected.encode(), _token_of(request).encode()):
        _log.warning("codec_refused", origin=request.headers.get("origin"))
        raise NotFound("there is nothing here")
    return deps


Opened = Annotated[ApiDependencies, Depends(_opened)]


@router.post("/decode")
@router.post("/{token}/decode")
async def decode(request: Request, deps: Opened) -> Response:
    payloads = await _payloads(request)
    try:
        decoded = await deps.encryption.decode(payloads.payloads)
    except (CannotDecrypt, KeyError) as error:
        raise InvalidRequest(f"this cannot be decrypted: {error}") from None
    return _answer(request, deps, Payloads(payloads=decoded), "decode")


@router.post("/encode")
@router.post("/{token}/encode")
async def encode(request: Request, deps: Opened) -> Response:
    payloads = await _payloads(request)
    encoded = await deps.encryption.encode(payloads.payloads)
    return _answer(request, deps, Payloads(payloads=encoded), "encode")


@router.options("/decode")
@router.options("/encode")
@router.options("/{token}/decode")
@router.options("/{token}/encode")
async def preflight(request: Request, deps: Deps) -> Response:
    """A browser asks before it sends; it cannot show a token here yet."""
    if not deps.options.codec_token:
        raise NotFound("there is nothing here")
    return Response(status_code=204, headers=_cors(request, deps))


async def _payloads(request: Request) -> Payloads:
    body = await read_body(request, limit=_BODY_MAX)
    try:
        return Parse(body.content, Payloads())
    except (ParseError, UnicodeDecodeError):
        raise InvalidRequest("send payloads as JSON", code="malformed") from None


def _answer(request: Request, deps: ApiDependencies, payloads: Any, operation: str) -> Response:
    _log.info(
        "codec_used",
        operation=operation,
        payloads=len(payloads.payloads),
        namespace=request.headers.get("x-namespace"),
        origin=request.headers.get("origin"),
    )
    return Response(
        MessageToJson(payloads), media_type="application/json", headers=_cors(request, deps)
    )


def _cors(request: Request, deps: ApiDependencies) -> dict[str, str]:
    """The headers that let the UI's page read the answer; none for any other page."""
    origin = request.headers.get("origin", "")
    ui = urlsplit(deps.options.temporal_ui_url)
    if not origin or origin != f"{ui.scheme}://{ui.netloc}":
        return {"vary": "origin"}
    return {
        "vary": "origin",
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "POST, OPTIONS",
        "access-control-allow-headers": _ALLOWED_HEADERS,
        "access-control-max-age": "600",
    }
