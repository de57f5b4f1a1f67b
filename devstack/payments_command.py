"""The command group `paycenter payments`, through the API. Imports inside, as in `cli`."""

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

_DATA = Path(".data")
_REFUSED = 1

payments = typer.Typer(no_args_is_help=True, help="Look at payments through the API.")

Url = Annotated[str, typer.Option(envvar="PAYCENTER_API_URL", help="Default: the stack in --data.")]
Key = Annotated[str, typer.Option(envvar="PAYCENTER_API_KEY", help="Default: the stack in --data.")]
Data = Annotated[
    Path, typer.Option("--data", help="Folder that keeps databases, ports, secrets and logs.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


class Queue(StrEnum):
    """Payments that do not go on as they should."""

    UNKNOWN = "unknown"
    REVIEW = "review"
    LATE = "late"


@payments.callback()
def whose_payments(
    context: typer.Context, url: Url = "", key: Key = "", data: Data = _DATA
) -> None:
    from devstack.api_client import Access, local_access

    known = local_access(data)
    context.obj = Access(url=url or known.url, key=key or known.key)


@payments.command("list")
def list_payments(  # noqa: PLR0913  # one option each
    context: typer.Context,
    *,
    find: Annotated[str, typer.Option(help="Any number: id, order, serial, channel's.")] = "",
    status: Annotated[str, typer.Option(help="Only these, e.g. review.")] = "",
    order_no: Annotated[str, typer.Option(help="Only this order number.")] = "",
    method: Annotated[str, typer.Option(help="Only these, e.g. alipay_qr.")] = "",
    channel: Annotated[str, typer.Option(help="Only those tried here, e.g. alipay.")] = "",
    merchant: Annotated[str, typer.Option(help="Only this merchant's.")] = "",
    since: Annotated[str, typer.Option(help="From this instant on: 2026-01-31T09:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Before this instant.")] = "",
    cursor: Annotated[str, typer.Option(help="Go on after a page: its next_cursor.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest payments."""
    query = {
        "limit": str(limit),
        "q": find,
        "status": status,
        "order_no": order_no,
        "method": method,
        "channel": channel,
        "merchant_id": merchant,
        "created_from": since,
        "created_to": until,
        "cursor": cursor,
    }
    _show_page(context, "/v1/payments", query, as_json=as_json)


@payments.command("waiting")
def list_waiting(
    context: typer.Context,
    queue: Annotated[Queue, typer.Argument(help="unknown outcome, review, or late money")],
    cursor: Annotated[str, typer.Option(help="Go on after a page: its next_cursor.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """Payments that do not go on as they should, the longest unmoved first."""
    query = {"limit": str(limit), "cursor": cursor}
    _show_page(context, f"/v1/queues/{queue}", query, as_json=as_json)


@payments.command("explain")
def explain_payment(context: typer.Context, payment_id: str, as_json: AsJson = False) -> None:
    """Everything that happened to a payment, why it stands where it stands, and what comes next."""
    from devstack.payment_views import explanation

    answer = _ask(context, f"/v1/payments/{payment_id}/explain", {})
    _show(answer, explanation(answer), as_json=as_json)


def _show_page(context: typer.Context, path: str, query: dict[str, str], *, as_json: bool) -> None:
    from devstack.payment_views import payment_table

    answer = _ask(context, path, {name: value for name, value in query.items() if value})
    _show(answer, payment_table(answer), as_json=as_json)
    if answer["next_cursor"] and not as_json:
        typer.echo(f"more: --cursor {answer['next_cursor']}")


def _ask(context: typer.Context, path: str, query: dict[str, str]) -> dict[str, Any]:
    from devstack.api_client import ApiClient, ApiProblem

    access = context.obj
    if not access.url or not access.key:
        advice = "say where the API is (--url) and who you are (--key), or run `paycenter up`"
        typer.echo(advice, err=True)
        raise typer.Exit(_REFUSED)

    async def ask() -> dict[str, Any]:
        async with ApiClient(access.url, access.key) as client:
            return await client.get(path, query)

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
