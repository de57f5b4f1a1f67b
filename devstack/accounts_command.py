"""The command groups `apps`, `merchants`, `accounts` and `keys`, through the API.

Imports inside, as in `cli`. A secret is printed where it is made, and nowhere else.
"""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

_DATA = Path(".data")
_REFUSED = 1

apps = typer.Typer(no_args_is_help=True, help="Business apps and their webhook secrets.")
merchants = typer.Typer(no_args_is_help=True, help="Who the money is for.")
accounts = typer.Typer(no_args_is_help=True, help="Merchants' accounts at channels.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[Path, typer.Option("--data", help="Folder of the stack on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Limit = Annotated[int, typer.Option(min=1, max=100)]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the change.")]
Overlap = Annotated[
    int, typer.Option("--overlap", min=0, help="Seconds for which the old one works too.")
]
Parameters = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, help="JSON file, as the channel's schema says.")
]
_DAY_SECONDS = 86_400


@apps.callback()
@merchants.callback()
@accounts.callback()
@keys.callback()
def whose(context: typer.Context, url: Url = "", key: Key = "", data: Data = _DATA) -> None:
    from devstack.api_client import Access, local_access

    known = local_access(data)
    context.obj = Access(url=url or known.url, key=key or known.key)


# -- apps ---------------------------------------------------------------------------------------


