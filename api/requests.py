"""Reads request bodies: bounded, strict UTF-8, one JSON object, no duplicate keys; then a model."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from api.cards import holds_card_number
from models.errors import InvalidRequest, Problem

BODY_MAX = 64 * 1024  # our largest body (a channel account with three keys) is under 10 KiB
_DEPTH_MAX = 8  # our deepest body has two levels
_NAME_MAX = 64  # of an unknown field, when we name it back
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_SURROGATE = re.compile(r"[\ud800-\udfff]")

B = TypeVar("B", bound=BaseModel)


class RawBody(NamedTuple):
    """A body as it came, to be parsed once we know who sent it."""

    content_type: str
    content: bytes


async def read_body(request: Request, *, limit: int = BODY_MAX) -> RawBody:
    """The whole body. Raises InvalidRequest `too-large` as soon as it passes `limit`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < _NAME_MAX and int(declared) > limit:
        raise _too_large(limit)
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise _too_large(limit)
    return RawBody(request.headers.get("content-type", ""), bytes(content))


def parse(model: type[B], body: RawBody) -> B:
    """`body` as a `model`. Raises InvalidRequest with one problem per field that is wrong.

    An empty body counts as `{}` for models without required fields.
    """
    if not body.content and not any(f.is_required() for f in model.model_fields.values()):
        return model.model_validate({})
    media_type, _, parameters = body.content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise InvalidRequest(
            "send the body as application/json in UTF-8", code="unsupported-media-type"
        )
    return validate(model, _json_object(body.content))


def parse_query(model: type[B], request: Request) -> B:
    """The query string as a `model`; each parameter at most once."""
    pairs = request.query_params.multi_items()
    if len(pairs) != len(dict(pairs)):
        raise InvalidRequest("a query parameter is given twice")
    return validate(model, dict(pairs))


def validate(model: type[B], value: Mapping[str, Any], *, under: Sequence[str] = ()) -> B:
    """`value` as a `model`; pointers in problems begin at `under`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # Not chained: pydantic's own message repeats what was sent.
        raise invalid(
            *(_problem(e, under) for e in error.errors(include_url=False, include_input=False))
        ) from None


def invalid(*problems: Problem) -> InvalidRequest:
    """The error for one or more wrong fields."""
    refused = any(problem.code == "pan-not-accepted" for problem in problems)
    return InvalidRequest(
        "; ".join(f"{problem.pointer}: {problem.detail}" for problem in problems[:3]),
        code="pan-not-accepted" if refused else "invalid-request",
        problems=tuple(problems),
    )


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("the body is not UTF-8") from None
    if _depth(text) > _DEPTH_MAX:
        raise _malformed(f"the body is nested deeper than {_DEPTH_MAX} levels")
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_constant=_no_constant)
    except ValueError:
        raise _malformed("the body is not JSON") from None
    if not isinstance(value, dict):
        raise _malformed("the body is not a JSON object")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    object_ = dict(pairs)
    if len(object_) != len(pairs):
        raise _malformed("a name is given twice in one object")
    if any(_SURROGATE.search(name) for name in object_):
        raise _malformed("a name is not valid Unicode")
    return object_


def _no_constant(name: str) -> NoReturn:
    raise _malformed(f"{name} is not JSON")


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in _STRINGS.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _problem(error: ErrorDetails, under: Sequence[str]) -> Problem:
    kind = error["type"]
    location = [_named(str(part)) for part in (*under, *error["loc"])]
    return Problem(
        pointer="#/" + "/".join(location),
        code=_CODES.get(kind, kind.replace("_", "-")),
        detail="this field is not known" if kind == "extra_forbidden" else error["msg"],
    )


def _named(part: str) -> str:
    if holds_card_number(part):
        return "redacted"
    return part[:_NAME_MAX].replace("~", "~0").replace("/", "~1")


# pydantic's words for what an app can act on; other words pass as they are.
_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown-field",
    "int_type": "not-an-integer",
    "int_parsing": "not-an-integer",
    "int_from_float": "not-an-integer",
    "string_type": "not-a-string",
    "string_unicode": "control-character",
    "string_too_short": "too-short",
    "string_too_long": "too-long",
    "greater_than": "too-small",
    "greater_than_equal": "too-small",
    "less_than_equal": "too-large",
    "literal_error": "not-a-choice",
    "enum": "not-a-choice",
    "value_error": "invalid",
}


def _malformed(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, code="malformed")


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(f"the body is larger than {limit} bytes", code="too-large")
