"""`python -m bench.dbos`: our payment beside the same payment on DBOS, in one run.

The same PostgreSQL, sandbox, adapter, SQL function for the ledger, webhook sender, receiver, client
and load. DBOS (docs.dbos.dev) runs in an environment of its own, with one process and with two; its
best counts. Before anything is timed both are killed (-9) under load, part after part, and their
books are compared with the channel's: who loses or doubles a payment gets no rate.

    --quick        two minutes, to see that it works
    (nothing)      twelve minutes: what we quote
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console
from rich.table import Table

from bench import cpu
from bench.dbos_side.environment import DBOS
from bench.dbos_side.processes import DbosSide
from bench.gate import Contender, Gate
from bench.load import Latency, Rate, closed_loop, interleaved
from bench.sides import Arrivals, WholePath, pay_all
from bench.verdict import Verdict
from devstack.api_client import Access
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack

_RESULT = Path(__file__).parent / "results" / "dbos.json"
_OURS, _ONE, _TWO = "ours", "DBOS, 1 process", "DBOS, 2 processes"
_PROCESSES = 2
_WARM_UP = 60

_LEFT_OUT = """What DBOS's version does not do, and ours does in the same figures: raw callbacks \
kept and parked when nothing matches; a history of every move with its evidence; what was sent to \
the channel and what came back; risk, routing and limits as rules; failover to a second account; \
cancel, capture, refunds; money after the end (late success); a person asked when nobody knows; \
payloads encrypted at rest; webhooks in order, for days, paused and replayed; a sweeper for orders \
whose client never came back; certificates and accounts changed while it runs; search by status."""


@dataclass
class Result:
    """Everything one run found; CPU is in milliseconds for each payment, by process."""

    gate: dict[str, Verdict] = field(default_factory=dict)
    initiation: dict[str, Latency] = field(default_factory=dict)
    rates: dict[str, list[Rate]] = field(default_factory=dict)
    cpu_ms: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def best(self) -> str | None:
        """DBOS's better configuration, None when it has no rate."""
        known = [name for name in (_ONE, _TWO) if name in self.rates]
        return max(known, key=self.median_rate, default=None)

    def median_rate(self, name: str) -> float:
        return median(rate.per_second for rate in self.rates[name])

    @property
    def rate_ratio(self) -> float | None:
        """Ours to DBOS's best, pair by pair."""
        if self.best is None or _OURS not in self.rates:
            return None
        pairs = zip(self.rates[_OURS], self.rates[self.best], strict=True)
        return round(median(ours.per_second / theirs.per_second for ours, theirs in pairs), 2)


class Bench:
    """Both systems, ready, and what is measured on them."""

    def __init__(
        self, stack: Stack, dbos: DbosSide, sandbox: SandboxControl, options: argparse.Namespace
    ) -> None:
        self._stack = stack
        self._dbos = dbos
        self._sandbox = sandbox
        self._options = options
        self._arrivals = Arrivals()
        self._shops: dict[str, list[Shop]] = {}
        self.result = Result()

    async def run(self, say: Console) -> None:
        async with Receiver(on_receipt=self._arrivals.note) as receiver, AsyncExitStack() as shops:
            await self._dbos.prepare(self._sandbox, receiver)
            access = Access(self._stack.api_url, self._stack.admin_key)
            ours = await shops.enter_async_context(
                await Shop.onboard(access, self._sandbox, receiver)
            )
            theirs = [await shops.enter_async_context(shop) for shop in self._dbos.shops()]
            self._shops = {_OURS: [ours], _ONE: theirs[:1], _TWO: theirs}
            paths = {name: WholePath(of, self._arrivals) for name, of in self._shops.items()}
            await self._sandbox.auto_pay({"enabled": True, "action": "pay"})
            for path in paths.values():
                await closed_loop(_WARM_UP, self._options.concurrency, path.whole)
            await self._pass_the_gate(say)
            alive = {name: path for name, path in paths.items() if self._has_passed(name)}
            if {_OURS, _ONE} <= alive.keys():
                await self._time_initiation(alive, say)
            for number in range(self._options.rounds):
                say.print(f"payments per second: round {number + 1} of {self._options.rounds}")
                await self._one_round(number, alive)

    async def _pass_the_gate(self, say: Console) -> None:
        for contender in await self._contenders():
            say.print(f"kill -9 under load: {contender.name}, {self._options.kills} times")
            gate = Gate(contender, self._arrivals, self._sandbox, self._options.concurrency)
            verdict = await gate.judge(
                kills=self._options.kills, every_seconds=self._options.kill_every
            )
            self.result.gate[contender.name] = verdict
            say.print(f"  {verdict.told} payments: {verdict.in_words()}")

    def _has_passed(self, name: str) -> bool:
        return self.result.gate["ours" if name == _OURS else "DBOS"].is_passed

    async def _contenders(self) -> list[Contender]:
        ours = self._shops[_OURS][0]
        parts = [c.name for c in self._stack.components if c.name.startswith(("worker", "api"))]

        def kill_ours(number: int) -> str:
            self._stack.kill(parts[number])
            return parts[number]

        def kill_theirs(number: int) -> str:
            self._dbos.kill(number)
            return f"dbos {number + 1}"

        return [
            Contender(
                name="ours",
                shops=[ours],
                alipay_app_id=await self._alipay_app_id(ours),
                database_url=self._stack.database_urls.owner,
                kill=kill_ours,
                stops=len(parts),
            ),
            Contender(
                name="DBOS",
                shops=self._shops[_TWO],
                alipay_app_id=self._dbos.alipay_app_id,
                database_url=self._dbos.database_url,
                kill=kill_theirs,
                stops=_PROCESSES,
            ),
        ]

    async def _alipay_app_id(self, shop: Shop) -> str:
        """Whose orders are ours in the channel's books: the trades of the warm-up say."""
        trades = await self._sandbox.trades(limit="5000")
        known = {str(trade["app_id"]) for trade in trades}
        return (known - {self._dbos.alipay_app_id}).pop()

    async def _time_initiation(self, paths: Mapping[str, WholePath], say: Console) -> None:
        """One at a time and in turn, while nobody pays; paid afterwards, so that nothing waits."""
        say.print(f"initiation latency: {self._options.sequential} of each, in turn")
        await self._sandbox.auto_pay({"enabled": False})
        ours, theirs = await interleaved(
            self._options.sequential, paths[_OURS].initiate, paths[_ONE].initiate
        )
        self.result.initiation = {"ours": ours, "DBOS": theirs}
        await pay_all(self._sandbox)
        await self._sandbox.auto_pay({"enabled": True, "action": "pay"})

    async def _one_round(self, number: int, paths: Mapping[str, WholePath]) -> None:
        names = list(paths)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            processes = self._processes()
            began = cpu.snapshot(processes)
            rate = await closed_loop(
                self._options.payments, self._options.concurrency, paths[name].whole
            )
            spent = cpu.between(began, cpu.snapshot(processes), self._options.payments)
            self.result.rates.setdefault(name, []).append(rate)
            self.result.cpu_ms.setdefault(name, []).append(spent)

    def _processes(self) -> dict[str, int]:
        ours = {part.name: part.pid for part in self._stack.components if part.pid}
        return ours | dict(self._dbos.pids()) | {"client": os.getpid()}


