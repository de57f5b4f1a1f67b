"""`paycenter payments`, `queues` and `callbacks` against a real server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner

from devstack.payments_command import payments
from devstack.queues_command import callbacks, queues
from tests.api.world import World, paid

Say = Callable[..., Awaitable[tuple[int, str, str]]]

_STRANGE = "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7"


@pytest.fixture
async def say(world: World, address: str) -> Say:
    """Runs a command as an admin; gives its exit status, standard output and standard error."""
    access = ["--url", address, "--key", await world.admin()]
    alone = typer.Typer()
    alone.command()(queues)
    groups = {"payments": payments, "callbacks": callbacks, "queues": alone}

    async def run(group: str, *words: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(CliRunner().invoke, groups[group], [*access, *words])
        return done.exit_code, done.stdout, done.stderr

    return run


async def test_a_payment_is_explained_by_any_of_its_numbers(world: World, say: Say) -> None:
    tenant = await world.tenant()
    order_no = f"order-{uuid4().hex}"
    payment_id = await world.paid_payment(tenant, order_no=order_no)
    serial = f"{payment_id.removeprefix('pay_')}01"

    for number in (payment_id, order_no, serial):
        status, shown, _ = await say("payments", "explain", number)
        assert (status, payment_id in shown, "payment.captured booked" in shown) == (0, True, True)
    _, answer, _ = await say("payments", "explain", serial, "--json")
    assert json.loads(answer)["payment"]["id"] == payment_id


async def test_a_number_that_nobody_has_ends_with_1_and_says_what_to_do(say: Say) -> None:
    status, shown, said = await say("payments", "explain", "nobody-has-this")

    assert (status, shown) == (1, "")
    assert "no payment has the number nobody-has-this" in said


async def test_a_number_that_several_have_is_not_guessed_at(world: World, say: Say) -> None:
    order_no = f"order-{uuid4().hex}"
    ids = [await world.paid_payment(await world.tenant(), order_no=order_no) for _ in range(2)]

    status, shown, said = await say("payments", "explain", order_no)

    assert (status, shown) == (1, "")
    assert all(payment_id in said for payment_id in ids)


async def test_the_filters_of_the_api_narrow_a_list(world: World, say: Say) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    mine = ("--app", tenant.app_id, "--json")

    _, found, _ = await say("payments", "list", *mine, "--status", "succeeded", "--amount", "1999")
    _, none, _ = await say("payments", "list", *mine, "--amount", "2000")
    status, picture, _ = await say("payments", "list", "--app", tenant.app_id)

    assert [one["id"] for one in json.loads(found)["items"]] == [payment_id]
    assert json.loads(none)["items"] == []
    assert (status, payment_id in picture, "19.99 CNY" in picture) == (0, True, True)


async def test_a_filter_that_the_api_refuses_ends_with_1(say: Say) -> None:
    status, shown, said = await say("payments", "list", "--status", "lost")

    assert (status, shown) == (1, "")
    assert "status" in said


async def test_what_waits_is_counted_listed_and_shown(world: World, say: Say) -> None:
    tenant = await world.tenant()
    await world.callback(tenant.account_id, paid(_STRANGE))

    _, counted, _ = await say("queues", "--json")
    status, picture, _ = await say("queues")
    _, listed, _ = await say(
        "callbacks", "list", "parked", "--account", tenant.account_id, "--json"
    )
    (parked,) = json.loads(listed)["items"]
    _, shown, _ = await say("callbacks", "show", parked["id"])

    assert json.loads(counted)["parked"]["count"] >= 1
    assert (status, "callbacks list parked" in picture) == (0, True)
    assert parked["id"] in shown
    assert parked["serial"] in shown


async def test_a_server_that_is_not_there_ends_with_1_and_advice() -> None:
    access = ["--url", "http://127.0.0.1:9", "--key", "k"]

    done = await asyncio.to_thread(CliRunner().invoke, payments, [*access, "list"])

    assert (done.exit_code, done.stdout) == (1, "")
    assert "paycenter up" in done.stderr
