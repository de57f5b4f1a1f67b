"""Every account's day by the clock of its channel: real schedules on a real server, backfilled."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import ScheduleBackfill

from api.schedules import Schedules
from models.merchant import Role
from tests.api.testpay import TestPay
from tests.api.world import World


def _utc(day: int, hour: int, minute: int) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def schedules(world: World) -> Schedules:
    return Schedules(
        database=world.deps.database,
        client=world.deps.client,
        registry=world.deps.channels,
        check_every=timedelta(days=30),  # no test waits for it
    )


@pytest.fixture
def channel(world: World) -> Iterator[TestPay]:
    """The test channel, with a time zone of the test's own."""
    before = world.channel.capabilities
    yield world.channel
    world.channel.capabilities = before


@dataclass(frozen=True)
class Morning:
    """A backfill over two mornings, and the days it makes."""

    timezone: str
    after: datetime
    until: datetime
    days: tuple[str, str] = ("2026-10-31", "2026-11-01")


@pytest.mark.parametrize(
    "morning",
    [
        # 10:30 in Beijing is 02:30 UTC.
        Morning("Asia/Shanghai", _utc(1, 2, 29), _utc(2, 2, 31)),
        # Clocks went back on the first: 10:30 was 14:30 UTC before it, and is 15:30 from it on.
        Morning("America/New_York", _utc(1, 15, 29), _utc(2, 15, 31)),
    ],
    ids=lambda morning: morning.timezone,
)
async def test_a_backfill_reconciles_the_days_it_names(
    world: World, channel: TestPay, schedules: Schedules, morning: Morning
) -> None:
    channel.capabilities = channel.capabilities.model_copy(update={"timezone": morning.timezone})
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    await schedules.apply()
    handle = world.deps.client.get_schedule_handle(f"recon/{tenant.account_id}")
    asked = channel.bill_asked

    await handle.backfill(ScheduleBackfill(start_at=morning.after, end_at=morning.until))
    while channel.bill_asked < asked + 2:
        await channel.news.wait()
        channel.news.clear()
    for day in morning.days:
        run = f"recon/{tenant.account_id}/{day}"
        await world.deps.client.get_workflow_handle(run).result()

    listed = await world.call(
        "GET", f"/v1/reconciliations?account_id={tenant.account_id}", key=finance
    )
    found = {item["business_day"]: item for item in listed.json()["items"]}
    assert tuple(sorted(found)) == morning.days
    assert {item["status"] for item in found.values()} == {"balanced"}
    assert {item["timezone"] for item in found.values()} == {morning.timezone}
    assert {item["requested_by"] for item in found.values()} == {"schedule"}


async def test_schedules_are_made_once_and_stay_paused(world: World, schedules: Schedules) -> None:
    tenant = await world.tenant()
    name = f"recon/{tenant.account_id}"
    handle = world.deps.client.get_schedule_handle(name)

    first = await schedules.apply()
    nothing_new = await schedules.apply_new()
    await handle.pause(note="the channel moves house")
    again = await dataclasses.replace(schedules, _applied=set()).apply()
    described = await handle.describe()

    assert {name, "check"} <= set(first)
    assert nothing_new == ()
    assert set(again) == set(first)
    assert described.schedule.state.paused
    assert described.schedule.spec.time_zone_name == world.channel.capabilities.timezone


async def test_the_next_run_is_on_the_next_morning(
    world: World, channel: TestPay, schedules: Schedules
) -> None:
    channel.capabilities = channel.capabilities.model_copy(update={"timezone": "Asia/Shanghai"})
    tenant = await world.tenant()
    await schedules.apply()

    handle = world.deps.client.get_schedule_handle(f"recon/{tenant.account_id}")
    coming = (await handle.describe()).info.next_action_times

    assert {(at.hour, at.minute) for at in coming} == {(2, 30)}
    assert coming[1] - coming[0] == timedelta(days=1)
