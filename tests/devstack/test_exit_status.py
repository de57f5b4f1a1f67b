"""A short command that used the Temporal client ends with the right status, every time.

`make exit-status` runs it 100 times; the tests run it less often.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devstack.ports import choose_ports
from devstack.secret_file import read_or_make_secrets
from devstack.temporal_server import EmbeddedTemporal, TemporalPlan

_PROJECT = Path(__file__).resolve().parents[2]
_RUNS = int(os.environ.get("PAYCENTER_EXIT_STATUS_RUNS", "10"))


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedTemporal]:
    port = choose_ports(["temporal"], wished={}, remembered={})["temporal"]
    with EmbeddedTemporal(TemporalPlan(tmp_path_factory.mktemp("temporal"), port)) as server:
        yield server


@pytest.fixture
def environment(database_url: str, temporal: EmbeddedTemporal, tmp_path: Path) -> dict[str, str]:
    secrets = read_or_make_secrets(tmp_path / "secrets.env")
    return secrets | {
        "PATH": os.environ["PATH"],
        "PAYCENTER_DATABASE_URL": database_url,
        "PAYCENTER_TEMPORAL_ADDRESS": temporal.address,
    }


def _check_settings(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "settings", "check", "--connect"],
        env=dict(environment),
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.timeout(600)
def test_a_command_that_connected_to_temporal_ends_with_0_every_time(
    environment: dict[str, str],
) -> None:
    runs = [_check_settings(environment) for _ in range(_RUNS)]

    assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * _RUNS
    assert all("Temporal answer" in run.stdout for run in runs)


def test_a_command_that_failed_ends_with_1_and_says_what_to_look_at(
    environment: dict[str, str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = taken.getsockname()[1]
    environment["PAYCENTER_DATABASE_URL"] = f"postgresql://nobody:none@127.0.0.1:{nobody}/none"

    run = _check_settings(environment)

    assert run.returncode == 1
    assert "look at PAYCENTER_DATABASE_URL" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_command_without_its_settings_ends_with_2_and_says_what_to_set(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cli", "settings", "check"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_PROJECT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert run.returncode == 2
    assert "PAYCENTER_DATABASE_URL is not set" in run.stderr
    assert "Traceback" not in run.stderr
