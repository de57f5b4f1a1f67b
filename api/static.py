"""`/static`: style sheets and scripts of our pages, under addresses that change with them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response

from models.errors import NotFound

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parent / "pages" / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str
    version: str


def _read(path: Path) -> _File:
    content = path.read_bytes()
    version = hashlib.sha256(content).hexdigest()[:12]
    return _File(content, f"{_TYPES[path.suffix]}; charset=utf-8", version)


_FILES = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def static_url(name: str) -> str:
    """The address of a file as it is now: a page made today never gets tomorrow's script."""
    return f"/static/{name}?v={_FILES[name].version}"


@router.get("/static/{name}")
async def get_file(name: str, request: Request) -> Response:
    found = _FILES.get(name)
    if found is None:
        raise NotFound("there is no such file")
    current = request.query_params.get("v") == found.version
    return Response(
        found.content,
        media_type=found.media_type,
        headers={"cache-control": _FOR_EVER if current else "no-cache"},
    )
