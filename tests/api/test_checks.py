"""A look around finds what does not fit between channel, books and runs, and mends nothing."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from temporalio.testing import ActivityEnvironment

from activities.accounts import AccountReader
from activities.check import CheckActivities
from api.reconciliation_dispatch import open_runs, run_nudge
from models.channel import Approved, Declined, Outcome, Unknown
from models.check import CheckRound
from models.merchant import Role
from models.money import Money
from tests.api.world import World


@pytest.fixture(autouse=True)
async def nothing_before(world: World, owner_url: str) -> None:
    """Each test sees its own payments alone: the others' are put out of sight."""
    async with await AsyncConnection.connect(owner_url, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE payment SET updated_at = now() + interval '1 day' WHERE succeeded_at IS NULL"
        )
        await connection.execute(
            "UPDATE attempt SET charged_at = charged_at - interval '1 day' WHERE status = 'charged'"
        )


async def test_a_payment_that_fits_everywhere_is_no_finding(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    _says(world, payment_id, _approved(1999))
    await world.pay(tenant)

    seen = await _look(world)

    assert (seen.successes, seen.open_payments, seen.unanswered) == (1, 1, 0)
    assert seen.findings == ()


async def test_money_an_open_payment_has_not_heard_of_is_found_and_its_run_asks(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    _says(world, payment_id, _approved(1999))

    seen = await _look(world)
    await world.ended(payment_id)

    assert _kinds(seen) == [("paid_at_channel", payment_id)]
    assert await world.status(tenant, payment_id) == "succeeded"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Declined(code="closed", detail="closed"), "not_paid_at_channel"),
        (
            Approved(channel_reference="r", money=Money(amount_minor=1998, currency="CNY")),
            "other_amount",
        ),
    ],
)
async def test_a_success_the_channel_does_not_know_like_that_is_found(
    world: World, said: Outcome, kind: str
) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    _says(world, payment_id, said)

    seen = await _look(world)

    assert _kinds(seen) == [(kind, payment_id)]
    assert await world.status(tenant, payment_id) == "succeeded"


async def test_a_payment_that_went_back_whole_may_be_closed_at_the_channel(world: World) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    await world.refunded((await world.refund(tenant, payment_id, amount=1999)).json()["id"])
    _says(world, payment_id, Declined(code="closed", detail="closed after a full refund"))

    seen = await _look(world)

    assert (seen.successes, seen.findings) == (1, ())


async def test_a_channel_that_says_nothing_clear_is_no_finding(world: World) -> None:
    tenant = await world.tenant()
    _says(world, await world.paid_payment(tenant), Unknown(detail="busy"))

    seen = await _look(world)

    assert (seen.unanswered, seen.findings) == (1, ())


async def test_an_open_payment_without_a_run_is_found(world: World) -> None:
    tenant = await world.tenant()
    payment_id = (await world.pay(tenant)).json()["id"]
    await world.deps.client.get_workflow_handle(f"pay/{payment_id}").terminate("the test")

    seen = await _look(world)

    assert _kinds(seen) == [("no_run", payment_id)]


async def test_money_without_its_ledger_entries_is_found(world: World, owner_url: str) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    _says(world, payment_id, _approved(1999))
    async with await AsyncConnection.connect(owner_url, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE ledger_transaction SET event_id = 'another' WHERE payment_id = %s",
            (payment_id,),
        )

    seen = await _look(world)

    attempt_id = f"att_{payment_id.removeprefix('pay_')}01"
    assert _kinds(seen) == [("not_in_ledger", attempt_id)]


async def test_ops_read_the_newest_rounds_and_apps_do_not(world: World) -> None:
    tenant, ops = await world.tenant(), await world.key(Role.OPS)
    payment_id = await world.paid_payment(tenant)
    _says(world, payment_id, Declined(code="closed", detail="closed"))
    first, second = await _look(world), await _look(world)

    newest = (await world.call("GET", "/v1/checks", key=ops)).json()
    both = (await world.call("GET", "/v1/checks?limit=2", key=ops)).json()
    refused = await world.call("GET", "/v1/checks", key=tenant.key)

    assert [one["id"] for one in newest["items"]] == [second.id]
    assert [one["id"] for one in both["items"]] == [second.id, first.id]
    assert newest["items"][0]["counts"] == {"not_paid_at_channel": 1}
    assert newest["items"][0]["findings"][0]["object_id"] == payment_id
    assert refused.status_code == 403


async def _look(world: World) -> CheckRound:
    deps = world.deps
    around = CheckActivities(
        deps.database,
        AccountReader(deps.database, deps.vault, deps.channels),
        deps.channels,
        open_runs(deps.client),
        run_nudge(deps.client, deps.database),
        grace=timedelta(seconds=-1),
    )
    seen: CheckRound = await ActivityEnvironment().run(around.look_around)
    return seen


def _says(world: World, payment_id: str, outcome: Outcome) -> None:
    world.channel.says[f"{payment_id.removeprefix('pay_')}01"] = outcome


def _approved(minor: int) -> Approved:
    money = Money(amount_minor=minor, currency="CNY")
    return Approved(channel_reference="2026112022001", money=money)


def _kinds(seen: CheckRound) -> list[tuple[Any, str]]:
    return [(one.kind.value, one.object_id) for one in seen.findings]
