"""`make demo`: the main job on a stack of its own, through the public API alone."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from devstack.api_client import Access, ApiProblem
from devstack.children import Interrupted
from devstack.demo_day import DemoDay, reconcile_today
from devstack.demo_rows import PAID_BY_CALLBACK, STORIES, Row, Scene, Story, play
from devstack.demo_tour import Tour, leave_things_open, tour_lines
from devstack.foreground import FAILURES, INTERRUPTED, interrupts_go_to, read_wishes
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl, SandboxRefused
from devstack.shop import Shop
from devstack.status_table import status_table
from devstack.supervisor import Stack
from devstack.terminal import Terminal

# Silence is short here so that the demo is: a channel is asked after 3 seconds instead of 30, and
# an order that names no expiry has 12 seconds. Everything else is as in a real run.
_ENVIRONMENT = {
    "PAYCENTER_QUERY_AFTER": "3,3,5,10",
    "PAYCENTER_PAYMENT_EXPIRY": "PT12S",
}


def run_demo(data: Path, *, keep: bool) -> int:
    """Returns 0 when every row came out as expected, 1 otherwise."""
    console = Terminal()
    began = time.monotonic()
    wishes = read_wishes()
    stack = Stack(
        data,
        environment=_ENVIRONMENT | dict(wishes.settings),
        external=wishes.external,
        announce=lambda text: console.print(f"[dim]{text}[/dim]"),
    )
    with interrupts_go_to(stack):
        try:
            stack.up()
        except Interrupted:
            return INTERRUPTED
        except FAILURES as failure:
            console.print(str(failure), style="red", markup=False)
            return 1
        try:
            status, tour = _play_all(stack, console, keep=keep)
            took = time.monotonic() - began
            console.print(f"It took {took:.0f} s, the start included. Logs: {data / 'logs'}")
            if keep:
                _keep(stack, console, tour)
        finally:
            stack.down()
    return status


def _play_all(stack: Stack, console: Console, *, keep: bool) -> tuple[int, Tour | None]:
    try:
        rows, day, tour = asyncio.run(_rows(stack, console, keep=keep))
    except (ApiProblem, SandboxRefused) as problem:
        console.print(f"the demo could not go on: {problem}", style="red", markup=False)
        return 1, None
    console.print(_table(rows))
    console.print("Their runs in Temporal UI:")
    for row in rows:
        console.print(f"  {row.what}: {row.run_url}", soft_wrap=True, highlight=False)
    console.print("Its day against Alipay's bill, in which two differences were planted:")
    console.print(day.picture)
    wrong = [(row.what, difference) for row in rows for difference in row.problems]
    wrong += [("the reconciled day", difference) for difference in day.problems]
    for what, difference in wrong:
        console.print(f"{what}: {difference}", style="red", markup=False)
    if not wrong:
        console.print("Every payment came out as it should, and so did the day.", style="green")
    return (1 if wrong else 0), tour


def _keep(stack: Stack, console: Console, tour: Tour | None) -> None:
    console.print(status_table(stack))
    if tour is not None:
        for line in tour_lines(stack, tour):
            console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print("The stack stays; Ctrl-C stops it.")
    stack.wait_for_interrupt()


async def _rows(
    stack: Stack, console: Console, *, keep: bool
) -> tuple[list[Row], DemoDay, Tour | None]:
    admin = Access(url=stack.api_url, key=stack.admin_key)
    async with Receiver() as receiver, SandboxControl(stack.sandbox_url) as sandbox:
        console.print("onboarding an app, a merchant and an Alipay account")
        async with await Shop.onboard(admin, sandbox, receiver, name="demo") as shop:
            scene = Scene(shop=shop, receiver=receiver, sandbox=sandbox)
            with _progress(console) as done:
                rows = list(
                    await asyncio.gather(*(_play_and_tell(story, scene, done) for story in STORIES))
                )
            console.print("reconciling the day with Alipay's bill")
            (paid,) = (row.payment_id for row in rows if row.what == PAID_BY_CALLBACK)
            day = await reconcile_today(admin, shop, sandbox, paid)
            if not keep:
                return rows, day, None
            console.print("leaving some things open, to be looked at")
            return rows, day, await leave_things_open(admin, shop, paid, day)


async def _play_and_tell(story: Story, scene: Scene, done: Callable[[Row], None]) -> Row:
    row = await play(story, scene)
    done(row)
    return row


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Row], None]]:
    """What is still under way, as a spinner on a terminal and as lines elsewhere."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {story.what: progress.add_task(story.what) for story in STORIES}

        def done(row: Row) -> None:
            progress.remove_task(tasks[row.what])
            mark = "[red]differs[/red]" if row.problems else "[green]as expected[/green]"
            progress.console.print(f"{row.what}: {row.status}, {mark}")

        yield done


def _table(rows: list[Row]) -> Table:
    table = Table(title="What happened", title_justify="left", pad_edge=False)
    for heading in ("What", "Status", "Decided by", "Journal", "Webhook"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        style = "red" if row.problems else ""
        table.add_row(row.what, row.status, row.decided_by, row.journal, row.webhook, style=style)
    return table
