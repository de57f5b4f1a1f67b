"""Payments as a person reads them in a terminal, from what the API answers."""

from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.money import Money


def payment_table(answer: dict[str, Any]) -> Table:
    """A page of payments."""
    table = Table(pad_edge=False)
    table.add_column("Payment", no_wrap=True)  # to be copied
    for heading in ("Order", "Amount", "Method", "Status", "Created"):
        table.add_column(heading, overflow="fold")
    for payment in answer["items"]:
        table.add_row(
            payment["id"],
            payment["order_no"],
            _money(payment),
            payment["method"],
            payment["status"],
            _instant(payment["created_at"]),
        )
    return table


def explanation(answer: dict[str, Any]) -> RenderableType:
    """The story of one payment: where it stands, what happened, what comes next."""
    payment, coming = answer["payment"], answer["next"]
    head = Text(f"{payment['id']}  {_money(payment)}  {payment['status']}", style="bold")
    table = Table(pad_edge=False)
    for heading in ("When", "Kind", "What", "Details"):
        table.add_column(heading, overflow="fold")
    for entry in answer["timeline"]:
        table.add_row(
            _instant(entry["at"]), entry["kind"], Text(entry["summary"]), _details(entry["detail"])
        )
    lines = [f"Now: {coming['doing']}", f"Next: {coming['next_step']}"]
    if coming["next_step_at"]:
        lines.append(f"At: {_instant(coming['next_step_at'])}")
    if answer["run_url"]:
        lines.append(f"Run: {answer['run_url']}")
    return Group(head, table, *(Text(line, no_wrap=True, overflow="ignore") for line in lines))


def _money(payment: dict[str, Any]) -> str:
    return str(Money(amount_minor=payment["amount"], currency=payment["currency"]))


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _details(detail: dict[str, Any]) -> Text:
    given = ((name, value) for name, value in detail.items() if value not in (None, ""))
    return Text("\n".join(f"{name}: {value}" for name, value in given))
