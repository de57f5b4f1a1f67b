"""The command group `paycenter payments`, through the API. Imports inside, as in `cli`."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from devstack.api_command import AsJson, Cursor, Limit, ask, give_up, show, whose

payments = typer.Typer(no_args_is_help=True, help="Look at payments through the API.")
payments.callback()(whose)


class Queue(StrEnum):
    """Payments that do not go on as they should."""

    UNKNOWN = "unknown"
    REVIEW = "review"
    LATE = "late"


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
    app: Annotated[str, typer.Option(help="Only this app's; an app's own key needs none.")] = "",
    amount: Annotated[int, typer.Option(min=0, help="In minor units: 1999 for 19.99.")] = 0,
    since: Annotated[str, typer.Option(help="From this instant on: 2026-01-31T09:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Before this instant.")] = "",
    cursor: Cursor = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """The newest payments, narrowed down by every option that is given.

    A page may be short and go on still: `next_cursor` (or the line `more:`) says so.
    """
    query = {
        "limit": str(limit),
        "q": find,
        "status": status,
        "order_no": order_no,
        "method": method,
        "channel": channel,
        "merchant_id": merchant,
        "app_id": app,
        "amount": str(amount or ""),
        "created_from": since,
        "created_to": until,
        "cursor": cursor,
    }
    _show_page(context, "/v1/payments", query, as_json=as_json)


@payments.command("waiting")
def list_waiting(
    context: typer.Context,
    queue: Annotated[Queue, typer.Argument(help="unknown outcome, review, or late money")],
    cursor: Cursor = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Payments that do not go on as they should, the longest unmoved first."""
    query = {"limit": str(limit), "cursor": cursor}
    _show_page(context, f"/v1/queues/{queue}", query, as_json=as_json)


@payments.command("explain")
def explain_payment(
    context: typer.Context,
    number: Annotated[
        str, typer.Argument(help="id, order number, serial, refund, or the channel's reference")
    ],
    as_json: AsJson = False,
) -> None:
    """Everything that happened to a payment, why it stands where it stands, and what comes next."""
    from devstack.payment_views import explanation

    payment_id = _the_one(context, number)
    answer = ask(context, f"/v1/payments/{payment_id}/explain", {})
    show(answer, explanation(answer), as_json=as_json)


def _the_one(context: typer.Context, number: str) -> str:
    """The id of the payment that has this number. Ends the command when none or several have it."""
    if number.startswith("pay_"):
        return number
    found: list[dict[str, Any]] = ask(context, "/v1/payments", {"q": number})["items"]
    if not found:
        give_up(f"no payment has the number {number}; `paycenter payments list` shows the newest")
    if len(found) > 1:
        ids = ", ".join(payment["id"] for payment in found)
        give_up(f"several payments have the number {number}; say which: {ids}")
    return str(found[0]["id"])


def _show_page(context: typer.Context, path: str, query: dict[str, str], *, as_json: bool) -> None:
    from devstack.payment_views import payment_table

    answer = ask(context, path, query)
    show(answer, payment_table(answer), as_json=as_json)
