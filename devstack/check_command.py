"""The command `paycenter check`; imports inside, as in `cli`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

_FOUND_SOMETHING = 1


def check(
    url: Annotated[
        str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")
    ] = "",
    key: Annotated[
        str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")
    ] = "",
    data: Annotated[Path, typer.Option("--data", help="Folder of a local stack.")] = Path(".data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """What the last look around found not to fit between channels, books and runs.

    Workers look around every few minutes. Ends with 1 when something was found, or nobody looked.
    """
    from rich.console import Console

    from devstack.api_client import Access, ApiClient, ApiProblem, local_access
    from devstack.reconciliation_views import check_picture

    known = local_access(data)
    access = Access(url=url or known.url, key=key or known.key)

    async def ask() -> dict[str, Any]:
        async with ApiClient(access.url, access.key) as client:
            return await client.get("/v1/checks", {"limit": "1"})

    try:
        rounds = asyncio.run(ask())["items"]
    except ApiProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(_FOUND_SOMETHING) from None
    if as_json:
        typer.echo(json.dumps(rounds, indent=2, ensure_ascii=False))
    else:
        Console().print(check_picture(rounds[0]) if rounds else "nobody has looked around yet")
    raise typer.Exit(_FOUND_SOMETHING if not rounds or rounds[0]["counts"] else 0)
