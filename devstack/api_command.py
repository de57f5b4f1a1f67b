"""What commands that look through the API share: whom to ask, asking, and showing the answer.

They end with 0, with 1 when the API refuses, cannot be reached or knows no such thing, and with 2
when the command itself was written wrongly. With --json standard output is the API's answer alone.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

_REFUSED = 1
_DATA = Path(".data")

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[
    Path, typer.Option("--data", help="Folder that keeps databases, ports, secrets and logs.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Cursor = Annotated[str, typer.Option(help="Go on after a page: its next_cursor.")]
Limit = Annotated[int, typer.Option(min=1, max=100)]

_ADVICE = {
    0: "is it up? `paycenter up` starts a stack here; --url says where another one is",
    401: "--key or PAYCENTER_API_KEY must hold a key of this API",
    403: "this needs the key of somebody with another role",
}


def whose(context: typer.Context, url: Url = "", key: Key = "", data: Data = _DATA) -> None:
    """The callback of a command group: keeps whom to ask."""
    from devstack.api_client import Access, local_access

    known = local_access(data)
    context.obj = Access(url=url or known.url, key=key or known.key)


def ask(context: typer.Context, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """GET; what is empty is left out of the query. Ends the command when there is no answer."""
    from devstack.api_client import ApiClient, ApiProblem

    access = context.obj
    if not access.url or not access.key:
        give_up("say where the API is (--url) and who you are (--key), or run `paycenter up`")
    given = {name: value for name, value in query.items() if value}

    async def answer() -> dict[str, Any]:
        async with ApiClient(access.url, access.key) as client:
            return await client.get(path, given)

    try:
        return asyncio.run(answer())
    except ApiProblem as problem:
        advice = _ADVICE.get(problem.status)
        give_up(f"{problem}; {advice}" if advice else str(problem))


def show(answer: Mapping[str, Any], picture: object, *, as_json: bool) -> None:
    """A picture for people, or the answer itself for scripts. A list says how it goes on."""
    from rich.console import Console

    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    Console().print(picture)
    if answer.get("next_cursor"):
        typer.echo(f"more: --cursor {answer['next_cursor']}")


def give_up(advice: str) -> NoReturn:
    """Say what to do on standard error, and end with 1."""
    typer.echo(advice, err=True)
    raise typer.Exit(_REFUSED)
