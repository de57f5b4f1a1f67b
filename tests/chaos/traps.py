"""Arms checkpoints of the processes of a stack, and tells when they were reached."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from observability.checkpoints import Action

_LOOK_EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class Trap:
    """One armed checkpoint."""

    folder: Path
    id: str

    async def fired(self, *, within_seconds: float) -> int:
        """The pid of the process that is there, or was. Raises TimeoutError: nothing was tested."""
        file = self.folder / f"{self.id}.fired"
        async with asyncio.timeout(within_seconds):
            while not file.exists():  # noqa: ASYNC110  # another process says it, by a file
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return int(file.read_text())

    def release(self) -> None:
        (self.folder / f"{self.id}.release").touch()

    def disarm(self) -> None:
        (self.folder / f"{self.id}.arm").unlink(missing_ok=True)


class Traps:
    """All checkpoints of one stack."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._armed = 0

    def arm(self, name: str, action: Action, *, occurrence: int = 1) -> Trap:
        """From now on: act when `name` is reached for the `occurrence`-th time."""
        self._armed += 1
        trap = Trap(self.folder, f"trap-{self._armed}")
        said = {"name": name, "occurrence": occurrence, "action": action.value}
        unfinished = self.folder / f"{trap.id}.new"
        unfinished.write_text(json.dumps(said))
        unfinished.rename(self.folder / f"{trap.id}.arm")
        return trap

    def reached(self, since: int = 0) -> Counter[str]:
        """How often each checkpoint was reached after the first `since` that ever were."""
        return Counter(self._lines()[since:])

    def count(self) -> int:
        """How many were reached until now."""
        return len(self._lines())

    def _lines(self) -> list[str]:
        log = self.folder / "reached.log"
        return log.read_text().splitlines() if log.exists() else []
