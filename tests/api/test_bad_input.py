"""Every field of every route with everything that is wrong: a problem that points, and no effect.

The table is checked against the routes and their bodies: a new route or field without an entry
fails here.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.requests import BODY_MAX
from models.merchant import Role
from tests.api.world import Tenant, World, code_of, order
from tests.api.wrong_bodies import BODIES, FILES, QUERIES

# What people open in a browser: no part of the API.
PAGES = ("/console/", "/checkout/", "/static/")
# Tables whose rows a refused request must not add to.
TABLES = (
    "app",
    "api_key",
    "merchant",
    "channel_account",
    "payment",
    "refund",
    "notification",
    "callback",
    "idempotency_key",
    "reconciliation",
    "discrepancy",
    "channel_account_version",
    "change_log",
)


def routes(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in world.app.openapi()["paths"].items():
        for method, described in methods.items():
            if path.startswith("/v1"):
                yield method.upper(), path, described


async def test_every_route_that_takes_a_body_is_in_the_table(world: World) -> None:
    described = {
        (method, path): set(_schema(operation)["properties"])
        for method, path, operation in routes(world)
        if method != "GET" and (method, path) not in FILES
    }

    assert {route: set(wrong) for route, (_, wrong) in BODIES.items()} == described


def test_every_route_of_the_app_is_described_or_known_to_be_hidden() -> None:
    hidden = {
        route.path
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        and not (route.include_in_schema and router.include_in_schema)
        and not route.path.startswith(PAGES)
    }

    assert hidden == {
        "/codec/decode",
        "/codec/encode",
        "/codec/{token}/decode",
        "/codec/{token}/encode",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
    }


async def test_every_query_parameter_is_in_the_table(world: World) -> None:
    described = {
        parameter["name"]
        for method, _, operation in routes(world)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }

    assert described | {"unknown"} == set(QUERIES)


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
async def test_a_wrong_field_is_a_problem_that_points_at_it_and_changes_nothing(
    world: World, route: tuple[str, str]
) -> None:
    tenant, _, send = await _sender(world, route)
    good, wrong = BODIES[route][0] | _references(route, tenant), BODIES[route][1]
    before = await _counts(world)

    for field, values in wrong.items():
        for value in values:
            answer = await send(json.dumps(good | {field: value}).encode())
            assert answer.status_code == 422, (field, value, answer.text)
            code_of(answer)
            pointers = [problem["pointer"] for problem in answer.json()["errors"]]
            assert pointers, (field, value)
            expected = "#/until" if value == "2026-02-02T00:00:00Z" else f"#/{field}"
            assert all(pointer.startswith(expected) for pointer in pointers), (value, pointers)
            assert "4111" not in answer.text

    assert await _counts(world) == before


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
async def test_a_missing_or_unknown_field_is_pointed_at(
    world: World, route: tuple[str, str]
) -> None:
    tenant, operation, send = await _sender(world, route)
    good = BODIES[route][0] | _references(route, tenant)
    before = await _counts(world)

    unknown = await send(json.dumps(good | {"status": "succeeded"}).encode())
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "#/status")
    for field in _schema(operation).get("required", []):
        missing = await send(json.dumps({k: v for k, v in good.items() if k != field}).encode())
        problems = [(p["pointer"], p["code"]) for p in missing.json()["errors"]]
        assert (missing.status_code, problems) == (422, [(f"#/{field}", "required")])

    assert await _counts(world) == before


@pytest.mark.parametrize("route", BODIES, ids=" ".join)
async def test_a_body_that_cannot_be_read_is_refused_by_every_route(
    world: World, route: tuple[str, str]
) -> None:
    _, _, send = await _sender(world, route)
    before = await _counts(world)
    huge = b'{"name": "' + b"x" * BODY_MAX + b'"}'

    for content, status, code in (
        (b"{", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b'{"a": "\xff"}', 400, "malformed"),
        (b'{"amount": 1, "amount": 1}', 400, "malformed"),
        (b'{"amount": NaN}', 400, "malformed"),
        (b"[" * 30_000, 400, "malformed"),
        (huge, 413, "too-large"),
    ):
        answer = await send(content)
        assert (answer.status_code, code_of(answer)) == (status, code), content[:30]
    xml = await send(b"<amount>1</amount>", "application/xml")
    assert (xml.status_code, code_of(xml)) == (415, "unsupported-media-type")

    assert await _counts(world) == before


async def test_a_wrong_query_is_a_problem_for_every_list(world: World) -> None:
    admin = await world.admin()
    for method, path, operation in routes(world):
        names = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
        if method != "GET" or not names:
            continue
        for name in names | {"unknown"}:
            for value in QUERIES[name]:
                answer = await world.call("GET", f"{path}?{name}={value}", key=admin)
                assert answer.status_code == 422, (path, name, value)
                pointers = [problem["pointer"] for problem in answer.json()["errors"]]
                assert f"#/{name}" in pointers, (path, name, value)


async def test_a_body_in_many_small_pieces_is_cut_off_at_the_limit(world: World) -> None:
    tenant = await world.tenant()
    taken = 0

    async def pieces() -> Any:
        nonlocal taken
        for _ in range(1000):
            taken += 1024
            yield b"x" * 1024

    answer = await world.http.post(
        "/v1/payments",
        content=pieces(),
        headers={"authorization": f"Bearer {tenant.key}", "content-type": "application/json"},
    )

    assert (answer.status_code, code_of(answer)) == (413, "too-large")
    assert taken <= BODY_MAX + 2048


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "70000"])
async def test_a_length_that_is_announced_wrongly_does_no_harm(world: World, length: str) -> None:
    answer = await world.http.post("/v1/payments", headers={"content-length": length})

    assert answer.status_code in (401, 413)


async def test_nothing_was_started_by_all_this(world: World) -> None:
    """Runs last in this module: no payment exists, so no run does."""
    assert await world.count("payment") == 0


async def _sender(world: World, route: tuple[str, str]) -> Any:
    tenant, admin = await world.tenant(), await world.admin()
    method, path = route
    admins = ("/v1/apps", "/v1/channel-accounts", "/v1/operators")
    of_admin = path.startswith(admins) or path.endswith(("/approve", "/reject"))
    if path.startswith(("/v1/reconciliations", "/v1/discrepancies")):
        key = await world.key(Role.FINANCE)
    else:
        key = admin if of_admin else tenant.key
    filled = path.format(
        payment_id="pay_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        refund_id="ref_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        event_id="ntf_01KAH3W3F0Q7V2H8T0M4X5N6P701",
        account_id=tenant.account_id,
        app_id=tenant.app_id,
        reconciliation_id="rec_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        discrepancy_id="dis_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        operator_id="opr_01KAH3W3F0Q7V2H8T0M4X5N6P7",
        merchant_id=tenant.merchant_id,
        key_id=tenant.key.split("_")[1],
    )
    operation = world.app.openapi()["paths"][path][method.lower()]

    async def send(content: bytes, content_type: str = "application/json") -> Any:
        headers = {"authorization": f"Bearer {key}", "content-type": content_type}
        return await world.http.request(method, filled, content=content, headers=headers)

    return tenant, operation, send


def _references(route: tuple[str, str], tenant: Tenant) -> dict[str, Any]:
    if route == ("POST", "/v1/payments"):
        return order(tenant)
    if route == ("POST", "/v1/channel-accounts"):
        return {"merchant_id": tenant.merchant_id}
    if route == ("POST", "/v1/reconciliations"):
        return {"account_id": tenant.account_id}
    return {}


def _schema(operation: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return {"properties": {}} | schema


async def _counts(world: World) -> dict[str, int]:
    return {table: await world.count(table) for table in TABLES}
