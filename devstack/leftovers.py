"""What an earlier life of the stack left behind: its lock, and processes that outlived it."""

import contextlib
import fcntl
import json
import os
import signal
from pathlib import Path
from typing import IO

import psutil

_END_TIMEOUT_SECONDS = 5.0
# Two readings of one process's start time agree to the clock tick (10 ms).
_SAME_START_SECONDS = 0.05


class AlreadyRunning(Exception):
    """Another stack uses this data folder."""


class FolderLock:
    """Lets one stack at a time use a data folder. The kernel drops it when its holder dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stack.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises AlreadyRunning with the pid of the other."""
        file = self._path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise AlreadyRunning(
                f"a stack already runs on {self._path.parent} (process {holder}); "
                "stop it with Ctrl-C there, or give this one another --data folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class ProcessRecords:
    """Remembers on disk which processes are ours, so that the next start can end orphans.

    A pid alone proves nothing after a reboot; the pid together with its start time does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remember(self, name: str, pid: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self._path(name).write_text(json.dumps({"pid": pid, "started": started}))

    def forget(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def end_leftovers(self) -> list[str]:
        """End every recorded process that still runs; returns their names."""
        ended = []
        for path in sorted(self._folder.glob("*.json")):
            if _end(path):
                ended.append(path.stem)
            path.unlink(missing_ok=True)
        return ended

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _end(record: Path) -> bool:
    process = _still_running(record)
    if process is None:
        return False
    family = [process]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    signal_group(process.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=_END_TIMEOUT_SECONDS)
    if alive:
        signal_group(process.pid, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=_END_TIMEOUT_SECONDS)
    return True


def _still_running(record: Path) -> psutil.Process | None:
    try:
        known = json.loads(record.read_text())
        process = psutil.Process(int(known["pid"]))
        same = abs(process.create_time() - float(known["started"])) < _SAME_START_SECONDS
    except (ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return process if same else None


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal a process that leads a group of its own, and the whole group with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)
