"""`paycenter books verify`: every money invariant, from every source there is."""

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from temporalio.client import Client

from devstack.books_channel import compare
from devstack.books_runs import check_runs
from devstack.sandbox_control import SandboxControl
from models.channel import Frozen
from storage.books import check_books, read_our_books
from storage.books_check import CheckResult, Holds, Shown


@dataclass(frozen=True)
class Sources:
    """What to look into: our database, and where given Temporal and the channels' sandbox."""

    database_url: str
    temporal: Client | None = None
    sandbox: SandboxControl | None = None


class BooksReport(Frozen):
    """Everything that was looked at, and whether all of it is as it must be."""

    results: tuple[CheckResult, ...]

    @property
    def is_clean(self) -> bool:
        return all(result.is_clean for result in self.results)

    @property
    def broken(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if not result.is_clean)

    @property
    def broken_names(self) -> set[str]:
        return {result.name for result in self.broken}


async def verify(sources: Sources, *, quiet: bool) -> BooksReport:
    """Look at everything; without `quiet` only at what holds at every instant.

    Nothing is changed anywhere. Raises Unavailable when our database cannot be read, and what the
    clients raise when another source cannot be.
    """
    trades = await sources.sandbox.every_trade() if sources.sandbox else None
    results = list(check_books(sources.database_url, quiet=quiet))
    if trades is not None:
        results += compare(trades, read_our_books(sources.database_url), quiet=quiet)
    if sources.temporal is not None and quiet:
        results += await check_runs(sources.temporal, sources.database_url)
    results.sort(key=lambda result: int(result.name.removeprefix("I")))
    return BooksReport(results=tuple(results))


def picture(report: BooksReport) -> RenderableType:
    """One line for each check, then the rows that offend."""
    table = Table(title="Books", title_justify="left", pad_edge=False)
    for heading in ("", "Looked at", "Broken", "What a broken one is"):
        table.add_column(heading, justify="right" if heading in {"Looked at", "Broken"} else "left")
    for holds in Holds:
        table.add_section()
        for result in report.results:
            if result.holds is holds:
                table.add_row(*_line(result))
    broken = [_offenders(result) for result in report.broken]
    return Group(table, *broken, _verdict(report))


def _line(result: CheckResult) -> tuple[Text, Text, Text, Text]:
    return (
        Text(result.name, style="bold"),
        Text(str(result.looked_at), style="yellow" if result.looked_at == 0 else ""),
        Text(str(result.broken), style="" if result.is_clean else "bold red"),
        Text(f"{result.holds.value}: {result.meaning}"),
    )


def _offenders(result: CheckResult) -> Group:
    head = Text(f"\n{result.name}: {result.meaning} ({result.broken})", style="bold red")
    return Group(head, *(Text(f"  {_words(row)}") for row in result.rows))


def _words(row: Shown) -> str:
    return "  ".join(f"{name}={value}" for name, value in row.items())


def _verdict(report: BooksReport) -> Text:
    if report.is_clean:
        return Text(f"\nAll {len(report.results)} checks hold.", style="green")
    names = ", ".join(sorted(report.broken_names))
    return Text(f"\nBroken: {names}. Nothing was changed.", style="bold red")
