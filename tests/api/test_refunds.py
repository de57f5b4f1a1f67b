"""Giving money back through the API: real PostgreSQL, real Temporal, real workflows."""

import asyncio

from models.channel import Declined, Pending
from tests.api.world import World, code_of, refund_body, transactions


async def test_a_refund_is_answered_with_what_the_channel_said(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)

    answer = await world.refund(tenant, payment_id, reason="one ticket given back")

    refund = answer.json()
    assert (answer.status_code, refund["status"]) == (201, "succeeded")
    assert (refund["payment_id"], refund["amount"], refund["currency"]) == (payment_id, 500, "CNY")
    assert answer.headers["location"] == f"/v1/refunds/{refund['id']}"
    assert refund["links"]["run"].endswith(f"/workflows/refund%2F{refund['id']}")
    await world.refunded(refund["id"])
    kept = (await world.call("GET", answer.headers["location"], key=tenant.key)).json()
    assert (kept["status"], kept["reason"]) == ("succeeded", "one ticket given back")
    assert kept["refund_serial"] in world.channel.refund_calls


async def test_a_refund_costs_one_transaction_of_the_api(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    before = transactions()

    await world.refund(tenant, payment_id, currency="CNY")

    spent = {name: n - before.get(name, 0) for name, n in transactions().items()}
    ours = {name: n for name, n in spent.items() if n and name not in _OF_THE_WORKER}
    assert ours == {"record refund": 1}


_OF_THE_WORKER = ("book refund", "read channel account", "read endpoint", "record delivery")


async def test_the_payment_says_how_much_of_it_went_back(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    for amount in (500, 700):
        refund = await world.refund(tenant, payment_id, amount=amount)
        await world.refunded(refund.json()["id"])

    payment = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()

    assert (payment["status"], payment["amount_refunded"]) == ("succeeded", 1200)


async def test_more_than_is_left_is_refused_and_says_how_much_that_is(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    await world.refund(tenant, payment_id, amount=1000)

    answer = await world.refund(tenant, payment_id, amount=1000)

    (problem,) = answer.json()["errors"]
    assert (answer.status_code, code_of(answer)) == (422, "refund-exceeds-captured")
    assert (problem["pointer"], problem["detail"]) == ("#/amount", "refundable 999, requested 1000")


async def test_many_at_once_never_give_back_more_than_came_in(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)

    answers = await asyncio.gather(
        *(world.refund(tenant, payment_id, amount=600) for _ in range(8))
    )

    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 5
    for answer in answers:
        if answer.status_code == 201:
            await world.refunded(answer.json()["id"])
    payment = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()
    assert payment["amount_refunded"] == 1800


async def test_a_payment_without_money_cannot_be_refunded(world: World) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]

    answer = await world.refund(tenant, payment_id)

    assert (answer.status_code, code_of(answer)) == (409, "invalid-state")


async def test_another_currency_than_the_payments_is_pointed_at(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)

    answer = await world.refund(tenant, payment_id, currency="USD")

    assert (answer.status_code, code_of(answer)) == (422, "invalid-request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/currency"]


async def test_a_refund_that_the_channel_refuses_has_failed_and_may_be_asked_for_again(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    serial = _serial(payment_id)
    world.channel.refund_says[serial] = Declined(code="refused", detail="too long ago")

    refused = await world.refund(tenant, payment_id, amount=1999)
    await world.refunded(refused.json()["id"])
    world.channel.refund_says.pop(serial)
    again = await world.refund(tenant, payment_id, amount=1999)

    assert (refused.status_code, refused.json()["status"]) == (201, "failed")
    assert refused.json()["failure"] == {"code": "refused", "detail": "too long ago"}
    assert (again.status_code, again.json()["status"]) == (201, "succeeded")


# ---- the same again ---------------------------------------------------------------------------


async def test_the_same_refund_again_is_the_same_refund(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    sent = refund_body(payment_id, amount=1999)

    answers = await asyncio.gather(
        *(world.call("POST", "/v1/refunds", key=tenant.key, body=sent) for _ in range(6))
    )

    (refund_id,) = {answer.json()["id"] for answer in answers}
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert {answer.json()["status"] for answer in answers} == {"succeeded"}
    assert world.channel.refund_calls.count(refund_id.removeprefix("ref_")) == 1


async def test_the_same_refund_number_with_another_body_is_a_conflict(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    first = await world.refund(tenant, payment_id, refund_no="taken")

    other = await world.refund(tenant, payment_id, refund_no="taken", amount=501)

    assert (other.status_code, code_of(other)) == (409, "refund-conflict")
    assert other.headers["location"] == first.headers["location"]


async def test_a_key_replays_the_first_answer_byte_for_byte(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "refund-1"}
    sent = refund_body(await world.paid_payment(tenant))

    first = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent, headers=key)
    again = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent, headers=key)

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]


async def test_a_refused_refund_does_not_use_up_its_key(world: World) -> None:
    tenant, key = await world.tenant(), {"idempotency-key": "refund-2"}
    payment_id = await world.paid_payment(tenant)

    refused = await world.refund(tenant, payment_id, headers=key, amount=2000)
    right = await world.refund(tenant, payment_id, headers=key, amount=1999)

    assert (refused.status_code, right.status_code) == (422, 201)


async def test_an_answer_that_is_not_known_in_time_is_202_and_comes_later(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    may_refund = world.channel.may_refund[_serial(payment_id)] = asyncio.Event()
    sent = refund_body(payment_id)

    async with world.impatient() as impatient:
        early = await impatient.call("POST", "/v1/refunds", key=tenant.key, body=sent)
    may_refund.set()
    late = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)

    assert (early.status_code, early.json()["status"]) == (202, "pending")
    assert (late.status_code, late.json()["status"]) == (200, "succeeded")


async def test_a_refund_that_is_under_way_is_shown_as_our_books_have_it(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    world.channel.refund_says[_serial(payment_id)] = Pending()
    sent = refund_body(payment_id)

    first = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)
    again = await world.call("POST", "/v1/refunds", key=tenant.key, body=sent)
    payment = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()

    assert (first.status_code, first.json()["status"]) == (201, "pending")
    assert (again.status_code, again.json()["status"]) == (200, "pending")
    assert payment["amount_refunded"] == 0


# ---- looking up -------------------------------------------------------------------------------


async def test_lists_come_in_pages_and_can_be_filtered(world: World) -> None:
    tenant = await world.tenant()
    one, other = await world.paid_payment(tenant), await world.paid_payment(tenant)
    made = [(await world.refund(tenant, one, amount=1)).json()["id"] for _ in range(3)]
    elsewhere = (await world.refund(tenant, other)).json()["id"]
    of_one = f"/v1/refunds?payment_id={one}&limit=2"

    first = (await world.call("GET", of_one, key=tenant.key)).json()
    rest = (
        await world.call("GET", f"{of_one}&cursor={first['next_cursor']}", key=tenant.key)
    ).json()
    everything = (await world.call("GET", "/v1/refunds", key=tenant.key)).json()
    failed = (await world.call("GET", "/v1/refunds?status=failed", key=tenant.key)).json()

    assert [refund["id"] for refund in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert [refund["id"] for refund in everything["items"]] == [elsewhere, *made[::-1]]
    assert failed["items"] == []


async def test_the_explanation_of_a_payment_tells_its_refunds(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    refund = await world.refund(tenant, payment_id, refund_no="R-1")
    await world.refunded(refund.json()["id"])

    story = await world.call("GET", f"/v1/payments/{payment_id}/explain", key=tenant.key)

    told = [entry["summary"] for entry in story.json()["timeline"]]
    assert "refund R-1: 5.00 CNY from merchant" in told
    assert "refund R-1: pending -> succeeded (answer)" in told
    assert any(summary.startswith("refund.succeeded") for summary in told)


def _serial(payment_id: str) -> str:
    return f"{payment_id.removeprefix('pay_')}01"