@apps.command("list")
def list_apps(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """All apps."""
    answer = _ask(context, "GET", "/v1/apps", {"limit": str(limit)})
    _list(answer, ("id", "name", "status", "webhook_url"), as_json=as_json)


@apps.command("show")
def show_app(context: typer.Context, app_id: str) -> None:
    """One app, as JSON."""
    _print(_ask(context, "GET", f"/v1/apps/{app_id}"))


@apps.command("create")
def create_app(
    context: typer.Context,
    name: str,
    webhook_url: Annotated[str, typer.Option(help="Where its events go.")] = "",
) -> None:
    """Onboard an app; its key and webhook secret are shown once."""
    given = {"webhook_url": webhook_url} if webhook_url else {}
    _print(_ask(context, "POST", "/v1/apps", {"name": name} | given))


@apps.command("return-urls")
def set_return_urls(
    context: typer.Context, app_id: str, addresses: Annotated[list[str] | None, typer.Argument()]
) -> None:
    """Say where the cash desk may send payers back to, instead of what was said before."""
    _print(_ask(context, "PATCH", f"/v1/apps/{app_id}", {"return_urls": addresses or []}))


@apps.command("rotate-secret")
def rotate_secret(context: typer.Context, app_id: str, overlap: Overlap = _DAY_SECONDS) -> None:
    """A new webhook secret, shown once; events carry both signatures during the overlap."""
    path = f"/v1/apps/{app_id}/webhook-secret/rotate"
    _print(_ask(context, "POST", path, {"overlap_seconds": overlap}))


@apps.command("disable")
def disable_app(context: typer.Context, app_id: str, reason: Reason) -> None:
    """Refuse all keys of an app at once."""
    _print(_ask(context, "POST", f"/v1/apps/{app_id}/disable", {"reason": reason}))


@apps.command("enable")
def enable_app(context: typer.Context, app_id: str) -> None:
    """Take its keys again."""
    _print(_ask(context, "POST", f"/v1/apps/{app_id}/enable"))


# -- merchants ----------------------------------------------------------------------------------


@merchants.command("list")
def list_merchants(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """All merchants."""
    answer = _ask(context, "GET", "/v1/merchants", {"limit": str(limit)})
    _list(answer, ("id", "name", "status", "app_id"), as_json=as_json)


@merchants.command("show")
def show_merchant(context: typer.Context, merchant_id: str) -> None:
    """One merchant, as JSON."""
    _print(_ask(context, "GET", f"/v1/merchants/{merchant_id}"))


@merchants.command("create")
def create_merchant(
    context: typer.Context,
    name: str,
    app_id: Annotated[str, typer.Option("--app", help="Whose; an app's own key needs none.")] = "",
) -> None:
    """Create a merchant of an app."""
    _print(
        _ask(
            context,
            "POST",
            "/v1/merchants",
            {"name": name} | ({"app_id": app_id} if app_id else {}),
        )
    )


@merchants.command("rename")
def rename_merchant(context: typer.Context, merchant_id: str, name: str) -> None:
    """Give a merchant another name."""
    _print(_ask(context, "PATCH", f"/v1/merchants/{merchant_id}", {"name": name}))


@merchants.command("disable")
def disable_merchant(context: typer.Context, merchant_id: str, reason: Reason) -> None:
    """Take no new payments for a merchant."""
    _print(_ask(context, "POST", f"/v1/merchants/{merchant_id}/disable", {"reason": reason}))


@merchants.command("enable")
def enable_merchant(context: typer.Context, merchant_id: str) -> None:
    """Take payments for it again."""
    _print(_ask(context, "POST", f"/v1/merchants/{merchant_id}/enable"))


# -- channel accounts ---------------------------------------------------------------------------


@accounts.command("list")
def list_accounts(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """All accounts at channels."""
    answer = _ask(context, "GET", "/v1/channel-accounts", {"limit": str(limit)})
    _list(answer, ("id", "channel", "status", "version", "merchant_id"), as_json=as_json)


@accounts.command("show")
def show_account(context: typer.Context, account_id: str) -> None:
    """One account with what runs out of it, as JSON; never its secrets."""
    _print(_ask(context, "GET", f"/v1/channel-accounts/{account_id}"))


@accounts.command("create")
def create_account(
    context: typer.Context,
    channel: str,
    merchant: Annotated[str, typer.Option(help="Whose account it is.")],
    method: Annotated[list[str], typer.Option(help="Several are allowed.")],
    parameters: Parameters,
    fee_bps: Annotated[int, typer.Option(min=0, max=10_000, help="60 is 0.6%.")] = 60,
) -> None:
    """Give a merchant an account at a channel."""
    body = {
        "channel": channel,
        "merchant_id": merchant,
        "methods": method,
        "fee_bps": fee_bps,
        "parameters": _read(parameters),
    }
    _print(_ask(context, "POST", "/v1/channel-accounts", body))


@accounts.command("rotate")
def rotate_account(
    context: typer.Context,
    account_id: str,
    parameters: Parameters,
    overlap: Overlap = _DAY_SECONDS,
) -> None:
    """Replace some parameters; callbacks for the former ones are taken during the overlap."""
    body = {"parameters": _read(parameters), "overlap_seconds": overlap}
    _print(_ask(context, "POST", f"/v1/channel-accounts/{account_id}/rotate", body))


@accounts.command("disable")
def disable_account(context: typer.Context, account_id: str, reason: Reason) -> None:
    """Route nothing new to an account."""
    _print(_ask(context, "POST", f"/v1/channel-accounts/{account_id}/disable", {"reason": reason}))


@accounts.command("enable")
def enable_account(context: typer.Context, account_id: str) -> None:
    """Route payments to it again."""
    _print(_ask(context, "POST", f"/v1/channel-accounts/{account_id}/enable"))


@accounts.command("expiring")
def expiring(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=92)] = 30,
    as_json: AsJson = False,
) -> None:
    """Keys, secrets and certificates that run out soon, soonest first."""
    answer = _ask(context, "GET", "/v1/expiring", {"days": str(days)})
    _list(answer, ("expires_at", "warning", "kind", "what", "object_id"), as_json=as_json)


# -- keys ---------------------------------------------------------------------------------------


@keys.command("list")
def list_keys(
    context: typer.Context,
    app_id: Annotated[str, typer.Option("--app", help="Only this app's.")] = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Keys with their last use, never their secrets."""
    query = {"limit": str(limit)} | ({"app_id": app_id} if app_id else {})
    answer = _ask(context, "GET", "/v1/keys", query)
    columns = ("id", "name", "role", "last_used_at", "expires_at", "disabled_at")
    _list(answer, columns, as_json=as_json)


@keys.command("show")
def show_key(context: typer.Context, key_id: str) -> None:
    """One key, as JSON."""
    _print(_ask(context, "GET", f"/v1/keys/{key_id}"))


@keys.command("rotate")
def rotate_key(context: typer.Context, key_id: str, overlap: Overlap = _DAY_SECONDS) -> None:
    """Make a second key like this one, shown once; this one ends after the overlap."""
    _print(_ask(context, "POST", f"/v1/keys/{key_id}/rotate", {"overlap_seconds": overlap}))


@keys.command("disable")
def disable_key(context: typer.Context, key_id: str, reason: Reason) -> None:
    """Refuse a key at once, for good."""
    _print(_ask(context, "POST", f"/v1/keys/{key_id}/disable", {"reason": reason}))


def _read(path: Path) -> dict[str, str | None]:
    try:
        given: dict[str, str | None] = json.loads(path.read_text())
    except ValueError as error:
        typer.echo(f"{path} is not JSON: {error}", err=True)
        raise typer.Exit(_REFUSED) from None
    return given


def _ask(
    context: typer.Context, method: str, path: str, what: dict[str, Any] | None = None
) -> dict[str, Any]:
    from devstack.api_client import ApiClient, ApiProblem

    access = context.obj
    if not access.url or not access.key:
        typer.echo("say where the API is (--url) and who you are (--key)", err=True)
        raise typer.Exit(_REFUSED)

    async def ask() -> dict[str, Any]:
        async with ApiClient(access.url, access.key) as client:
            if method == "GET":
                return await client.get(path, what)
            send = client.post if method == "POST" else client.patch
            return await send(path, what or {})

    try:
        return asyncio.run(ask())
    except ApiProblem as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(_REFUSED) from None


def _list(answer: dict[str, Any], columns: tuple[str, ...], *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    if as_json:
        _print(answer)
        return
    table = Table(pad_edge=False)
    for name in columns:
        table.add_column(name.replace("_", " ").capitalize(), overflow="fold")
    for item in answer["items"]:
        table.add_row(*("–" if item[name] is None else str(item[name]) for name in columns))
    Console().print(table)


def _print(answer: dict[str, Any]) -> None:
    typer.echo(json.dumps(answer, indent=2, ensure_ascii=False))
