"""What a crash left behind is picked up: each kind, once, and by one sweeper at a time."""

import asyncio
import itertools
from datetime import datetime, timedelta

from api.clock import utc_now
from api.sweepers import Sweeper, Timing
from models.payment import PaymentStatus
from storage.turns import take_turn
from tests.api.world import World, paid

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
