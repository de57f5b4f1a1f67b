"""The command group `paycenter books`. What a command needs is imported inside it, as in `cli`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import Unavailable

if TYPE_CHECKING:
    from devstack.books import BooksReport
    from settings import Settings

_BROKEN = 1
_COULD_NOT_LOOK = 2

books = typer.Typer(no_args_is_help=True, help="Our books: whether they are right.")


@books.callback()
def our_books() -> None:
    """Keeps `verify` a command of its own while it is the only one."""


@books.command("verify")
def verify_books(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="The stack in this folder, instead of the environment's."),
    ] = None,
    sandbox: Annotated[
        str, typer.Option("--sandbox", help="Also compare with the books of this sandbox.")
    ] = "",
    temporal: Annotated[
        bool, typer.Option("--temporal", help="Also compare with the runs in Temporal.")
    ] = False,
    always: Annotated[
        bool, typer.Option("--always", help="Only what holds at every instant, mid-work too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Check the money invariants and name what breaks them. Reads only; safe in production.

    Ends with 0 when all hold, 1 when one is broken, 2 when something could not be looked at.
    Without --always, what holds only once nothing is under way is checked too.
    """
    from rich.console import Console

    from devstack.books import picture

    try:
        report = asyncio.run(_look(_settings(data), sandbox, temporal=temporal, quiet=not always))
    except Unavailable as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_COULD_NOT_LOOK) from None
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        Console().print(picture(report))
    raise typer.Exit(0 if report.is_clean else _BROKEN)


async def _look(
    settings: "Settings", sandbox_url: str, *, temporal: bool, quiet: bool
) -> "BooksReport":
    import httpx
    from temporalio.service import RPCError

    from devstack.books import Sources, verify
    from devstack.reach import temporal_client
    from devstack.sandbox_control import SandboxControl, SandboxRefused

    database_url = settings.database_url.get_secret_value()
    try:
        client = await temporal_client(settings) if temporal else None
        if not sandbox_url:
            return await verify(Sources(database_url, client), quiet=quiet)
        async with SandboxControl(sandbox_url) as control:
            return await verify(Sources(database_url, client, control), quiet=quiet)
    except (httpx.HTTPError, SandboxRefused) as error:
        raise Unavailable(f"the sandbox cannot be read: {error}") from error
    except (RPCError, RuntimeError) as error:
        raise Unavailable(f"Temporal cannot be read: {error}") from error


def _settings(data: Path | None) -> "Settings":
    from settings import load_settings

    if data is None:
        return load_settings()
    from devstack.local_settings import settings_of

    return settings_of(data)
