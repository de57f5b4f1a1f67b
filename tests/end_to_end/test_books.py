"""`books verify` on a running stack: against Temporal's runs and the channels' own books too."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from activities.webhook import WebhookSender
from devstack.books_runs import check_runs
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack
from storage.database import Database
from tests.books import sources_of
from tests.storage.house import Builder

pytestmark = pytest.mark.stack

_PROJECT = Path(__file__).resolve().parents[2]
_COULD_NOT_LOOK = 2


async def test_the_command_looks_into_the_stack_of_a_folder(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment = await shop.order(Order())
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)

    found = await _command(stack, "--always", "--temporal", "--sandbox", stack.sandbox_url)
    unreadable = await _command(stack, "--sandbox", "http://127.0.0.1:1")

    assert found.returncode == 0, found.stdout
    looked_at = {one["meaning"]: one["looked_at"] for one in json.loads(found.stdout)["results"]}
    assert looked_at["the channel took money more than once for one serial"] > 0
    assert (unreadable.returncode, unreadable.stdout) == (_COULD_NOT_LOOK, "")
    assert "the sandbox cannot be read" in unreadable.stderr


async def test_what_is_open_without_a_run_and_runs_of_nothing_are_named(
    stack: Stack, shop: Shop, sandbox: SandboxControl, database: Database, database_url: str
) -> None:
    """The books of one house beside the runs of another: each lacks what the other has."""
    running = await shop.order(Order(expires_in=600))
    async with WebhookSender() as sender:
        house = await Builder(database, database_url, sender).build()
    client = (await sources_of(stack, sandbox)).temporal
    assert client is not None

    without_a_run, of_nothing = await check_runs(client, database_url)

    idle = {row["id"] for row in without_a_run.rows}
    # Its payment and its late refund were written down just now: the sweeper would start them.
    assert idle == {house.going, house.approved}
    assert {"workflow_id": f"pay/{running['id']}"} in of_nothing.rows


async def _command(stack: Stack, *options: str) -> subprocess.CompletedProcess[str]:
    """The command line, on its own like a person's."""
    folder = str(stack.data_directory)
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli", "books", "verify", "--data", folder, "--json", *options],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
