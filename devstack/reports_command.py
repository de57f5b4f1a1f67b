"""The command group `paycenter reports`, through the API. Imports inside, as in `cli`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

_DATA = Path(".data")

reports = typer.Typer(no_args_is_help=True, help="What finance reads, from the books.")

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the stack on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@reports.command("trial-balance")
def trial_balance(
    url: Url = "", key: Key = "", data: Data = _DATA, as_json: AsJson = False
) -> None:
    """Every kind of account, and whether assets = liabilities + income - expenses."""
    told = _ask("trial-balance", {}, url, key, data)
    columns = ("currency", "kind", "debit_minor", "credit_minor", "balance_minor")
    _show("trial balance", columns, told, "rows", as_json=as_json)


@reports.command("channel-day")
def channel_day(  # one option each
    account: Annotated[str, typer.Option(help="The channel account, acc_….")],
    day: Annotated[str, typer.Option(help="Its business day, as 2026-11-20.")],
    url: Url = "",
    key: Key = "",
    data: Data = _DATA,
    as_json: AsJson = False,
) -> None:
    """A channel account's day: what came in, what went back, what the channel took and owes."""
    told = _ask("channel-day", {"account_id": account, "business_day": day}, url, key, data)
    columns = (
        "currency",
        "opening_minor",
        "in_minor",
        "out_minor",
        "closing_minor",
        "payments",
        "payments_minor",
        "refunds",
        "refunds_minor",
        "channel_fees_minor",
        "net_minor",
    )
    _show(f"{account} on {day}", columns, told, "currencies", as_json=as_json)


@reports.command("discrepancies")
def discrepancies(
    url: Url = "", key: Key = "", data: Data = _DATA, as_json: AsJson = False
) -> None:
    """What is not resolved, and for how many days."""
    told = _ask("discrepancies", {}, url, key, data)
    columns = ("account_id", "class_", "currency", "days_0_1", "days_2_3", "days_4_7", "older")
    _show(f"unresolved on {told['as_of']}", columns, told, "items", as_json=as_json)


def _ask(name: str, query: dict[str, str], url: str, key: str, data: Path) -> dict[str, Any]:
    from devstack.api_client import ApiClient, ApiProblem, local_access

    known = local_access(data)
    address, secret = url or known.url, key or known.key
    if not address or not secret:
        typer.echo(
            "say where the API is (--url) and who you are (--key), or run `paycenter up`", err=True
        )
        raise typer.Exit(1)

    async def ask() -> dict[str, Any]:
        async with ApiClient(address, secret) as client:
            return await client.get(f"/v1/reports/{name}", query)

    try:
        return asyncio.run(ask())
    except ApiProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None


def _show(
    title: str, columns: tuple[str, ...], told: dict[str, Any], name: str, *, as_json: bool
) -> None:
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    rows: list[dict[str, Any]] = told[name]
    table = Table(title=title)
    if "balanced" in told:
        table.caption = "it adds up" if told["balanced"] else "IT DOES NOT ADD UP"
    for column in columns:
        name = column.removesuffix("_minor").rstrip("_").replace("_", " ")
        table.add_column(name, justify="left" if isinstance(_first(rows, column), str) else "right")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


def _first(rows: list[dict[str, Any]], column: str) -> Any:
    return rows[0][column] if rows else ""
