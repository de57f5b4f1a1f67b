"""`paycenter up`: the stack in a terminal, until Ctrl-C."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from dotenv import dotenv_values

from devstack.children import Interrupted, StartFailed
from devstack.leftovers import AlreadyRunning
from devstack.plan import External
from devstack.ports import PortTaken
from devstack.postgres import PostgresFailed
from devstack.status_table import status_table
from devstack.supervisor import Stack
from devstack.terminal import Terminal

FAILURES = (AlreadyRunning, PortTaken, StartFailed, PostgresFailed)
INTERRUPTED = 130

_PREFIX = "PAYCENTER_"
_ADDRESSES = {
    "PAYCENTER_DATABASE_URL": "database_url",
    "PAYCENTER_OWNER_DATABASE_URL": "owner_database_url",
    "PAYCENTER_TEMPORAL_ADDRESS": "temporal_address",
    "PAYCENTER_TEMPORAL_UI_URL": "temporal_ui_url",
}


@dataclass(frozen=True)
class Wishes:
    """What the environment and `.env` say: servers to use, and settings to hand on."""

    external: External
    settings: Mapping[str, str] = field(repr=False)


def read_wishes() -> Wishes:
    """Settings of `.env` are overruled by those of the environment."""
    said = {name: value or "" for name, value in dotenv_values(".env").items()} | dict(os.environ)
    ours = {name: value for name, value in said.items() if name.startswith(_PREFIX) and value}
    addresses = {field: ours.pop(name, "") for name, field in _ADDRESSES.items()}
    return Wishes(external=External(**addresses), settings=ours)


def run_until_interrupted(data: Path, *, workers: int, ports: Mapping[str, int]) -> int:
    """Start, show, wait, stop. Returns the exit status."""
    console = Terminal()
    wishes = read_wishes()
    stack = Stack(
        data,
        workers=workers,
        environment=wishes.settings,
        ports=ports,
        external=wishes.external,
        announce=console.print,
    )
    with interrupts_go_to(stack):
        try:
            stack.up()
        except Interrupted:
            return INTERRUPTED
        except FAILURES as failure:
            console.print(str(failure), style="red", markup=False)
            return 1
        try:
            console.print(status_table(stack))
            console.print("Ctrl-C stops everything; the data stay.")
            stack.wait_for_interrupt()
        finally:
            stack.down()
    return 0


@contextmanager
def interrupts_go_to(stack: Stack) -> Iterator[None]:
    """Ctrl-C and SIGTERM ask the stack to stop; the second one makes it hurry."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # A lock of the stack may be held by the code we interrupted, so another thread asks.
        threading.Thread(target=stack.interrupt, daemon=True).start()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
