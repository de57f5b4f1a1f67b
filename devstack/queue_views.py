"""Queues and callbacks as a person reads them in a terminal, from what the API answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from models.money import Money

# What each queue holds, and the command that lists it.
_QUEUES = {
    "unknown": ("the channel has not told the outcome", "payments waiting unknown"),
    "review": ("a person has to look", "payments waiting review"),
    "late": ("money came after the end", "payments waiting late"),
    "parked": ("callbacks that fit nothing of ours", "callbacks list parked"),
    "disputed": ("callbacks of another amount", "callbacks list disputed"),
    "unanswered": ("callbacks no run has answered", "callbacks list unanswered"),
    "rejected": ("did not verify, last day", "callbacks list rejected"),
}


def queue_table(answer: dict[str, Any]) -> Table:
    """Each queue with its length, its oldest, and how to see it."""
    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    table.add_column("Queue", no_wrap=True)
    table.add_column("Waiting", justify="right", no_wrap=True)
    for heading in ("Oldest since", "What waits there, and how to see it"):
        table.add_column(heading, overflow="fold")
    for name, (what, command) in _QUEUES.items():
        waiting = answer[name]
        count = f"{waiting['count']}{'+' if waiting['at_least'] else ''}"
        explained = Text.assemble(what, "\n", (f"paycenter {command}", "dim"))
        table.add_row(name, count, instant(waiting["oldest_at"]), explained)
    return table


def callback_table(items: Sequence[dict[str, Any]]) -> Table:
    """A page of callbacks."""
    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    table.add_column("Callback", no_wrap=True)  # to be copied
    for heading in ("Received", "Channel", "Serial", "Says", "Why it is here"):
        table.add_column(heading, overflow="fold")
    for one in items:
        table.add_row(
            one["id"],
            instant(one["received_at"]),
            one["channel"],
            Text(one["serial"] or ""),
            Text(_says(one)),
            Text(one["reason"] or _why(one)),
        )
    return table


def callback_picture(answer: dict[str, Any]) -> RenderableType:
    """Everything that may be shown of one callback, a fact a line."""
    table = Table(show_header=False, pad_edge=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    facts = {name: value for name, value in answer.items() if name not in ("object", "headers")}
    headers = {
        f"header {name}": value or "(not shown)" for name, value in answer["headers"].items()
    }
    for name, value in (facts | headers).items():
        if value is not None:
            table.add_row(name, Text(str(value)))
    return table


def instant(text: str | None) -> str:
    if text is None:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _says(one: dict[str, Any]) -> str:
    return " ".join(part for part in (one["outcome"], _money(one, "")) if part)


def _why(one: dict[str, Any]) -> str:
    expected = _money(one, "expected_")
    if expected:
        return f"we expect {expected}"
    return "fits nothing of ours" if one["match"] == "parked" else "not answered yet"


def _money(one: dict[str, Any], prefix: str) -> str:
    amount, currency = one[f"{prefix}amount"], one[f"{prefix}currency"]
    return str(Money(amount_minor=amount, currency=currency)) if amount and currency else ""
