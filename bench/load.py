"""Two loads: one after the other for latency, many at once for the rate."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median, quantiles

Step = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Latency:
    """Milliseconds over `count` calls, one after the other."""

    count: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Rate:
    """How many were finished per second, with `concurrency` under way at any time."""

    count: int
    concurrency: int
    per_second: float
    p50_ms: float
    p95_ms: float


async def interleaved(count: int, ours: Step, theirs: Step) -> tuple[Latency, Latency]:
    """Time both in turn, so that whatever else the machine does meets both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(count):
        for step, seconds in zip((ours, theirs), times, strict=True):
            seconds.append(await _timed(step, number))
    return _latency(times[0]), _latency(times[1])


async def closed_loop(count: int, concurrency: int, step: Step) -> Rate:
    """Run `step` for 0 to count-1, always `concurrency` at once until none is left."""
    numbers = iter(range(count))
    seconds: list[float] = []

    async def one_client() -> None:
        for number in numbers:
            seconds.append(await _timed(step, number))

    began = time.perf_counter()
    await asyncio.gather(*(one_client() for _ in range(concurrency)))
    took = time.perf_counter() - began
    latency = _latency(seconds)
    return Rate(count, concurrency, count / took, latency.p50, latency.p95)


async def _timed(step: Step, number: int) -> float:
    began = time.perf_counter()
    await step(number)
    return time.perf_counter() - began


def _latency(seconds: list[float]) -> Latency:
    return Latency(
        count=len(seconds),
        p50=round(median(seconds) * 1000, 1),
        p95=round(quantiles(seconds, n=20)[-1] * 1000, 1),
    )
