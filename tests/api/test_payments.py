"""Paying through the API: real PostgreSQL, real Temporal, real workflows; a made-up channel."""

import asyncio

import pytest

from tests.api.world import Tenant, World, code_of, order, paid, transactions


async def test_a_first_order_is_answered_with_what_the_payer_does_next(world: World) -> None:
    tenant = await world.tenant()

    answer = await world.pay(tenant, order_no="first")

    payment = answer.json()
    assert answer.status_code == 201
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["type"] == "qr_code"
    assert answer.headers["location"] == f"/v1/payments/{payment['id']}"
    assert payment["links"]["run"].endswith(f"/workflows/pay%2F{payment['id']}")


async def test_an_order_costs_one_transaction_of_the_api(world: World) -> None:
    tenant = await world.tenant()
    before = transactions()

    await world.pay(tenant)

    spent = {name: n - before.get(name, 0) for name, n in transactions().items()}
    ours = {name: n for name, n in spent.items() if n and name not in _OF_THE_WORKER}
    assert ours == {"record order": 1}


_OF_THE_WORKER = ("prepare attempt", "record move", "read channel account")


async def test_the_same_order_again_is_the_same_payment(world: World) -> None:
    tenant = await world.tenant()
    sent = order(tenant)

    first = await world.call("POST", "/v1/payments", key=tenant.key, body=sent)
    again = await world.call("POST", "/v1/payments", key=tenant.key, body=sent)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["next_action"] == first.json()["next_action"]


async def test_many_at_once_are_one_payment_and_one_call_to_the_channel(world: World) -> None:
    tenant = await world.tenant()
    sent = order(tenant)

    answers = await asyncio.gather(
        *(world.call("POST", "/v1/payments", key=tenant.key, body=sent) for _ in range(8))
    )

    (payment_id,) = {answer.json()["id"] for answer in answers}
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert world.channel.pay_calls.count(f"{payment_id.removeprefix('pay_')}01") == 1


async def test_the_same_order_number_with_another_body_is_a_conflict(world: World) -> None:
    tenant = await world.tenant()
    first = await world.pay(tenant, order_no="taken")

    other = await world.pay(tenant, order_no="taken", amount=2000)

    assert (other.status_code, code_of(other)) == (409, "order-conflict")
    assert other.headers["location"] == first.headers["location"]


async def test_two_apps_may_use_the_same_order_number(world: World) -> None:
    one, other = await world.tenant(), await world.tenant()

    answers = [await world.pay(tenant, order_no="shared") for tenant in (one, other)]

    assert [answer.status_code for answer in answers] == [201, 201]


async def test_an_answer_that_is_not_known_in_time_is_202_and_comes_later(world: World) -> None:
    tenant = await world.tenant()
    sent = order(tenant, method="test_slow")

    async with world.impatient() as impatient:
        early = await impatient.call("POST", "/v1/payments", key=tenant.key, body=sent)
    world.channel.may_answer.set()
    late = await world.call("POST", "/v1/payments", key=tenant.key, body=sent)

    assert early.status_code == 202
    assert early.json()["status"] in ("created", "processing")
    assert (late.status_code, late.json()["status"]) == (200, "requires_action")
    assert late.json()["id"] == early.json()["id"]


async def test_a_code_the_payer_shows_is_asked_for_where_it_is_needed(world: World) -> None:
    tenant = await world.tenant()

    without = await world.pay(tenant, method="test_code")
    with_one = await world.pay(tenant, payer_code="281234567890123456")
    right = await world.pay(tenant, method="test_code", payer_code="281234567890123456")

    assert [e["pointer"] for e in without.json()["errors"]] == ["#/payer_code"]
    assert [e["pointer"] for e in with_one.json()["errors"]] == ["#/payer_code"]
    assert (right.status_code, right.json()["status"]) == (201, "succeeded")


async def test_a_merchant_of_nobody_is_pointed_at(world: World) -> None:
    tenant = await world.tenant()

    answer = await world.pay(tenant, merchant_id="mer_01KAH3W3F0Q7V2H8T0M4X5N6P7")

    assert (answer.status_code, code_of(answer)) == (404, "merchant-not-found")
    assert answer.json()["errors"][0]["pointer"] == "#/merchant_id"


async def test_a_refusal_by_our_rules_is_a_failed_payment_and_no_error(world: World) -> None:
    tenant = await world.tenant(payment_limit=1000)

    answer = await world.pay(tenant, amount=1001)

    assert (answer.status_code, answer.json()["status"]) == (201, "failed")
    assert answer.json()["failure"]["code"]


