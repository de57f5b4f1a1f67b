"""Payments as a person reads them in a terminal, from what the API answers."""

from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from models.money import Money


def payment_table(answer: dict[str, Any]) -> Table:
    """A page of payments."""
    table = Table(pad_edge=False, box=SIMPLE_HEAD)  # fits 80 columns
    table.add_column("Payment, order", no_wrap=True)  # to be copied
    table.add_column("Amount, method", overflow="fold")
    table.add_column("Status", no_wrap=True)
    table.add_column("Created", overflow="fold")
    for payment in answer["items"]:
        table.add_row(
            Text(f"{payment['id']}\n{payment['order_no']}"),
            Text(f"{_money(payment)}\n{payment['method'] or 'none yet'}"),
            payment["status"],
            _instant(payment["created_at"]),
        )
    return table


def explanation(answer: dict[str, Any]) -> RenderableType:
    """The story of one payment: where it stands, what happened, what comes next."""
    payment, coming = answer["payment"], answer["next"]
    head = Text(f"{payment['id']}  {_money(payment)}  {payment['status']}", style="bold")
    timeline = [part for entry in answer["timeline"] for part in _entry(entry)]
    lines = [f"Now: {coming['doing']}", f"Next: {coming['next_step']}"]
    if coming["next_step_at"]:
        lines.append(f"At: {_instant(coming['next_step_at'])}")
    if answer["run_url"]:
        lines.append(f"Run: {answer['run_url']}")
    # An address that is broken in two cannot be clicked.
    coming_lines = (Text(line, no_wrap=True, overflow="ignore") for line in lines)
    return Group(head, *timeline, *coming_lines)


def _entry(entry: dict[str, Any]) -> tuple[RenderableType, ...]:
    """One thing that happened, and below it, moved in, what is known about it."""
    what = Text.assemble(
        (_instant(entry["at"]), "dim"), f" {entry['kind']}: ", (entry["summary"], "bold")
    )
    detail = _details(entry["detail"])
    return (what, Padding(detail, (0, 0, 0, 4))) if detail else (what,)


def _money(payment: dict[str, Any]) -> str:
    return str(Money(amount_minor=payment["amount"], currency=payment["currency"]))


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _details(detail: dict[str, Any]) -> Text:
    given = ((name, value) for name, value in detail.items() if value not in (None, ""))
    return Text("\n".join(f"{name}: {value}" for name, value in given), overflow="fold")
