"""`paycenter up` finds everything again after kill -9, and Ctrl-C leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from devstack.api_client import local_access

_PROJECT = Path(__file__).resolve().parents[2]


class _Up:
    """`paycenter up` on one folder, ready when this is made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        environment = {n: v for n, v in os.environ.items() if not n.startswith("PAYCENTER_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", "--data", str(folder / "data")],
            env=environment | {"PYTHONPATH": str(_PROJECT), "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError("".join(self.said))

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        access = local_access(self._folder / "data")
        key = {"authorization": f"Bearer {access.key}"}
        return httpx.request(method, access.url + path, json=body, headers=key, trust_env=False)

    def children(self) -> list[psutil.Process]:
        family: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return family

    def end(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self._wait()

    def kill_supervisor(self) -> None:
        self.process.kill()
        self._wait()

    def kill_everything(self) -> None:
        family = self.children()
        self.process.kill()
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=10)
        self._wait()

    def _wait(self) -> int:
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(timeout=60)


@pytest.mark.stack
@pytest.mark.parametrize(
    "disaster", [_Up.kill_everything, _Up.kill_supervisor], ids=["everything", "the supervisor"]
)
def test_what_was_there_before_kill_9_is_there_after_the_next_start(
    tmp_path: Path, disaster: Callable[[_Up], None]
) -> None:
    before = _Up(tmp_path)
    made = before.request("POST", "/v1/apps", {"name": "shop"}).json()
    ports = json.loads((tmp_path / "data" / "stack.json").read_text())["ports"]
    disaster(before)

    after = _Up(tmp_path)
    found = after.request("GET", f"/v1/apps/{made['id']}").json()
    family = after.children()
    status = after.end()

    assert found["name"] == "shop"
    assert status == 0
    assert not [process for process in family if process.is_running()]
    assert (
        json.loads((tmp_path / "data" / "stack.json").read_text())["ports"].keys() == ports.keys()
    )
