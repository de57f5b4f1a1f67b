"""The command `paycenter reconcile`. What it needs is imported inside it, as in `cli`."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from devstack.reconciling import ReconciledDay

_FAILED = 1


def reconcile(  # noqa: PLR0913, PLR0917  # the options of a command
    account: Annotated[str, typer.Option(help="The channel account, acc_….")],
    day: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="A day by the channel's own clock.")
    ],
    file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Use this statement; do not fetch one."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show the result, or only that it began.")
    ] = True,
    url: Annotated[
        str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")
    ] = "",
    key: Annotated[
        str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")
    ] = "",
    data: Annotated[Path, typer.Option("--data", help="Folder of a local stack.")] = Path(".data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Compare a channel's statement of a day with our books, and show what does not match.

    The same day again is run again; with the same statement nothing changes. Ends with 1 when the
    day could not be reconciled, a missing statement for one; discrepancies are a result.
    """
    from rich.console import Console

    from devstack.api_client import Access, ApiProblem, local_access
    from devstack.reconciliation_views import day_picture
    from devstack.reconciling import reconciled

    known = local_access(data)
    access = Access(url=url or known.url, key=key or known.key)
    if not access.url or not access.key:
        typer.echo("say where the API is (--url) and who you are (--key)", err=True)
        raise typer.Exit(_FAILED)
    try:
        with Console(stderr=True).status("") as progress:
            result: ReconciledDay = asyncio.run(
                reconciled(access, account, day.date(), file=file, wait=wait, tell=progress.update)
            )
    except ApiProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(_FAILED) from None
    if as_json:
        shown = {"reconciliation": result.day, "discrepancies": result.discrepancies}
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        Console().print(day_picture(result.day, result.discrepancies))
    raise typer.Exit(_FAILED if result.day["status"] == "failed" else 0)
