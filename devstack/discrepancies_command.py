"""The command group `paycenter discrepancies`, through the API. Imports inside, as in `cli`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

_DATA = Path(".data")
_REFUSED = 1

discrepancies = typer.Typer(
    no_args_is_help=True,
    help="What statements and our books disagree in, and its repair.",
)

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the stack on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the discrepancy.")]


@discrepancies.callback()
def whose(context: typer.Context, url: Url = "", key: Key = "", data: Data = _DATA) -> None:
    from devstack.api_client import Access, local_access

    known = local_access(data)
    context.obj = Access(url=url or known.url, key=key or known.key)


@discrepancies.command("list")
def list_discrepancies(
    context: typer.Context,
    status: Annotated[str, typer.Option(help="Only these, e.g. open.")] = "open",
    account: Annotated[str, typer.Option(help="Only this channel account's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest discrepancies; `--status ""` shows all."""
    from devstack.reconciliation_views import discrepancy_table

    query = {"limit": str(limit), "status": status, "account_id": account}
    given = {name: value for name, value in query.items() if value}
    answer = _ask(context, "GET", "/v1/discrepancies", given)
    _show(answer, discrepancy_table(answer["items"]), as_json=as_json)


@discrepancies.command("show")
def show_discrepancy(context: typer.Context, discrepancy_id: str, as_json: AsJson = False) -> None:
    """One discrepancy, and who did what about it."""
    from devstack.reconciliation_views import discrepancy_picture

    answer = _ask(context, "GET", f"/v1/discrepancies/{discrepancy_id}", {})
    _show(answer, discrepancy_picture(answer), as_json=as_json)


@discrepancies.command("repair")
def repair(
    context: typer.Context,
    discrepancy_id: str,
    action: Annotated[str, typer.Argument(help="book, suspense, write_off or dismiss")],
    reason: Reason,
    as_json: AsJson = False,
) -> None:
    """Say what is to be done; all but `book` then waits for another key's approval."""
    _say(context, discrepancy_id, "repair", {"action": action, "reason": reason}, as_json=as_json)


@discrepancies.command("approve")
def approve(
    context: typer.Context, discrepancy_id: str, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Let a proposed repair be booked. Not with the key that proposed it."""
    given = {"reason": reason} if reason else {}
    _say(context, discrepancy_id, "approve", given, as_json=as_json)


@discrepancies.command("reject")
def reject(
    context: typer.Context, discrepancy_id: str, reason: Reason = "", as_json: AsJson = False
) -> None:
    """Leave it open; nothing is booked. Not with the key that proposed it."""
    given = {"reason": reason} if reason else {}
    _say(context, discrepancy_id, "reject", given, as_json=as_json)


def _say(
    context: typer.Context,
    discrepancy_id: str,
    word: str,
    body: dict[str, str],
    *,
    as_json: bool,
) -> None:
    from devstack.reconciliation_views import discrepancy_table

    answer = _ask(context, "POST", f"/v1/discrepancies/{discrepancy_id}/{word}", body)
    _show(answer, discrepancy_table([answer]), as_json=as_json)


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


def _show(answer: dict[str, Any], picture: object, *, as_json: bool) -> None:
    from rich.console import Console

    if as_json:
        typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        Console().print(picture)