async def test_lists_come_in_pages_and_can_be_filtered(world: World) -> None:
    tenant = await world.tenant()
    made = [(await world.pay(tenant, order_no=f"n-{n}")).json()["id"] for n in range(3)]

    first = (await world.call("GET", "/v1/payments?limit=2", key=tenant.key)).json()
    rest = (
        await world.call(
            "GET", f"/v1/payments?limit=2&cursor={first['next_cursor']}", key=tenant.key
        )
    ).json()
    one = (await world.call("GET", "/v1/payments?order_no=n-1", key=tenant.key)).json()
    none = (await world.call("GET", "/v1/payments?status=failed", key=tenant.key)).json()

    assert [p["id"] for p in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert [p["id"] for p in one["items"]] == [made[1]]
    assert none["items"] == []


async def test_a_cancelled_payment_ends_and_a_second_cancel_changes_nothing(world: World) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    path = f"/v1/payments/{payment_id}/cancel"

    first = await world.call("POST", path, key=tenant.key, body={"reason": "changed their mind"})
    again = await world.call("POST", path, key=tenant.key)

    assert (first.status_code, first.json()["status"]) == (200, "canceled")
    assert (again.status_code, again.json()["status"]) == (200, "canceled")


async def test_a_payment_that_ended_otherwise_cannot_be_cancelled(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await _paid(world, tenant)

    answer = await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key)

    assert (answer.status_code, code_of(answer)) == (409, "invalid-state")


async def test_the_explanation_tells_the_whole_story(world: World) -> None:
    tenant = await world.tenant()
    waiting = (await world.pay(tenant)).json()["id"]
    done = await _paid(world, tenant)

    one = (await world.call("GET", f"/v1/payments/{waiting}/explain", key=tenant.key)).json()
    other = (await world.call("GET", f"/v1/payments/{done}/explain", key=tenant.key)).json()

    assert one["next"]["next_step_at"] is not None
    kinds = [entry["kind"] for entry in other["timeline"]]
    assert kinds[0] == "order"
    assert {"verdict", "status", "callback", "ledger", "notification"} <= set(kinds)
    assert other["payment"]["status"] == "succeeded"
    assert "ended" in other["next"]["doing"]


@pytest.mark.parametrize("header", ["", "two words", "x" * 256, 'unclosed"'])
async def test_an_unusable_idempotency_key_is_refused(world: World, header: str) -> None:
    tenant = await world.tenant()
    before = await world.count("payment")

    answer = await world.pay(tenant, headers={"idempotency-key": header})

    assert (answer.status_code, code_of(answer)) == (400, "idempotency-key-invalid")
    assert await world.count("payment") == before


async def test_a_key_replays_the_first_answer_byte_for_byte(world: World) -> None:
    tenant = await world.tenant()
    sent, key = order(tenant), {"idempotency-key": "k-1"}

    first = await world.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)
    await world.callback(tenant.account_id, paid(first.json()["id"]))
    await world.ended(first.json()["id"])
    again = await world.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)
    quoted = await world.call(
        "POST", "/v1/payments", key=tenant.key, body=sent, headers={"idempotency-key": '"k-1"'}
    )

    assert "idempotent-replayed" not in first.headers
    for replayed in (again, quoted):
        assert (replayed.status_code, replayed.content) == (201, first.content)
        assert replayed.headers["idempotent-replayed"] == "true"
        assert replayed.headers["location"] == first.headers["location"]


async def test_a_key_belongs_to_one_request(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "k-2"}
    await world.pay(tenant, headers=key)

    other = await world.pay(tenant, headers=key)

    assert (other.status_code, code_of(other)) == (422, "idempotency-key-reused")


async def test_two_apps_may_use_the_same_key(world: World) -> None:
    one, other = await world.tenant(), await world.tenant()

    answers = [await world.pay(t, headers={"idempotency-key": "k-3"}) for t in (one, other)]

    assert [answer.status_code for answer in answers] == [201, 201]


async def test_a_request_under_way_is_not_begun_twice(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "k-4"}
    world.channel.may_answer.clear()
    sent = order(tenant, method="test_slow")
    under_way = asyncio.create_task(
        world.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)
    )
    await world.called(1)

    answer = await world.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)
    world.channel.may_answer.set()
    first = await under_way

    assert (answer.status_code, code_of(answer)) == (409, "request-in-progress")
    assert answer.headers["retry-after"] == "1"
    assert first.status_code == 201


async def test_an_answer_not_known_in_time_is_not_stored(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "k-5"}
    world.channel.may_answer.clear()
    sent = order(tenant, method="test_slow")

    async with world.impatient() as impatient:
        early = await impatient.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)
    world.channel.may_answer.set()
    late = await world.call("POST", "/v1/payments", key=tenant.key, body=sent, headers=key)

    assert (early.status_code, late.status_code) == (202, 200)
    assert late.json()["id"] == early.json()["id"]


async def test_a_refused_body_does_not_use_up_its_key(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "k-6"}

    wrong = await world.pay(tenant, headers=key, amount=0)
    right = await world.pay(tenant, headers=key)

    assert (wrong.status_code, right.status_code) == (422, 201)


async def _paid(world: World, tenant: Tenant) -> str:
    payment_id: str = (await world.pay(tenant)).json()["id"]
    await world.callback(tenant.account_id, paid(payment_id))
    await world.ended(payment_id)
    return payment_id
