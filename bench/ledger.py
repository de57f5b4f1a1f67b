"""`python -m bench.ledger`: postings per second, one hot merchant beside many merchants.

Ours posts through `storage.ledger.post`, which is the one SQL function that the settling statement
calls too, with the deferred check that every transaction sums to nothing, fsync on. Beside it
pgbench makes the same call from C: what PostgreSQL itself can do, with hardly any CPU for the
client. Hot and many take turns in one run, and afterwards the books are counted: every posting that
was acknowledged is there once, and everything sums to nothing.

    --quick            a minute, to see that it works
    (nothing)          eight minutes: 3 rounds of 10 seconds each; what we quote
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.cpu import seconds_of
from bench.pgbench import run_pgbench
from bench.posting_client import Done, Work, open_accounts
from bench.postings import Crowd, apps
from devstack.postgres import EmbeddedPostgres
from storage.migrate import upgrade

_RESULT = Path(__file__).parent / "results" / "ledger.json"
_CLIENTS = (1, 8, 16)
_PROCESSES_MAX = 2
# Beyond this share of a core a client process may be what is measured.
_CLIENT_IS_FULL = 0.95
_OURS, _NATIVE = "ours", "pgbench"
# Sessions of pgbench count when the server has reaped them; that takes a moment.
_REAPED_WITHIN_SECONDS = 2.0


@dataclass(frozen=True)
class Sample:
    """One stretch of one load. `client_busy`: the busiest client process, as share of a core."""

    side: str
    crowd: Crowd
    clients: int
    acknowledged: int
    per_second: float
    client_busy: float
    postgres_cpu_ms: float
    client_cpu_ms: float
    machine_busy: float


@dataclass(frozen=True)
class Books:
    """What the books hold after all of it."""

    transactions: int
    acknowledged: int
    unbalanced: int
    total_minor: int

    @property
    def are_right(self) -> bool:
        return (self.transactions, self.unbalanced, self.total_minor) == (self.acknowledged, 0, 0)


class Bench:
    """A PostgreSQL of its own, and the loads on it."""

    def __init__(self, postgres: EmbeddedPostgres, options: argparse.Namespace) -> None:
        self._postgres = postgres
        self._options = options
        self._runs = 0

    def prepare(self) -> int:
        """Tables, apps and accounts. How many postings that took."""
        upgrade(self._postgres.owner_url)
        with psycopg.connect(self._postgres.owner_url) as connection:
            connection.cursor().executemany(
                "INSERT INTO app (id, name, status, webhook_secret, late_success, created_at)"
                " VALUES (%s, 'bench', 'active', '', 'accept', %s)",
                [(app, datetime.now(UTC)) for app in apps()],
            )
        return asyncio.run(open_accounts(self._postgres.app_url))

    def ours(self, crowd: Crowd, clients: int) -> Sample:
        processes = min(clients, _PROCESSES_MAX)
        shares = [clients // processes] * processes
        with _client_processes([self._work(crowd, share) for share in shares]) as started:
            measured = _Measured(self._postgres)
            for process in started:
                _tell(process, "go")
            done = [Done.model_validate_json(_hear(process)) for process in started]
            measured.stop()
        cpu = sum(one.cpu_seconds for one in done)
        posted = sum(one.posted for one in done)
        return Sample(
            side=_OURS,
            crowd=crowd,
            clients=clients,
            acknowledged=sum(one.acknowledged for one in done),
            per_second=sum(one.posted / one.seconds for one in done),
            client_busy=max(one.cpu_seconds / one.seconds for one in done),
            postgres_cpu_ms=measured.postgres_seconds * 1000 / posted,
            client_cpu_ms=cpu * 1000 / posted,
            machine_busy=measured.machine_busy,
        )

    def native(self, crowd: Crowd, clients: int) -> Sample:
        measured = _Measured(self._postgres)
        done = run_pgbench(self._postgres, crowd, clients=clients, seconds=self._options.seconds)
        measured.stop()
        return Sample(
            side=_NATIVE,
            crowd=crowd,
            clients=clients,
            acknowledged=done.posted,
            per_second=done.per_second,
            client_busy=done.cpu_seconds / self._options.seconds,
            postgres_cpu_ms=measured.postgres_seconds * 1000 / done.posted,
            client_cpu_ms=done.cpu_seconds * 1000 / done.posted,
            machine_busy=measured.machine_busy,
        )

    def books(self, acknowledged: int) -> Books:
        with psycopg.connect(self._postgres.owner_url) as connection:
            row = connection.execute("""
                SELECT (SELECT count(*) FROM ledger_transaction),
                       (SELECT count(*) FROM (
                            SELECT FROM ledger_entry GROUP BY ledger_transaction_id, currency
                            HAVING sum(amount_minor) <> 0 OR count(*) <> 4) AS odd),
                       (SELECT sum(amount_minor) FROM ledger_entry)""").fetchone()
        assert row is not None
        return Books(
            transactions=row[0],
            acknowledged=acknowledged,
            unbalanced=row[1],
            total_minor=int(row[2]),
        )

    def _work(self, crowd: Crowd, clients: int) -> Work:
        self._runs += 1
        return Work(
            url=self._postgres.app_url,
            clients=clients,
            crowd=crowd,
            seconds=self._options.seconds,
            run=f"run{self._runs}",
        )


class _Measured:
    """CPU of PostgreSQL and of the machine between now and `stop`."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        assert postgres.process is not None
        self._server = psutil.Process(postgres.process.pid)
        self._sessions = self._server.children()
        self._before = seconds_of(self._server)
        self._busy, self._all = _machine_seconds()

    def stop(self) -> None:
        busy, everything = _machine_seconds()
        self.machine_busy = (busy - self._busy) / (everything - self._all)
        began_since = [one for one in self._server.children() if one not in self._sessions]
        psutil.wait_procs(began_since, timeout=_REAPED_WITHIN_SECONDS)
        self.postgres_seconds = seconds_of(self._server) - self._before


