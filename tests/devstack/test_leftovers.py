"""A start ends what a killed stack left behind, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.leftovers import AlreadyRunning, FolderLock, ProcessRecords


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs until it is ended, in a group of its own."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    process = subprocess.Popen(command, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_recorded_program_that_still_runs_is_ended(
    tmp_path: Path, program: subprocess.Popen[bytes]
) -> None:
    ProcessRecords(tmp_path).remember("worker-1", program.pid)

    ended = ProcessRecords(tmp_path).end_leftovers()

    assert ended == ["worker-1"]
    assert program.poll() is not None


def test_a_stranger_with_the_same_pid_is_left_alone(
    tmp_path: Path, program: subprocess.Popen[bytes]
) -> None:
    another_start = psutil.Process(program.pid).create_time() - 3600
    record = {"pid": program.pid, "started": another_start}
    (tmp_path / "worker-1.json").write_text(json.dumps(record))

    ended = ProcessRecords(tmp_path).end_leftovers()

    assert ended == []
    assert program.poll() is None


def test_a_record_that_was_written_by_half_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text('{"pid": 1')

    assert ProcessRecords(tmp_path).end_leftovers() == []
    assert not (tmp_path / "api.json").exists()


def test_a_folder_has_one_stack_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()

    with pytest.raises(AlreadyRunning, match="already runs"):
        second.acquire()

    first.release()
    second.acquire()
    second.release()
