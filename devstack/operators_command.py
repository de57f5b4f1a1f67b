"""The command group `paycenter operators`: people of the console. Imports inside, as in `cli`.

The first person is made here, with the admin key; a password is printed where it is made, once.
"""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

_DATA = Path(".data")
_REFUSED = 1

operators = typer.Typer(no_args_is_help=True, help="People who work in the console.")

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the stack on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@operators.callback()
def whose(context: typer.Context, url: Url = "", key: Key = "", data: Data = _DATA) -> None:
    from devstack.api_client import Access, local_access

    known = local_access(data)
    context.obj = Access(url=url or known.url, key=key or known.key)


@operators.command("create")
def create(
    context: typer.Context,
    login: str,
    name: Annotated[str, typer.Option(help="What the console calls them.")],
    role: Annotated[str, typer.Option(help="ops, finance or admin")],
    as_json: AsJson = False,
) -> None:
    """Let a person into the console; their password for the first login is shown once."""
    body = {"login": login, "name": name, "role": role}
    _show(_ask(context, "POST", "/v1/operators", body), as_json=as_json)


@operators.command("list")
def list_operators(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    cursor: Annotated[str, typer.Option(help="Go on after this one.")] = "",
    as_json: AsJson = False,
) -> None:
    """People, in the order in which they came."""
    query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    answer = _ask(context, "GET", "/v1/operators", query)
    if as_json:
        _show(answer, as_json=True)
        return
    _table(answer["items"])
    if answer["next_cursor"]:
        typer.echo(f"more: --cursor {answer['next_cursor']}")


@operators.command("disable")
def disable(context: typer.Context, operator_id: str, as_json: AsJson = False) -> None:
    """Shut a person out at once."""
    _show(_ask(context, "POST", f"/v1/operators/{operator_id}/disable", {}), as_json=as_json)


@operators.command("enable")
def enable(context: typer.Context, operator_id: str, as_json: AsJson = False) -> None:
    """Let a person in again."""
    _show(_ask(context, "POST", f"/v1/operators/{operator_id}/enable", {}), as_json=as_json)


@operators.command("reset-password")
def reset_password(context: typer.Context, operator_id: str, as_json: AsJson = False) -> None:
    """A new password for one login, shown once; the person's sessions end."""
    path = f"/v1/operators/{operator_id}/reset-password"
    _show(_ask(context, "POST", path, {}), as_json=as_json)


def _ask(context: typer.Context, method: str, path: str, what: dict[str, str]) -> dict[str, Any]:
    from devstack.api_client import ApiClient, ApiProblem

    access = context.obj
    if not access.url or not access.key:
        typer.echo("say where the API is (--url) and who you are (--key)", err=True)
        raise typer.Exit(_REFUSED)

    async def ask() -> dict[str, Any]:
        async with ApiClient(access.url, access.key) as client:
            return await (client.get(path, what) if method == "GET" else client.post(path, what))

    try:
        return asyncio.run(ask())
    except ApiProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(_REFUSED) from None


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    _table([answer])
    if "password" in answer:
        typer.echo(f"password for the first login: {answer['password']}")


def _table(items: Iterable[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(pad_edge=False)
    for heading in ("Id", "Login", "Name", "Role", "State"):
        table.add_column(heading, overflow="fold")
    for one in items:
        state = "shut out" if one["disabled_at"] else "active"
        table.add_row(one["id"], one["login"], one["name"], one["role"], state)
    Console().print(table)
