"""Runs inside the environment of stripe: JSON orders on stdin, results on stdout."""

import json
import sys
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import stripe  # type: ignore[import-not-found]
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

_API_VERSION = "2023-08-16"
_ERRORS_SHOWN = 5


def _client(order: dict[str, Any]) -> Any:
    return stripe.StripeClient(
        order["secret_key"],
        base_addresses={"api": order["base_url"]},
        stripe_version=_API_VERSION,
        max_network_retries=order.get("retries", 0),
    )


def call(order: dict[str, Any]) -> Any:
    """Call a method of the SDK by name ("payment_intents.create")."""
    operation = attrgetter(order["method"])(_client(order).v1)
    try:
        answer = operation(
            *order.get("ids", []), params=order.get("params", {}), options=order.get("options", {})
        )
    except stripe.StripeError as error:
        return {
            "error": type(error).__name__,
            "status": error.http_status,
            "code": error.code,
            "body": error.json_body,
        }
    return {"answer": answer.to_dict(), "headers": dict(answer.last_response.headers)}


def read_all(order: dict[str, Any]) -> Any:
    """Every object of a list, page after page, by the SDK's own paging."""
    page = attrgetter(order["method"])(_client(order).v1)(params=order["params"])
    return [found.to_dict() for found in page.auto_paging_iter()]


def construct_event(order: dict[str, Any]) -> Any:
    """Verify a webhook; the event's type, or the name of what the SDK raised."""
    try:
        event = stripe.Webhook.construct_event(
            order["payload"].encode(), order["header"], order["secret"]
        )
    except (stripe.SignatureVerificationError, ValueError) as error:
        return {"error": type(error).__name__}
    return {"type": event.type, "object": event.data.object.to_dict()}


def validate(order: dict[str, Any]) -> Any:
    """What is wrong with objects by the specification: each as [name of schema, object]."""
    wrong = []
    for name, shown in order["objects"]:
        errors = _validator(order["specification"], name).iter_errors(shown)
        wrong += [
            f"{name}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error, _ in zip(errors, range(_ERRORS_SHOWN), strict=False)
        ]
    return wrong


@cache
def _validator(specification: str, name: str) -> Any:
    schema = {"components": _components(specification), "$ref": f"#/components/schemas/{name}"}
    return Draft202012Validator(schema)


@cache
def _components(specification: str) -> Any:
    text = Path(specification).read_text(encoding="utf-8")
    return _as_json_schema(json.loads(text)["components"])


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema lists null as another type.

    An object of the specification answers only what it lists, so nothing else may be in it.
    """
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    if plain.get("properties") and plain.get("type") == "object":
        plain.setdefault("additionalProperties", False)
    if node.get("nullable") is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


ACTIONS = {
    "call": call,
    "read_all": read_all,
    "construct_event": construct_event,
    "validate": validate,
}

if __name__ == "__main__":
    orders = json.load(sys.stdin)
    json.dump([ACTIONS[order["action"]](order) for order in orders], sys.stdout)
