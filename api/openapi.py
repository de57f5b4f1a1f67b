"""Describes in OpenAPI what our routes read by themselves: bodies, query strings, problems."""

from typing import Any

from pydantic import BaseModel

from api.errors import PROBLEM_TYPE

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"],
    "properties": {
        "type": {"type": "string", "examples": ["/docs#order-conflict"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "stable; program against this"},
        "request_id": {"type": "string", "examples": ["req_01KAH3W3F0Q7V2H8T0M4X5N6P7"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "examples": ["#/amount"]},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def describe(
    *,
    body: type[BaseModel] | None = None,
    example: dict[str, Any] | None = None,
    query: type[BaseModel] | None = None,
    idempotent: bool = False,
) -> dict[str, Any]:
    """The `openapi_extra` of a route: its body with an example, its query string, its header."""
    extra: dict[str, Any] = {}
    if body is not None:
        schema = body.model_json_schema(mode="validation")
        content = {"schema": schema} | ({"example": example} if example is not None else {})
        required = any(field.is_required() for field in body.model_fields.values())
        extra["requestBody"] = {"required": required, "content": {"application/json": content}}
    parameters = _query_parameters(query) if query is not None else []
    if idempotent:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "optional: a repeat is answered with the same bytes",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    if parameters:
        extra["parameters"] = parameters
    return extra


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for what can go wrong, besides what always can."""
    words = {
        400: "malformed",
        401: "no valid API key",
        403: "the key may not do this",
        404: "no such thing, or not yours",
        409: "it clashes with what is there",
        422: "not valid; `errors` points at each field",
        503: "something is down; nothing was lost, ask again after `Retry-After`",
    }
    content = {PROBLEM_TYPE: {"schema": _PROBLEM_SCHEMA}}
    return {
        status: {"description": words[status], "content": content}
        for status in (401, 403, *statuses, 503)
    }


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    schema = query.model_json_schema(mode="validation")
    return [
        {"name": name, "in": "query", "required": False, "schema": described}
        for name, described in schema["properties"].items()
    ]
