"""What ends by itself is started again; what was stopped on purpose is not."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.watcher import Watcher

_PATIENCE_SECONDS = 10


class _Part:
    """A component that is up or down as the test says, and counts its starts."""

    name = "part"
    pid = None
    log_file = Path("part.log")

    def __init__(self) -> None:
        self.is_running = False
        self.started = threading.Event()

    def spawn(self) -> None:
        self.is_running = True
        self.started.set()

    def wait_ready(self, interrupted: threading.Event) -> None: ...
    def stop(self, hurry: threading.Event) -> None: ...
    def kill(self) -> None: ...


@pytest.fixture
def part() -> _Part:
    return _Part()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watcher(part: _Part, said: list[str]) -> Iterator[Watcher]:
    watching = Watcher([part], threading.RLock(), said.append)
    yield watching
    watching.end()


def test_a_part_that_ended_is_started_again(watcher: Watcher, part: _Part, said: list[str]) -> None:
    watcher.wanted = {"part"}

    watcher.start()

    assert part.started.wait(_PATIENCE_SECONDS)
    assert said == ["part ended; it starts again in 0.2 s (part.log)"]


def test_each_crash_in_a_row_is_given_more_time(watcher: Watcher, part: _Part) -> None:
    pauses = [watcher.next_pause("part", now=float(second)) for second in range(8)]

    assert pauses == [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 30.0]


def test_a_part_that_ran_for_long_begins_with_the_shortest_pause_again(watcher: Watcher) -> None:
    watcher.next_pause("part", now=0.0)

    assert watcher.next_pause("part", now=61.0) == 0.2


@pytest.mark.parametrize("enabled", [True, False], ids=["not wanted", "switched off"])
def test_a_part_that_shall_be_down_stays_down(watcher: Watcher, part: _Part, enabled: bool) -> None:
    watcher.enabled = enabled
    watcher.wanted = set() if enabled else {"part"}

    watcher.look_at(part)
    watcher.look_at(part)

    assert not part.started.is_set()
