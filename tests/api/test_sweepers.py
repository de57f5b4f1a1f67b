"""What a crash left behind is picked up: each kind, once, and by one sweeper at a time."""

import asyncio
import itertools
from datetime import datetime, timedelta

from api.clock import utc_now
from api.sweepers import Sweeper, Timing
from models.channel import Pending
from models.ids import attempt_id, serial
from models.merchant import Role
from models.payment import Attempt, AttemptStatus, PaymentStatus, Preparation
from storage.books import check_books
from storage.payments import read_attempt, record_preparation
from storage.turns import take_turn
from tests.api.world import World, given_back, paid

AT_ONCE = Timing(interval=timedelta(milliseconds=10), grace=timedelta(0))


def sweeper(world: World) -> Sweeper:
    return Sweeper(world.deps.database, world.deps.client, timing=AT_ONCE)


async def test_an_order_whose_run_was_never_started_is_started(world: World) -> None:
    tenant = await world.tenant()
    async with world.without_temporal() as cut_off:
        payment_id = (await cut_off.pay(tenant)).json()["id"]

    await sweeper(world).sweep_once()

    await world.callback(tenant.account_id, paid(payment_id))
    await world.started(payment_id)
    handle = world.deps.client.get_workflow_handle(f"pay/{payment_id}")
    assert (await handle.describe()).status is not None


