"""`make bench`: our whole path beside a bare Temporal workflow, on the same server in one run.

A payment here is everything: POST, order on disk, verdicts, Alipay call over HTTP to the sandbox,
signed callback, settlement with ledger entries, signed webhook received by the app.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import uvloop
from rich.console import Console
from rich.table import Table

from bench import cpu
from bench.load import Latency, Rate, closed_loop, interleaved
from bench.sides import Arrivals, BarePath, WholePath
from devstack.api_client import Access
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack

_RESULT = Path(__file__).parent / "results" / "payments.json"
_WARM_UP = 30


@dataclass
class Result:
    """Everything one run found, by round; CPU is in milliseconds for each payment, by process."""

    initiation: dict[str, Latency] = field(default_factory=dict)
    ours: list[Rate] = field(default_factory=list)
    bare: list[Rate] = field(default_factory=list)
    cpu_ms_ours: list[dict[str, float]] = field(default_factory=list)
    cpu_ms_bare: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate_ratio(self) -> float:
        pairs = zip(self.ours, self.bare, strict=True)
        return round(median(ours.per_second / bare.per_second for ours, bare in pairs), 2)

    @property
    def latency_ratio(self) -> float:
        return round(self.initiation["ours"].p50 / self.initiation["bare"].p50, 2)


async def measure(stack: Stack, options: argparse.Namespace, say: Console) -> Result:
    result, arrivals = Result(), Arrivals()
    processes = {part.name: part.pid for part in stack.components if part.pid}
    async with (
        Receiver(on_receipt=arrivals.note) as receiver,
        SandboxControl(stack.sandbox_url) as sandbox,
        BarePath(stack.temporal_address) as bare,
        await Shop.onboard(Access(stack.api_url, stack.admin_key), sandbox, receiver) as shop,
    ):
        processes |= {"client": os.getpid(), "bare worker": bare.worker_pid}
        ours = WholePath([shop], arrivals)
        say.print("warming up")
        await interleaved(_WARM_UP, ours.initiate, bare.initiate)
        say.print(f"initiation latency: {options.sequential} of each, in turn")
        latencies = await interleaved(options.sequential, ours.initiate, bare.initiate)
        result.initiation = dict(zip(("ours", "bare"), latencies, strict=True))
        await sandbox.auto_pay({"enabled": True, "action": "pay"})
        await closed_loop(_WARM_UP, options.concurrency, ours.whole)
        for number in range(options.rounds):
            say.print(f"payments per second: round {number + 1} of {options.rounds}")
            began = cpu.snapshot(processes)
            result.bare.append(await closed_loop(options.payments, options.concurrency, bare.whole))
            between = cpu.snapshot(processes)
            result.ours.append(await closed_loop(options.payments, options.concurrency, ours.whole))
            ended = cpu.snapshot(processes)
            result.cpu_ms_bare.append(cpu.between(began, between, options.payments))
            result.cpu_ms_ours.append(cpu.between(between, ended, options.payments))
    return result


def show(result: Result, console: Console) -> None:
    table = Table(title="Our whole path beside a bare Temporal workflow")
    for heading in ("", "ours", "bare", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    ours, bare = result.initiation["ours"], result.initiation["bare"]
    table.add_row("initiation p50 ms", f"{ours.p50}", f"{bare.p50}", f"{result.latency_ratio}")
    table.add_row("initiation p95 ms", f"{ours.p95}", f"{bare.p95}", "")
    for number, (mine, theirs) in enumerate(zip(result.ours, result.bare, strict=True), 1):
        table.add_row(
            f"round {number}: per second at {mine.concurrency}",
            f"{mine.per_second:.1f}",
            f"{theirs.per_second:.1f}",
            f"{mine.per_second / theirs.per_second:.2f}",
        )
    table.add_row("rate, median of rounds", "", "", f"{result.rate_ratio}")
    console.print(table)
    console.print(_where_the_time_goes(result))


def _where_the_time_goes(result: Result) -> Table:
    ours, bare = _medians(result.cpu_ms_ours), _medians(result.cpu_ms_bare)
    table = Table(title="CPU milliseconds for each payment, median of rounds")
    table.add_column("process")
    table.add_column("ours", justify="right")
    table.add_column("bare", justify="right")
    for name in sorted(ours, key=lambda name: -ours[name]):
        table.add_row(name, f"{ours[name]:.1f}", f"{bare[name]:.1f}")
    table.add_row("together", f"{sum(ours.values()):.1f}", f"{sum(bare.values()):.1f}")
    return table


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(one[name] for one in rounds) for name in rounds[0]}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sequential", type=int, default=100, help="payments timed one by one")
    parser.add_argument("--payments", type=int, default=600, help="payments in each round")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="worker processes")
    options = parser.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="paycenter-bench-") as folder,
        Stack(Path(folder), workers=options.workers, announce=console.print) as stack,
    ):
        result = uvloop.run(measure(stack, options, console))
    show(result, console)
    _RESULT.parent.mkdir(exist_ok=True)
    ratios = {"rate_ratio": result.rate_ratio, "latency_ratio": result.latency_ratio}
    _RESULT.write_text(json.dumps(asdict(result) | ratios | vars(options), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
