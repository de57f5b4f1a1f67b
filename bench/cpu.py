"""Where the time goes: CPU seconds of each process of the stack over a stretch of work."""

import os
from collections.abc import Mapping
from contextlib import suppress

import psutil


def snapshot(groups: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds used so far by each named process and its children (name to process id).

    The process that measures is counted without its children: they are the others.
    """
    return {name: seconds_of(psutil.Process(pid)) for name, pid in groups.items()}


def between(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> dict[str, float]:
    """Milliseconds of CPU for each of `count` pieces of work, by process."""
    return {name: round((after[name] - before[name]) * 1000 / count, 1) for name in before}


def seconds_of(process: psutil.Process) -> float:
    """Of the process, its children, and those of its own children that have ended."""
    own = process.cpu_times()
    total = float(own.user + own.system)
    if process.pid == os.getpid():
        return total
    total += float(own.children_user + own.children_system)
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += float(times.user + times.system)
    return total
