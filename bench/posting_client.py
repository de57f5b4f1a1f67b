"""One process of clients that post to the ledger through `storage.ledger.post`.

    python -m bench.posting_client

It reads what to do from a line of JSON, opens its connections, says "ready", waits for a line,
posts for so many seconds and prints what it did as JSON. Processes of their own, since one Python
cannot keep PostgreSQL busy on two cores.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

import psutil
import uvloop
from pydantic import BaseModel

from bench.postings import MERCHANTS, Crowd, capture, chooser
from storage import ledger
from storage.database import Database

_WARM_UP_SECONDS = 0.5


class Work(BaseModel):
    """What one process is told to do. `run` names it, so that no two events are the same."""

    url: str
    clients: int
    crowd: Crowd
    seconds: float
    run: str


class Done(BaseModel):
    """What it did. `posted` by the clock; `acknowledged` with the warm-up, for the count after."""

    posted: int
    acknowledged: int
    seconds: float
    cpu_seconds: float


async def work(order: Work) -> None:
    database = Database(order.url, pool_size=order.clients)
    warmed = await _post_for(database, order, _WARM_UP_SECONDS, "warm")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, cpu = time.perf_counter(), _cpu_seconds()
    posted = await _post_for(database, order, order.seconds, "run")
    done = Done(
        posted=posted,
        acknowledged=warmed + posted,
        seconds=time.perf_counter() - began,
        cpu_seconds=_cpu_seconds() - cpu,
    )
    print(done.model_dump_json(), flush=True)
    await database.close()


async def open_accounts(url: str) -> int:
    """One posting for each merchant, so that no account is opened while the clock runs."""
    database = Database(url, pool_size=1)
    async with database.transaction("open accounts") as connection:
        for merchant in range(MERCHANTS):
            await ledger.post(connection, capture(f"open_{merchant}", merchant, datetime.now(UTC)))
    await database.close()
    return MERCHANTS


async def _post_for(database: Database, order: Work, seconds: float, stretch: str) -> int:
    until = time.perf_counter() + seconds
    names = (f"{order.run}_{stretch}_{number}" for number in range(order.clients))
    clients = (_one_client(database, order.crowd, name, until) for name in names)
    return sum(await asyncio.gather(*clients))


async def _one_client(database: Database, crowd: Crowd, name: str, until: float) -> int:
    """Post until the time is up; every posting that was begun is finished, and counted."""
    choose, posted = chooser(crowd, name), 0
    while time.perf_counter() < until:
        transaction = capture(f"{name}_{posted}", choose(), datetime.now(UTC))
        async with database.statement("post") as connection:
            assert await ledger.post(connection, transaction), "it was posted before"
        posted += 1
    return posted


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    uvloop.run(work(Work.model_validate_json(sys.stdin.readline())))
