"""Queues: what does not go on by itself as it should, and which command helps."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.shell import page
from api.console.visit import Visiting

router = APIRouter(prefix="/console/queues", include_in_schema=False)


@dataclass(frozen=True)
class Queue:
    """One queue: where its rows come from, and what to do about one."""

    name: str
    title: str
    means: str
    way_on: str
    is_of_payments: bool = True


_QUEUES = (
    Queue(
        "unknown",
        "Outcome unknown",
        "We sent the payment and do not know whether money moved.",
        "Its run asks the channel again by itself; the payment’s page says when. Cancel makes it "
        "close the payment at the channel, which settles it too.",
    ),
    Queue(
        "review",
        "In review",
        "Every road to an answer was tried, and none led to one.",
        "Look at the channel’s own console with our serial. Cancel tries to close it there again; "
        "a callback or a line of the statement still settles it.",
    ),
    Queue(
        "late",
        "Late money",
        "Money came after the payment had ended, and the app wants to be asked. It is in suspense.",
        "Ask the app. To give it back, order a refund on the payment’s page; somebody else "
        "approves it.",
    ),
    Queue(
        "parked",
        "Parked callbacks",
        "A channel told us about a serial that we do not know. It proved who it is.",
        "They are matched again every few seconds. One that stays is most often another "
        "system’s use of the same account: find its serial there.",
        is_of_payments=False,
    ),
    Queue(
        "disputed",
        "Disputed callbacks",
        "A channel named another amount or currency than we asked for.",
        "The payment’s run has been told to ask the channel itself. Compare both amounts; the "
        "statement decides in the end.",
        is_of_payments=False,
    ),
    Queue(
        "unanswered",
        "Unanswered callbacks",
        "A channel told us something, and no run has taken it in for minutes.",
        "They are handed on again with growing pauses. Look at the payment’s run in Temporal UI: "
        "it waits for workers, or for a fix.",
        is_of_payments=False,
    ),
    Queue(
        "rejected",
        "Rejected messages, 24 h",
        "Somebody sent what does not prove where it comes from. It changed nothing.",
        "A few are noise. If a channel’s own messages are among them, its key or certificate in "
        "the channel account is not the present one.",
        is_of_payments=False,
    ),
)
_BY_NAME = {queue.name: queue for queue in _QUEUES}


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Every queue with its length, and the rows of one, the longest waiting first."""
    waiting = await visit.api.get("/v1/queues")
    chosen = _BY_NAME.get(visit.text("queue")) or _first_with_work(waiting)
    cursor = visit.text("cursor")
    if chosen.is_of_payments:
        found = await listed(visit, f"/v1/queues/{chosen.name}", cursor=cursor)
    else:
        found = await listed(visit, "/v1/callbacks", match=chosen.name, cursor=cursor)
    return await page(
        visit,
        "console/queues.html",
        status_code=found.status_code,
        queues=_QUEUES,
        waiting=waiting,
        chosen=chosen,
        found=found,
        asked={"queue": chosen.name, "cursor": cursor},
    )


@router.get("/callbacks/{callback_id}")
async def show_callback(callback_id: str, visit: Visiting) -> Response:
    """One message of a channel: what it says, and its envelope."""
    found = await visit.api.get(f"/v1/callbacks/{callback_id}")
    return await page(visit, "console/callback.html", found=found)


def _first_with_work(waiting: dict[str, Any]) -> Queue:
    return next((queue for queue in _QUEUES if waiting[queue.name]["count"]), _QUEUES[0])