def _machine_seconds() -> tuple[float, float]:
    times = psutil.cpu_times()
    everything = float(sum(times[:8]))  # guest time is part of user time
    return everything - float(times.idle + times.iowait), everything


@contextmanager
def _client_processes(orders: list[Work]) -> Iterator[list[subprocess.Popen[str]]]:
    """Connected and warm, waiting for a line."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.posting_client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in orders
    ]
    try:
        for process, order in zip(started, orders, strict=True):
            _tell(process, order.model_dump_json())
        for process in started:
            assert _hear(process) == "ready", "a client did not start"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@dataclass
class Result:
    """Every sample of a run, and what the books hold at its end."""

    samples: list[Sample] = field(default_factory=list)
    books: Books | None = None

    def of(self, side: str, crowd: Crowd, clients: int) -> list[Sample]:
        """The rounds of one load, in order."""
        wanted = (side, crowd, clients)
        return [one for one in self.samples if (one.side, one.crowd, one.clients) == wanted]

    def hot_to_many(self, side: str, clients: int) -> float:
        """Median over the rounds: both of a round ran one after the other."""
        hot, many = (self.of(side, crowd, clients) for crowd in (Crowd.HOT, Crowd.MANY))
        pairs = zip(hot, many, strict=True)
        return round(median(one.per_second / other.per_second for one, other in pairs), 2)


def measure(bench: Bench, rounds: int, say: Console) -> Result:
    """Every load once in each round; who goes first changes from round to round."""
    say.print("opening the accounts")
    result, acknowledged = Result(), bench.prepare()
    for number in range(rounds):
        crowds = list(Crowd) if number % 2 == 0 else list(reversed(Crowd))
        for clients in _CLIENTS:
            say.print(f"round {number + 1} of {rounds}: {clients} at once")
            for load in (bench.ours, bench.native):
                result.samples += [load(crowd, clients) for crowd in crowds]
    acknowledged += sum(one.acknowledged for one in result.samples)
    result.books = bench.books(acknowledged)
    return result


def show(result: Result, console: Console) -> None:
    table = Table(title="Postings per second, median of rounds")
    headings = ("", "clients", "hot", "many", "hot/many", "PG ms", "client ms", "client", "machine")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left")
    for side in (_OURS, _NATIVE):
        for clients in _CLIENTS:
            table.add_row(side, f"{clients}", *_row(result, side, clients))
    console.print(table)
    console.print(
        "ms: CPU for each posting. client: share of a core the busiest used. All with hot."
    )
    if any(one.client_busy > _CLIENT_IS_FULL for one in result.samples if one.side == _OURS):
        console.print("[yellow]a client process was full: that rate is its own, not ours[/]")
    books = result.books
    assert books is not None
    verdict = "right" if books.are_right else "[red]WRONG[/]"
    console.print(
        f"books: {books.transactions} transactions, {books.acknowledged} acknowledged,"
        f" {books.unbalanced} do not balance, all together {books.total_minor}: {verdict}"
    )


def _row(result: Result, side: str, clients: int) -> list[str]:
    hot = result.of(side, Crowd.HOT, clients)
    many = result.of(side, Crowd.MANY, clients)
    return [
        f"{median(one.per_second for one in hot):.0f}",
        f"{median(one.per_second for one in many):.0f}",
        f"{result.hot_to_many(side, clients):.2f}",
        f"{median(one.postgres_cpu_ms for one in hot):.2f}",
        f"{median(one.client_cpu_ms for one in hot):.2f}",
        f"{median(one.client_busy for one in hot):.0%}",
        f"{median(one.machine_busy for one in hot):.0%}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--seconds", type=float, default=10, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 2, 1
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="paycenter-ledger-") as folder,
        EmbeddedPostgres(Path(folder)) as postgres,
    ):
        result = measure(Bench(postgres, options), options.rounds, console)
    show(result, console)
    _RESULT.parent.mkdir(exist_ok=True)
    ratios = {
        side: {clients: result.hot_to_many(side, clients) for clients in _CLIENTS}
        for side in (_OURS, _NATIVE)
    }
    found = asdict(result) | {"hot_to_many": ratios} | vars(options)
    _RESULT.write_text(json.dumps(found, indent=2) + "\n")
    assert result.books is not None
    return 0 if result.books.are_right else 1


if __name__ == "__main__":
    sys.exit(main())