def show(result: Result, console: Console) -> None:
    for name, verdict in result.gate.items():
        words = "passed" if verdict.is_passed else "[red]FAILED, so no rate[/]"
        console.print(
            f"gate, {name}: {words}. {len(verdict.kills)} kills, {verdict.told} payments: "
            f"{verdict.in_words()}"
        )
    console.print(_rates(result))
    if result.rates:
        console.print(_where_the_time_goes(result))
    console.print(_LEFT_OUT)


def _rates(result: Result) -> Table:
    table = Table(title="Our payment beside the same on DBOS")
    for heading in ("", *result.rates):
        table.add_column(heading, justify="right" if heading else "left")
    for number in range(max((len(rates) for rates in result.rates.values()), default=0)):
        each = [f"{rates[number].per_second:.1f}" for rates in result.rates.values()]
        table.add_row(f"round {number + 1}: per second", *each)
    table.add_row("median", *(f"{result.median_rate(name):.1f}" for name in result.rates))
    table.add_row(
        "p95 ms", *(f"{median(r.p95_ms for r in of):.0f}" for of in result.rates.values())
    )
    if result.rate_ratio is not None:
        table.add_row(f"ours to {result.best}", f"{result.rate_ratio:.2f}")
    for name, latency in result.initiation.items():
        table.add_row(f"initiation, {name}: p50, p95 ms", f"{latency.p50}", f"{latency.p95}")
    return table


def _where_the_time_goes(result: Result) -> Table:
    table = Table(title="CPU milliseconds for each payment, median of rounds")
    table.add_column("process")
    medians = {name: _medians(rounds) for name, rounds in result.cpu_ms.items()}
    for name in medians:
        table.add_column(name, justify="right")
    for process in next(iter(medians.values())):
        table.add_row(process, *(f"{of[process]:.1f}" for of in medians.values()))
    table.add_row("together", *(f"{sum(of.values()):.1f}" for of in medians.values()))
    return table


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


async def measure(stack: Stack, folder: Path, options: argparse.Namespace, say: Console) -> Result:
    with DbosSide(stack, folder, _PROCESSES) as dbos:
        async with SandboxControl(stack.sandbox_url) as sandbox:
            bench = Bench(stack, dbos, sandbox, options)
            await bench.run(say)
    return bench.result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.dbos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, three kills")
    parser.add_argument("--sequential", type=int, default=100, help="payments timed one by one")
    parser.add_argument("--payments", type=int, default=600, help="payments in each round")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="worker processes of ours")
    parser.add_argument("--kills", type=int, default=8, help="of each system")
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.payments, options.sequential, options.kills = 1, 150, 20, 3
    return options


def main() -> int:
    options, console = _options(), Console()
    DBOS.make()
    with (
        tempfile.TemporaryDirectory(prefix="paycenter-dbos-") as folder,
        Stack(Path(folder), workers=options.workers, announce=console.print) as stack,
    ):
        result = uvloop.run(measure(stack, Path(folder), options, console))
    show(result, console)
    _RESULT.parent.mkdir(exist_ok=True)
    found = asdict(result) | {"rate_ratio": result.rate_ratio} | vars(options)
    _RESULT.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(verdict.is_passed for verdict in result.gate.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
