"""One supervised program: its own process group, its own log, a check that says it is ready."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from devstack.leftovers import ProcessRecords, signal_group

_LEASH = Path(__file__).with_name("leash.py")
_LOOK_EVERY_SECONDS = 0.05
_LOG_TAIL_LINES = 25
_LOG_MAX_BYTES = 20_000_000
# Linux ties the leash to the thread that starts a child, so one thread that lives as long as we do
# starts them all.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


class StartFailed(Exception):
    """A program did not become ready; the message holds the end of its log."""


class Interrupted(Exception):
    """Somebody asked us to stop while we were still starting."""


@dataclass(frozen=True)
class Program:
    """What to run and how to know that it works. Timeouts in seconds."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    log_file: Path
    is_ready: Callable[[], bool]
    working_directory: Path
    start_timeout: float = 60.0
    stop_timeout: float = 15.0


class Component(Protocol):
    """A part of the stack, as the supervisor sees it. Every operation is harmless twice."""

    @property
    def name(self) -> str: ...
    @property
    def log_file(self) -> Path: ...
    @property
    def is_running(self) -> bool: ...
    @property
    def pid(self) -> int | None: ...
    def spawn(self) -> None: ...
    def wait_ready(self, interrupted: threading.Event) -> None: ...
    def stop(self, hurry: threading.Event) -> None: ...
    def kill(self) -> None: ...


class ChildProcess:
    """A program while it runs. Every operation is harmless twice."""

    def __init__(self, program: Program, records: ProcessRecords) -> None:
        self.program = program
        self._records = records
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def log_file(self) -> Path:
        return self.program.log_file

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def spawn(self) -> None:
        """Start without waiting until it is ready."""
        if self.is_running:
            return
        self._process = _STARTER.submit(self._start_process).result()
        self._records.remember(self.name, self._process.pid)

    def wait_ready(self, interrupted: threading.Event) -> None:
        """Raises StartFailed with the end of the log, or Interrupted."""
        deadline = time.monotonic() + self.program.start_timeout
        while not self.program.is_ready():
            if not self.is_running:
                code = self._process.returncode if self._process else "never started"
                raise StartFailed(self._failure(f"{self.name} ended while starting ({code})"))
            if time.monotonic() > deadline:
                waited = f"{self.program.start_timeout:.0f} s"
                raise StartFailed(self._failure(f"{self.name} was not ready after {waited}"))
            if interrupted.wait(_LOOK_EVERY_SECONDS):
                raise Interrupted

    def stop(self, hurry: threading.Event) -> None:
        """Ask it to end; SIGKILL when it takes too long or somebody is in a hurry."""
        process = self._process
        if process is not None and process.poll() is None:
            signal_group(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self.program.stop_timeout
            while process.poll() is None and time.monotonic() < deadline:
                if hurry.wait(_LOOK_EVERY_SECONDS):
                    break
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, as a power cut would."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self._records.forget(self.name)

    def _start_process(self) -> subprocess.Popen[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        _keep_short(self.log_file)
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self.program.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.program.environment),
                cwd=self.program.working_directory,
                start_new_session=True,
            )

    def _failure(self, what: str) -> str:
        return f"{what}; the end of {self.log_file}:\n{tail(self.log_file)}"


def _keep_short(log_file: Path) -> None:
    """One older log is kept; both are bounded as of the next start."""
    if log_file.exists() and log_file.stat().st_size > _LOG_MAX_BYTES:
        log_file.replace(log_file.with_suffix(".log.1"))


def tail(log_file: Path) -> str:
    """The last lines of a log, for a person who has to find out what went wrong."""
    if not log_file.exists():
        return "(empty)"
    lines = log_file.read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:]) or "(empty)"


def answers(url: str) -> bool:
    """Whether `url` answers 200 soon."""
    try:
        return httpx.get(url, timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
