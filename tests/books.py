"""`books verify` after a test: everything that must hold once nothing is under way any more."""

import asyncio
from datetime import UTC, datetime, timedelta

from rich.console import Console

from devstack.books import BooksReport, Sources, picture, verify
from devstack.sandbox_control import SandboxControl
from devstack.supervisor import Stack
from engine.client import TemporalConnection, connect
from storage.books_check import Holds

# The sweeper goes round every five seconds and picks up what is older than ten; a channel call
# whose worker died is given up after twenty, and a delivery that failed is tried again in between.
QUIET_WITHIN_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.5
_SWEPT_AFTER = timedelta(seconds=30)


async def sources_of(stack: Stack, sandbox: SandboxControl) -> Sources:
    """All there is to look into on a running stack."""
    client = await connect(
        TemporalConnection(
            address=stack.temporal_address,
            namespace=stack.temporal_namespace,
            payload_keys={"unused": bytes(32)},  # what is encrypted is not looked at
        )
    )
    return Sources(stack.database_urls.owner, client, sandbox)


async def once_quiet(
    sources: Sources, *, within_seconds: float = QUIET_WITHIN_SECONDS, swept: bool = True
) -> BooksReport:
    """The books as soon as they are clean, or as they are when time is up.

    What must hold at every instant is not waited for: broken once is broken. Without `swept`, what
    the sweeper has not come to yet is no reason to wait.
    """
    if sources.sandbox is not None:
        await sources.sandbox.quiesce()
    until = asyncio.get_running_loop().time() + within_seconds
    while True:
        report = await verify(sources, quiet=True)
        if not swept:
            report = _without_what_the_sweeper_does(report)
        instantly = any(result.holds is Holds.ALWAYS for result in report.broken)
        if report.is_clean or instantly or asyncio.get_running_loop().time() > until:
            return report
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def assert_books_hold(
    sources: Sources, *, within_seconds: float = QUIET_WITHIN_SECONDS, swept: bool = True
) -> BooksReport:
    """Fail with the table that `books verify` prints."""
    report = await once_quiet(sources, within_seconds=within_seconds, swept=swept)
    assert report.is_clean, "\n" + as_text(report)
    return report


def _without_what_the_sweeper_does(report: BooksReport) -> BooksReport:
    """Callbacks that came in a moment ago, after the end: the sweeper's next round takes them."""
    fresh = datetime.now(UTC) - _SWEPT_AFTER
    kept = tuple(
        result
        for result in report.results
        if not (
            result.broken
            and all(
                "callback_id" in row and datetime.fromisoformat(str(row["received_at"])) > fresh
                for row in result.rows
            )
        )
    )
    return BooksReport(results=kept)


def as_text(report: BooksReport) -> str:
    console = Console(width=160, force_terminal=False)
    with console.capture() as captured:
        console.print(picture(report))
    return captured.get()
