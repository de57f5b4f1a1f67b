"""Named places in the course of a process, at which a test can kill it or make it wait.

Nothing is installed in production: then reaching a checkpoint costs one comparison. A test names a
folder in the settings, and finds there which checkpoints were reached (`reached.log`). A file
`<anything>.arm` in it says which one is to be acted on: see `Arm`.
"""

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from temporalio import activity

_LOG = "reached.log"
_LOOK_EVERY_SECONDS = 0.02
# A test that forgot to let go must not hold a process for ever.
_WAIT_MAX_SECONDS = 120.0
_ARMS_READ_MAX = 100


class Action(StrEnum):
    """DIE: kill -9 of the process that is there. WAIT: stay there until told to go on."""

    DIE = "die"
    WAIT = "wait"


@dataclass(frozen=True)
class Arm:
    """Act when `name` is reached for the `occurrence`-th time, over all processes together.

    When it happened there is a file `<id>.fired` with the pid; WAIT ends with `<id>.release`.
    """

    id: str
    name: str
    occurrence: int
    action: Action


class Checkpoints:
    """The checkpoints of one process, `process` being the first word of those outside a step."""

    def __init__(self, folder: Path, process: str) -> None:
        self._folder = folder
        self._process = process
        folder.mkdir(parents=True, exist_ok=True)

    async def reached(self, place: str) -> None:
        name = f"{self._step()}: {place}"
        _append(self._folder / _LOG, f"{name}\n")
        # All are counted before one of them may hold us here.
        turns = [arm for arm in self._arms() if arm.name == name and self._is_its_turn(arm)]
        for arm in turns:
            await self._act(arm)

    def _step(self) -> str:
        return activity.info().activity_type if activity.in_activity() else self._process

    def _arms(self) -> list[Arm]:
        found = sorted(self._folder.glob("*.arm"))[:_ARMS_READ_MAX]
        return [_read(path) for path in found]

    def _is_its_turn(self, arm: Arm) -> bool:
        """Each process writes one byte at the end of one file: where it lands is its number."""
        return _append(self._folder / f"{arm.id}.count", ".") == arm.occurrence

    async def _act(self, arm: Arm) -> None:
        unfinished = self._folder / f"{arm.id}.firing"
        unfinished.write_text(str(os.getpid()))
        unfinished.rename(self._folder / f"{arm.id}.fired")
        if arm.action is Action.DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        release = self._folder / f"{arm.id}.release"
        async with asyncio.timeout(_WAIT_MAX_SECONDS):
            while not release.exists():  # noqa: ASYNC110  # another process says it, by a file
                await asyncio.sleep(_LOOK_EVERY_SECONDS)


_installed: Checkpoints | None = None


def install(folder: Path | None, process: str) -> None:
    """Watch the checkpoints of this process; without a folder nothing is ever watched."""
    global _installed  # noqa: PLW0603  # one process has one set, and its code is everywhere
    _installed = Checkpoints(folder, process) if folder is not None else None


def is_installed() -> bool:
    return _installed is not None


async def reached(place: str, what: str = "") -> None:
    """This place is reached. Does nothing unless a test is watching."""
    if _installed is not None:
        await _installed.reached(f"{place} {what}" if what else place)


def _append(path: Path, text: str) -> int:
    """Add to a file that others add to; gives the length it has with ours at its end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Arm:
    said = json.loads(path.read_text())
    return Arm(
        id=path.stem,
        name=said["name"],
        occurrence=said["occurrence"],
        action=Action(said["action"]),
    )
