"""`paycenter queues` and `paycenter callbacks`: what waits for somebody.

Imports inside, as in `cli`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from devstack.api_command import AsJson, Cursor, Data, Key, Limit, Url, ask, show, whose

_DATA = Path(".data")

callbacks = typer.Typer(
    no_args_is_help=True, help="Messages from channels that somebody should look at."
)
callbacks.callback()(whose)


class Match(StrEnum):
    """What is wrong with a callback."""

    PARKED = "parked"
    DISPUTED = "disputed"
    UNANSWERED = "unanswered"
    REJECTED = "rejected"


def queues(
    context: typer.Context,
    url: Url = "",
    key: Key = "",
    data: Data = _DATA,
    as_json: AsJson = False,
) -> None:
    """How many wait in each queue, since when the oldest does, and what lists them.

    Ends with 0 whatever waits; with 1 when the API refuses or cannot be reached.
    """
    from devstack.queue_views import queue_table

    whose(context, url, key, data)
    answer = ask(context, "/v1/queues", {})
    show(answer, queue_table(answer), as_json=as_json)


@callbacks.command("list")
def list_callbacks(
    context: typer.Context,
    match: Annotated[
        Match,
        typer.Argument(
            help="parked: fits nothing of ours; disputed: of another amount; unanswered: no run "
            "has answered it; rejected: did not verify, of the last day"
        ),
    ],
    account: Annotated[str, typer.Option(help="Only this channel account's.")] = "",
    cursor: Cursor = "",
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Callbacks of one kind of trouble, the oldest first."""
    from devstack.queue_views import callback_table

    query = {
        "match": match.value,
        "account_id": account,
        "cursor": cursor,
        "limit": str(limit),
    }
    answer = ask(context, "/v1/callbacks", query)
    show(answer, callback_table(answer["items"]), as_json=as_json)


@callbacks.command("show")
def show_callback(context: typer.Context, callback_id: str, as_json: AsJson = False) -> None:
    """One callback: what it says in our words, and its envelope. Its body is shown nowhere."""
    from devstack.queue_views import callback_picture

    answer = ask(context, f"/v1/callbacks/{callback_id}", {})
    show(answer, callback_picture(answer), as_json=as_json)
