"""Where the time goes: CPU seconds of each process of the stack over a stretch of work."""

import os
from collections.abc import Mapping

import psutil


def snapshot(groups: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds used so far by each named process and its children (name to process id).

    The process that measures is counted without its children: they are the others.
    """
    return {name: _seconds(psutil.Process(pid)) for name, pid in groups.items()}


def between(
    before: Mapping[str, float], after: Mapping[str, float], count: int
) -> dict[str, float]:
    """Milliseconds of CPU for each of `count` pieces of work, by process."""
    return {name: round((after[name] - before[name]) * 1000 / count, 1) for name in before}


def _seconds(process: psutil.Process) -> float:
    total = 0.0
    children = [] if process.pid == os.getpid() else process.children(recursive=True)
    for each in (process, *children):
        times = each.cpu_times()
        total += float(times.user + times.system)
    return total
