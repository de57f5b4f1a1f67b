"""The command group `paycenter schedules`; imports inside, as in `cli`."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from api.schedules import Schedules, ScheduleView
    from settings import Settings

_COULD_NOT = 1

schedules = typer.Typer(no_args_is_help=True, help="What Temporal does by the clock.")

T = TypeVar("T")


@schedules.command("apply")
def apply_schedules() -> None:
    """Make a schedule for every account whose channel has statements, or bring it up to date.

    Workers with the role reconciliation do the same by themselves. Harmless twice.
    """
    from settings import load_settings

    for name in _run(_applied(load_settings())):
        typer.echo(name)


@schedules.command("list")
def list_schedules(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """The schedules as Temporal has them, with the time each is due next."""
    from rich.console import Console
    from rich.table import Table

    from settings import load_settings

    found = _run(_listed(load_settings()))
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    table = Table(pad_edge=False)
    for heading in ("Schedule", "Next", "State"):
        table.add_column(heading, overflow="fold")
    for one in found:
        coming = one.next_at.astimezone().strftime("%Y-%m-%d %H:%M") if one.next_at else "never"
        table.add_row(one.id, coming, "paused" if one.paused else "active")
    Console().print(table)


async def _applied(settings: "Settings") -> tuple[str, ...]:
    async with _opened(settings) as opened:
        return await opened.apply()


async def _listed(settings: "Settings") -> "tuple[ScheduleView, ...]":
    async with _opened(settings) as opened:
        return await opened.listed()


@asynccontextmanager
async def _opened(settings: "Settings") -> "AsyncIterator[Schedules]":
    from api.schedules import Schedules
    from channels.registry import open_registry
    from devstack.reach import temporal_client
    from storage.database import Database

    database = Database(settings.database_url.get_secret_value(), pool_size=2)
    try:
        async with open_registry(
            urls=settings.channel_urls,
            connect_timeout=settings.channel_connect_timeout,
            read_timeout=settings.channel_read_timeout,
        ) as channels:
            yield Schedules(
                database=database,
                client=await temporal_client(settings),
                registry=channels,
                check_every=settings.check_every,
            )
    finally:
        await database.close()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or advice when Temporal is not there."""
    from temporalio.service import RPCError

    try:
        return asyncio.run(work)
    except (RuntimeError, RPCError) as error:
        typer.echo(f"{error}: look at PAYCENTER_TEMPORAL_ADDRESS", err=True)
        raise typer.Exit(_COULD_NOT) from None
