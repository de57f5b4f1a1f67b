"""What is the same for every request: keys, problems, ids, headers, health, the reference page."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from api.auth import mint_key
from api.clock import utc_now
from api.problems import KINDS
from models.merchant import Role
from observability.metrics import HTTP_REQUESTS
from storage.keys import disable_key
from tests.api.conftest import CODEC_TOKEN, UI_URL
from tests.api.world import World, code_of

SECRET = "A" * 43


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer pk_",
        "Bearer pk_short_secret",
        f"Bearer pk_{'0' * 26}_{SECRET}",
        f"Bearer pk_{'0' * 26}_{SECRET}x",
        f"Basic pk_{'0' * 26}_{SECRET}",
        f"Bearer pk_{'0' * 26}_{SECRET}\u00e9",
        "Bearer " + "x" * 5000,
    ],
)
async def test_every_key_that_is_no_key_gets_the_same_answer(world: World, header: str) -> None:
    expected = await world.call("GET", "/v1/payments", key=mint_key().text)

    answer = await world.http.get("/v1/payments", headers={b"authorization": header.encode()})

    assert (answer.status_code, code_of(answer)) == (401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert _body(answer) == _body(expected)


async def test_a_disabled_key_and_a_wrong_secret_are_told_apart_by_nobody(world: World) -> None:
    key = await world.key(Role.OPS)
    wrong_secret = key[:-43] + SECRET
    unknown = await world.call("GET", "/v1/payments", key=mint_key().text)

    wrong = await world.call("GET", "/v1/payments", key=wrong_secret)
    async with world.deps.database.transaction("test disable") as connection:
        await disable_key(connection, key_id=key.split("_")[1], now=utc_now())
    disabled = await world.call("GET", "/v1/payments", key=key)

    assert [a.status_code for a in (wrong, disabled)] == [401, 401]
    assert _body(wrong) == _body(disabled) == _body(unknown)


async def test_who_calls_is_asked_before_the_body_is_looked_at(world: World) -> None:
    answer = await world.http.post("/v1/payments", content=b"{")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("POST", "/v1/payments/", 404, "not-found"),
        ("DELETE", "/v1/payments", 405, "method-not-allowed"),
        ("PUT", "/v1/payments/pay_1/cancel", 405, "method-not-allowed"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    answer = await world.http.request(method, path)

    assert (answer.status_code, code_of(answer)) == (status, code)


async def test_all_methods_of_an_address_are_named(world: World) -> None:
    answer = await world.http.delete("/v1/payments")

    assert answer.headers["allow"] == "GET, POST"


async def test_the_callers_request_id_is_used_when_it_is_well_formed(world: World) -> None:
    sent = await world.http.get("/healthz", headers={"x-request-id": "req_abc-12345"})
    made = await world.http.get("/healthz", headers={"x-request-id": "<script>"})

    assert sent.headers["x-request-id"] == "req_abc-12345"
    assert re.fullmatch(r"req_[0-9A-Z]{26}", made.headers["x-request-id"])


async def test_an_unexpected_error_says_nothing_but_where_to_look(world: World) -> None:
    app: FastAPI = world.with_().app

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("a secret of ours")

    async with world.over(app) as other:
        answer = await other.http.get("/broken")

    assert (answer.status_code, code_of(answer)) == (500, "internal")
    assert "secret" not in answer.text


async def test_without_the_database_the_answer_is_503_and_when_to_come_back(world: World) -> None:
    key = await world.admin()

    async with world.without_database() as cut_off:
        answer = await cut_off.call("GET", "/v1/payments", key=key)
        ready = await cut_off.http.get("/readyz")
        alive = await cut_off.http.get("/healthz")

    assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unavailable")
    assert alive.status_code == 200


async def test_without_temporal_an_order_is_taken_and_answered_202(world: World) -> None:
    tenant = await world.tenant()

    async with world.without_temporal() as cut_off:
        answer = await cut_off.pay(tenant)
        ready = await cut_off.http.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (202, "created")
    assert ready.json()["checks"] == {"database": "ok", "temporal": "unavailable"}


async def test_with_everything_there_it_is_ready(world: World) -> None:
    answer = await world.http.get("/readyz")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_requests_are_counted_by_route_and_never_by_id(world: World) -> None:
    await world.http.get("/v1/payments/pay_01KAH3W3F0Q7V2H8T0M4X5N6P7")

    text = (await world.http.get("/metrics")).text

    assert 'route="/v1/payments/{payment_id}"' in text
    assert "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7" not in text
    assert HTTP_REQUESTS.labels("/v1/payments/{payment_id}", "GET", "401")._value.get() >= 1


async def test_answers_cannot_be_framed_sniffed_or_cached(world: World) -> None:
    headers = (await world.http.get("/v1/payments")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_the_reference_names_every_route_and_problem_and_loads_nothing(world: World) -> None:
    page = (await world.http.get("/docs")).text
    document = (await world.http.get("/openapi.json")).json()

    assert all(f">{path}<" in page for path in document["paths"])
    assert all(f'id="{code}"' in page for code in KINDS)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//|@import|url\(", page)


async def test_every_route_says_what_it_does_and_every_body_has_an_example(world: World) -> None:
    for path, methods in (await world.http.get("/openapi.json")).json()["paths"].items():
        for method, described in methods.items():
            assert described["description"], (method, path)
            body = described.get("requestBody", {}).get("content", {}).get("application/json")
            if body and body["schema"].get("required"):
                assert body["example"], (method, path)


# ---- the codec for Temporal UI ----------------------------------------------------------------

PLAIN = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "eyJhIjoxfQ=="}]}
BEARER = {"authorization": f"Bearer {CODEC_TOKEN}"}


async def test_what_was_encrypted_is_decrypted_for_who_has_the_token(world: World) -> None:
    sealed = await world.http.post("/codec/encode", json=PLAIN, headers=BEARER)
    opened = await world.http.post("/codec/decode", json=sealed.json(), headers=BEARER)
    by_path = await world.http.post(f"/codec/{CODEC_TOKEN}/decode", json=sealed.json())

    assert sealed.json() != PLAIN
    assert opened.json() == by_path.json() == PLAIN


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "x"}])
async def test_without_the_token_there_is_no_codec(world: World, headers: dict[str, str]) -> None:
    answer = await world.http.post("/codec/decode", json=PLAIN, headers=headers)
    by_path = await world.http.post("/codec/wrong/decode", json=PLAIN)

    assert (answer.status_code, by_path.status_code) == (404, 404)


async def test_a_codec_without_a_token_set_is_closed_to_everybody(world: World) -> None:
    async with world.with_options(codec_token=None) as closed:
        answers = [
            await closed.http.post("/codec/decode", json=PLAIN, headers={"authorization": value})
            for value in ("", "Bearer ", "Bearer None")
        ]

    assert {answer.status_code for answer in answers} == {404}


@pytest.mark.parametrize("content", [b"{", b'{"payloads": 1}', b'{"more": 1}', b"\xff"])
async def test_payloads_that_cannot_be_read_are_malformed(world: World, content: bytes) -> None:
    answer = await world.http.post("/codec/decode", content=content, headers=BEARER)

    assert (answer.status_code, code_of(answer)) == (400, "malformed")


async def test_a_payload_of_an_unknown_key_is_refused(world: World) -> None:
    sealed = (await world.http.post("/codec/encode", json=PLAIN, headers=BEARER)).json()
    sealed["payloads"][0]["metadata"]["encryption-key-id"] = "bm9ib2R5"

    answer = await world.http.post("/codec/decode", json=sealed, headers=BEARER)

    assert (answer.status_code, code_of(answer)) == (422, "invalid-request")


async def test_the_page_of_temporal_ui_may_ask_and_no_other(world: World) -> None:
    ask = {"access-control-request-method": "POST", "origin": UI_URL}
    ui = await world.http.options("/codec/decode", headers=ask)
    other = await world.http.options("/codec/decode", headers=ask | {"origin": "http://evil"})

    assert ui.headers["access-control-allow-origin"] == UI_URL
    assert {"content-type", "x-namespace", "authorization", "authorization-extras"} == set(
        ui.headers["access-control-allow-headers"].split(",")
    )
    assert "access-control-allow-origin" not in other.headers


def _body(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}
