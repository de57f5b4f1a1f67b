"""Checkpoints: nothing without a folder; with one, each is noted, and acted on when it is armed."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from observability import checkpoints
from observability.checkpoint_seams import activity_interceptors, client_interceptors
from observability.checkpoints import Action
from tests.chaos.traps import Traps

_DIES = """
import asyncio, sys
from pathlib import Path
from observability import checkpoints

async def main():
    checkpoints.install(Path(sys.argv[1]), "api")
    for _ in range(3):
        await checkpoints.reached("before commit", "record order")
        print("still here", flush=True)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def uninstalled() -> Iterator[None]:
    yield
    checkpoints.install(None, "")


async def test_nothing_is_watched_without_a_folder() -> None:
    checkpoints.install(None, "api")

    await checkpoints.reached("before commit", "record order")

    assert not checkpoints.is_installed()
    assert activity_interceptors() == []
    assert client_interceptors() == []


async def test_what_was_reached_is_noted_with_the_process_it_was_in(tmp_path: Path) -> None:
    checkpoints.install(tmp_path, "api")

    for _ in range(2):
        await checkpoints.reached("before commit", "record order")
    await checkpoints.reached("before answer")

    assert Traps(tmp_path).reached() == {
        "api: before commit record order": 2,
        "api: before answer": 1,
    }


def test_a_process_dies_where_it_is_told_to(tmp_path: Path) -> None:
    Traps(tmp_path).arm("api: before commit record order", Action.DIE, occurrence=2)

    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.splitlines()) == (-9, ["still here"])


async def test_a_process_waits_where_it_is_told_to_until_it_is_let_go(tmp_path: Path) -> None:
    checkpoints.install(tmp_path, "worker")
    trap = Traps(tmp_path).arm("worker: before send", Action.WAIT)

    waiting = asyncio.create_task(checkpoints.reached("before send"))
    await trap.fired(within_seconds=10)
    held = not waiting.done()
    trap.release()
    await asyncio.wait_for(waiting, timeout=10)

    assert held


async def test_two_traps_at_one_place_hold_the_first_and_the_second(tmp_path: Path) -> None:
    checkpoints.install(tmp_path, "worker")
    arming = Traps(tmp_path)
    traps = [arming.arm("worker: before send", Action.WAIT, occurrence=turn) for turn in (1, 2)]

    waiting = [asyncio.create_task(checkpoints.reached("before send")) for _ in traps]
    for trap in traps:
        await trap.fired(within_seconds=10)
        trap.release()

    await asyncio.wait_for(asyncio.gather(*waiting), timeout=10)
