"""`/docs`: the API's reference as one page that loads nothing from anywhere else."""

import json
import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape

from api.problems import KINDS

router = APIRouter(include_in_schema=False)

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)

_QUOTED = re.compile(r"`([^`]+)`")


def _as_code(text: str) -> Markup:
    """`text` with what stands between backticks as code."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped above


_pages.filters["as_code"] = _as_code


class _Row(NamedTuple):
    name: str
    place: str
    takes: str


class _Operation(NamedTuple):
    method: str
    path: str
    does: str
    more: tuple[str, ...]
    parameters: tuple[_Row, ...]
    fields: tuple[_Row, ...]
    example: str
    answers: tuple[tuple[str, str], ...]


@router.get("/docs")
async def reference(request: Request) -> Response:
    """The reference, made from `/openapi.json`."""
    document: dict[str, Any] = request.app.openapi()
    nonce = secrets.token_urlsafe(16)
    page = _pages.get_template("reference.html").render(
        title=document["info"]["title"],
        description=document["info"].get("description", ""),
        sections=_sections(document),
        problems=KINDS.items(),
        nonce=nonce,
    )
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'"
    return Response(page, media_type="text/html", headers={"content-security-policy": policy})


def _sections(document: dict[str, Any]) -> list[tuple[str, list[_Operation]]]:
    sections: dict[str, list[_Operation]] = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            tag = described.get("tags", ["other"])[0]
            sections.setdefault(tag, []).append(_operation(method, path, described))
    return list(sections.items())


def _operation(method: str, path: str, described: dict[str, Any]) -> _Operation:
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    required = schema.get("required", [])
    does, *more = described.get("description", "").split("\n\n")
    return _Operation(
        method=method.upper(),
        path=path,
        does=does,
        more=tuple(more),
        parameters=tuple(
            _Row(parameter["name"], parameter["in"], _takes(parameter.get("schema", {})))
            for parameter in described.get("parameters", [])
        ),
        fields=tuple(
            _Row(name, "required" if name in required else "optional", _takes(field))
            for name, field in schema.get("properties", {}).items()
        ),
        example=_pretty(content.get("example")),
        answers=tuple(
            (status, answer.get("description", ""))
            for status, answer in described.get("responses", {}).items()
        ),
    )


def _takes(schema: dict[str, Any]) -> str:
    choices = [s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    first = choices[0] if choices else {}
    words = [str(first.get("type", "one of"))]
    if "enum" in first:
        words = ["one of " + ", ".join(map(str, first["enum"]))]
    bounds = {
        "minLength": "at least {} long",
        "maxLength": "at most {} long",
        "exclusiveMinimum": "more than {}",
        "minimum": "at least {}",
        "maximum": "at most {}",
    }
    words += [text.format(first[name]) for name, text in bounds.items() if name in first]
    words += [schema[name] for name in ("description",) if name in schema]
    return ", ".join(words)


def _pretty(example: Any) -> str:
    return "" if example is None else json.dumps(example, indent=2, ensure_ascii=False)