async def test_a_callback_that_could_not_be_handed_on_ends_its_payment_later(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    async with world.without_temporal() as cut_off:
        await cut_off.callback(tenant.account_id, paid(payment_id))

    await sweeper(world).sweep_once()

    await world.ended(payment_id)
    assert await world.status(tenant, payment_id) is PaymentStatus.SUCCEEDED


async def test_a_callback_from_before_its_payment_was_known_is_taken_out_of_the_parking_lot(
    world: World,
) -> None:
    tenant = await world.tenant()
    async with world.without_temporal() as cut_off:
        payment_id = (await cut_off.pay(tenant)).json()["id"]
        parked = await cut_off.callback(tenant.account_id, paid(payment_id))
    await sweeper(world).sweep_once()
    await world.started(payment_id)

    await sweeper(world).sweep_once()

    await world.ended(payment_id)
    assert parked.text == "again"
    assert await world.status(tenant, payment_id) is PaymentStatus.SUCCEEDED


async def test_a_disputed_callback_is_handed_on_as_a_question_and_never_as_money(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    async with world.without_temporal() as cut_off:
        await cut_off.callback(tenant.account_id, paid(payment_id, amount=1))

    await sweeper(world).sweep_once()

    await world.asked(f"{payment_id.removeprefix('pay_')}01")
    assert await world.status(tenant, payment_id) is not PaymentStatus.SUCCEEDED


async def test_a_refund_whose_run_was_never_started_is_started(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    async with world.without_temporal() as cut_off:
        answer = await cut_off.refund(tenant, payment_id)
    refund_id = answer.json()["id"]

    await sweeper(world).sweep_once()

    await world.refunded(refund_id)
    kept = await world.call("GET", f"/v1/refunds/{refund_id}", key=tenant.key)
    assert (answer.status_code, kept.json()["status"]) == (202, "succeeded")


async def test_a_decision_on_a_refund_that_was_never_started_is_not_lost(world: World) -> None:
    tenant = await world.tenant(refund_approval_above=0)
    payment_id = await world.paid_payment(tenant)
    finance = await world.key(Role.FINANCE)
    async with world.without_temporal() as cut_off:
        refund_id = (await cut_off.refund(tenant, payment_id)).json()["id"]
        lost = await cut_off.call("POST", f"/v1/refunds/{refund_id}/approve", key=finance)

    approved = await world.call("POST", f"/v1/refunds/{refund_id}/approve", key=finance)

    await world.refunded(refund_id)
    assert (lost.status_code, lost.json()["status"]) == (202, "pending_approval")
    assert approved.status_code == 200


async def test_a_callback_about_a_refund_that_could_not_be_handed_on_is_handed_on_later(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    world.channel.refund_says[f"{payment_id.removeprefix('pay_')}01"] = Pending()
    refund_id = (await world.refund(tenant, payment_id)).json()["id"]
    async with world.without_temporal() as cut_off:
        await cut_off.callback(tenant.account_id, given_back(refund_id))

    await sweeper(world).sweep_once()

    await world.refunded(refund_id)
    kept = await world.call("GET", f"/v1/refunds/{refund_id}", key=tenant.key)
    assert kept.json()["status"] == "succeeded"


async def test_a_run_that_has_heard_a_callback_is_not_told_of_it_again_and_again(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    await world.callback(tenant.account_id, paid(payment_id, amount=1))

    async with world.deps.database.transaction("a look an hour from now") as connection:
        await connection.exec_driver_sql(
            "UPDATE callback SET reads = 30 WHERE payment_id = %s", (payment_id,)
        )
    await sweeper(world).sweep_once()

    async with world.deps.database.transaction("test") as connection:
        waits = await connection.exec_driver_sql(
            "SELECT retry_after - clock_timestamp() FROM callback WHERE payment_id = %s",
            (payment_id,),
        )
    assert waits.scalar_one() > timedelta(minutes=50)


async def _second_attempt(world: World, payment_id: str) -> Attempt:
    """Reserved for a payment that has its money, as when a payer turned to another method."""
    recorded = await world.recorded(payment_id)
    async with world.deps.database.transaction("arrange") as connection:
        first = await read_attempt(connection, attempt_id(payment_id, 1))
        assert first is not None
        second = first.model_copy(
            update={
                "id": attempt_id(payment_id, 2),
                "number": 2,
                "serial": serial(payment_id, 2),
                "status": AttemptStatus.NOT_SENT,
            }
        )
        await record_preparation(
            connection, recorded.order, Preparation(verdicts=(), attempt=second), utc_now()
        )
    return second


async def test_money_that_came_twice_goes_back_by_itself(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    second = await _second_attempt(world, payment_id)

    refund_id = f"ref_{second.serial}"
    await world.callback(tenant.account_id, paid(payment_id, serial=second.serial))
    async with world.deps.database.transaction("look") as connection:
        found = await connection.exec_driver_sql(
            "SELECT id FROM callback WHERE serial = %s", (second.serial,)
        )
        callback_id = found.scalar_one()
    await world.deps.client.get_workflow_handle(f"late/{payment_id}/{callback_id}").result()
    await world.refunded(refund_id)
    await sweeper(world).sweep_once()

    payment = await world.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)
    refund = await world.call("GET", f"/v1/refunds/{refund_id}", key=tenant.key)
    events = await world.call("GET", f"/v1/events?object_id={payment_id}", key=tenant.key)
    async with world.deps.database.transaction("look") as connection:
        again = await read_attempt(connection, second.id)
        handled = await connection.exec_driver_sql(
            "SELECT handled_at IS NOT NULL FROM callback WHERE serial = %s", (second.serial,)
        )
    assert payment.json()["status"] == "succeeded"
    assert payment.json()["amount_refunded"] == 0
    assert (refund.json()["status"], refund.json()["amount"]) == ("succeeded", 1999)
    assert again is not None
    assert (again.status, again.surplus) == (AttemptStatus.CHARGED, True)
    assert handled.scalar_one()
    notes = [event["payload"]["data"].get("note") for event in events.json()["items"]]
    assert "paid_twice_to_be_refunded" in notes
    results = await asyncio.to_thread(check_books, world.deps.database.url, quiet=False)
    wrong = [(one.name, one.rows) for one in results if payment_id in str(one.rows)]
    assert wrong == []


async def test_an_app_with_overdue_notifications_is_woken(world: World) -> None:
    tenant = await world.tenant(webhook_url="https://shop.invalid/events")
    payment_id = (await world.pay(tenant)).json()["id"]
    await world.callback(tenant.account_id, paid(payment_id))
    await world.ended(payment_id)

    def an_hour_later() -> datetime:
        return utc_now() + timedelta(hours=1)

    late = Sweeper(world.deps.database, world.deps.client, clock=an_hour_later, timing=AT_ONCE)
    await late.sweep_once()

    handle = world.deps.client.get_workflow_handle(f"notify/{tenant.app_id}")
    assert (await handle.describe()).id == f"notify/{tenant.app_id}"
    await handle.terminate("the test is over")


async def test_only_one_sweeper_looks_at_a_time(world: World) -> None:
    tenant = await world.tenant()
    async with world.without_temporal() as cut_off:
        payment_id = (await cut_off.pay(tenant)).json()["id"]

    async with world.deps.database.transaction("another sweeper") as connection:
        assert await take_turn(connection, "sweep")
        await sweeper(world).sweep_once()

    assert await world.status(tenant, payment_id) is PaymentStatus.CREATED
    assert not await world.has_run(payment_id)


async def test_a_dead_temporal_does_not_end_the_sweeper(world: World) -> None:
    tenant = await world.tenant()

    async with world.without_temporal() as cut_off:
        await cut_off.pay(tenant)
        await _goes_on(cut_off)


async def test_a_dead_database_does_not_end_the_sweeper(world: World) -> None:
    async with world.without_database() as cut_off:
        await _goes_on(cut_off)


async def _goes_on(world: World) -> None:
    """Run a sweeper until it has begun its third round."""
    third_round = asyncio.Event()
    rounds = itertools.count(1)

    def clock() -> datetime:
        if next(rounds) >= 3:
            third_round.set()
        return utc_now()

    running = Sweeper(world.deps.database, world.deps.client, clock=clock, timing=AT_ONCE)
    task = asyncio.create_task(running.run())
    await third_round.wait()
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
