"""Holding money first, and capturing or releasing it, through the API."""

import asyncio

import pytest
from sqlalchemy import text

from models.channel import Approved, Unknown
from models.money import Money
from storage.ledger import payment_entries, trial_balance
from tests.api.world import World, code_of, order, paid


def serial_of(payment_id: str) -> str:
    return f"{payment_id.removeprefix('pay_')}01"


async def entries_of(world: World, payment_id: str) -> list[tuple[str, int]]:
    """What a payment wrote into the books, by kind of account."""
    async with world.deps.database.transaction("check") as connection:
        lines = await payment_entries(connection, payment_id)
    return sorted((line.account.partition(":")[0], line.amount_minor) for line in lines)


async def test_held_money_is_in_no_books_until_it_is_captured(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    held = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()

    assert (held["capture_method"], held["amount_captured"]) == ("manual", 0)
    assert held["capture_before"] is not None
    assert await entries_of(world, payment_id) == []


async def test_a_part_is_captured_and_booked_with_its_own_fee(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant, amount=2000)

    answer = await world.capture(tenant, payment_id, amount=1500)

    assert (answer.status_code, answer.json()["status"]) == (200, "partially_captured")
    assert answer.json()["amount_captured"] == 1500
    # 15.00 at 60 basis points is a fee of 0.09.
    assert await entries_of(world, payment_id) == [
        ("1101", 9),
        ("1101", 1491),
        ("2101", -1491),
        ("4101", -9),
    ]
    async with world.deps.database.transaction("check") as connection:
        lines = await trial_balance(connection)
    assert sum(line.debit_minor - line.credit_minor for line in lines) == 0


async def test_without_an_amount_all_is_captured(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    answer = await world.capture(tenant, payment_id)

    assert (answer.json()["status"], answer.json()["amount_captured"]) == ("succeeded", 1999)


async def test_the_same_capture_again_is_one_and_another_is_refused(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    answers = await asyncio.gather(
        *(world.capture(tenant, payment_id, amount=700) for _ in range(4))
    )
    other = await world.capture(tenant, payment_id, amount=800)

    assert {answer.status_code for answer in answers} == {200}
    assert world.channel.captured.count(Money(amount_minor=700, currency="CNY")) == 1
    assert (other.status_code, code_of(other)) == (409, "invalid-state")


async def test_captures_of_different_amounts_at_once_take_one_of_them(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    answers = await asyncio.gather(
        *(world.capture(tenant, payment_id, amount=amount) for amount in (300, 400))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_more_than_is_held_cannot_be_captured(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    answer = await world.capture(tenant, payment_id, amount=2000)

    (problem,) = answer.json()["errors"]
    assert (answer.status_code, problem["pointer"]) == (422, "#/amount")
    assert "1999" in problem["detail"]


async def test_a_payment_that_holds_nothing_cannot_be_captured(world: World) -> None:
    tenant = await world.tenant()
    open_payment = (await world.pay(tenant)).json()["id"]
    paid_payment = await world.paid_payment(tenant)

    answers = [await world.capture(tenant, each) for each in (open_payment, paid_payment)]

    assert [(a.status_code, code_of(a)) for a in answers] == [(409, "invalid-state")] * 2


async def test_a_cancel_releases_what_is_held_and_then_there_is_nothing_to_capture(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)

    canceled = await world.call(
        "POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={}
    )
    late = await world.capture(tenant, payment_id)

    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert (late.status_code, code_of(late)) == (409, "invalid-state")
    assert await entries_of(world, payment_id) == []


async def test_a_capture_without_an_answer_in_time_is_still_done(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant)
    serial = serial_of(payment_id)
    world.channel.capture_says[serial] = Unknown(detail="no answer")

    async with world.impatient() as impatient:
        answer = await impatient.capture(tenant, payment_id, amount=1200)
    del world.channel.capture_says[serial]
    await world.ended(payment_id)

    found = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()
    assert answer.status_code == 202
    assert (found["status"], found["amount_captured"]) == ("partially_captured", 1200)


async def test_no_more_than_was_captured_goes_back(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant, amount=2000)
    await world.capture(tenant, payment_id, amount=1500)

    too_much = await world.refund(tenant, payment_id, amount=1501)
    whole = await world.refund(tenant, payment_id, amount=1500)

    (problem,) = too_much.json()["errors"]
    assert problem["detail"] == "refundable 1500, requested 1501"
    assert (whole.status_code, whole.json()["status"]) == (201, "succeeded")


async def test_a_callback_about_a_part_is_expected_of_held_money_alone(world: World) -> None:
    tenant = await world.tenant()
    held = await world.held_payment(tenant)
    plain = (await world.pay(tenant)).json()["id"]
    less = Money(amount_minor=500, currency="CNY")
    for payment_id in (held, plain):
        world.channel.says[serial_of(payment_id)] = Approved(channel_reference="t", money=less)

    for payment_id in (held, plain):
        news = {
            "event": f"part-{payment_id}",
            "serial": serial_of(payment_id),
            "state": "paid",
            "amount": 500,
            "currency": "CNY",
            "reference": "t",
        }
        await world.callback(tenant.account_id, news)
    await world.ended(held)

    assert await world.status(tenant, held) == "partially_captured"
    assert await world.status(tenant, plain) in ("requires_action", "processing")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"method": "test_qr", "capture_method": "manual"}, "#/capture_method"),
        ({"method": "test_hold", "capture_within": 600}, "#/capture_within"),
        (
            {"method": "test_hold", "capture_method": "manual", "capture_within": 7 * 86_400 + 1},
            "#/capture_within",
        ),
    ],
)
async def test_what_the_method_cannot_hold_is_pointed_at(
    world: World, fields: dict[str, str | int], pointer: str
) -> None:
    tenant = await world.tenant()

    answer = await world.call("POST", "/v1/payments", key=tenant.key, body=order(tenant, **fields))

    assert answer.status_code == 422
    assert [problem["pointer"] for problem in answer.json()["errors"]] == [pointer]


async def test_a_hold_ends_when_the_app_said(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.held_payment(tenant, capture_within=3600)

    found = (await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)).json()

    recorded = await world.recorded(payment_id)
    assert recorded.state.capture_before is not None
    held_for = recorded.state.capture_before - recorded.order.created_at
    assert 3600 <= held_for.total_seconds() < 3660
    assert found["capture_before"].startswith(f"{recorded.state.capture_before:%Y-%m-%dT%H:%M:%S}")


async def test_money_set_aside_for_a_canceled_payment_is_released_and_never_booked(
    world: World,
) -> None:
    tenant = await world.tenant()
    answer = await world.pay(tenant, method="test_hold_qr", capture_method="manual")
    payment_id = answer.json()["id"]
    serial = serial_of(payment_id)
    await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={})
    await world.ended(payment_id)
    price = Money(amount_minor=1999, currency="CNY")
    world.channel.says[serial] = Approved(channel_reference="auth-9", money=price, held=True)

    await world.callback(tenant.account_id, paid(payment_id, state="held", event="late-hold"))
    async with world.deps.database.transaction("look") as connection:
        callback_id = await connection.scalar(
            text("SELECT id FROM callback WHERE serial = :serial"), {"serial": serial}
        )
    await world.deps.client.get_workflow_handle(f"late/{payment_id}/{callback_id}").result()

    assert world.channel.released.count(serial) == 1
    assert await world.status(tenant, payment_id) == "canceled"
    assert await entries_of(world, payment_id) == []
