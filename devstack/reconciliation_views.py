"""A reconciled day as a person reads it in a terminal, from what the API answers."""

from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from models.money import Money


def day_picture(day: dict[str, Any], found: list[dict[str, Any]]) -> RenderableType:
    """Where the day stands, its totals, and what did not match."""
    which = f"{day['channel']} {day['business_day']}  {day['status']}"
    head = Text(f"{which}  ({day['id']}, run {day['runs']})", style="bold")
    parts: list[RenderableType] = [head]
    if day["failure"]:
        parts.append(Text(f"{day['failure']['code']}: {day['failure']['detail']}", style="red"))
    if day["result"]:
        parts += [Text(_in_words(day)), _totals(day["result"])]
    if found:
        parts.append(discrepancy_table(found))
    return Group(*parts)


def check_picture(seen: dict[str, Any]) -> RenderableType:
    """What a look around saw."""
    at = datetime.fromisoformat(seen["finished_at"]).astimezone()
    head = Text(
        f"{at:%Y-%m-%d %H:%M:%S}: {seen['open_payments']} open payments and {seen['successes']} "
        f"recent successes, {seen['unanswered']} of them without a clear answer"
    )
    if not seen["counts"]:
        return Group(head, Text("everything fits", style="green"))
    table = Table(pad_edge=False)
    for heading in ("Found", "About", "Detail"):
        table.add_column(heading, overflow="fold")
    for one in seen["findings"]:
        table.add_row(one["kind"], one["object_id"], Text(one["detail"]))
    return Group(head, table)


def discrepancy_picture(one: dict[str, Any]) -> RenderableType:
    """One discrepancy with its history, and what may be done now."""
    table = Table(pad_edge=False)
    for heading in ("When", "From", "To", "By", "Detail"):
        table.add_column(heading, overflow="fold")
    for move in one["history"]:
        at = datetime.fromisoformat(move["at"]).astimezone()
        detail = Text(move["detail"])
        was = move["from_status"] or ""
        table.add_row(f"{at:%Y-%m-%d %H:%M:%S}", was, move["to_status"], move["by"], detail)
    may = ", ".join(one["repairs"]) or "nothing: it is decided, or waits for a decision"
    return Group(discrepancy_table([one]), table, Text(f"What may be done now: {may}"))


def _in_words(day: dict[str, Any]) -> str:
    result = day["result"]
    return (
        f"{result['lines']} lines, {result['matched']} as in our books, "
        f"{day['unresolved']} not resolved"
    )


def _totals(result: dict[str, Any]) -> Table:
    table = Table(pad_edge=False)
    table.add_column("")
    for heading in ("Statement", "Our books", "Difference", "Channel's fees"):
        table.add_column(heading, justify="right")
    for side in result["totals"]:
        currency = side["currency"]
        table.add_row(
            f"{side['kind']}s",
            f"{_signed(side['statement'], currency)} in {side['statement_count']}",
            f"{_signed(side['ours'], currency)} in {side['ours_count']}",
            _signed(side["difference"], currency),
            _signed(side["fees"], currency),
        )
    return table


def discrepancy_table(found: list[dict[str, Any]]) -> Table:
    """One row each."""
    table = Table(pad_edge=False)
    for heading in ("Discrepancy", "What", "Number", "Statement", "Ours", "Where it stands"):
        table.add_column(heading, overflow="fold")
    for one in found:
        stands = f"{one['status']}, {one['resolution']}" if one["resolution"] else one["status"]
        table.add_row(
            one["id"],
            f"{one['class']} ({one['kind']})",
            one["refund_serial"] or one["serial"] or one["channel_reference"],
            _amount(one["statement_amount"], one["currency"]),
            _amount(one["our_amount"], one["currency"]),
            Text(f"{stands}: {one['detail']}"),
        )
    return table


def _amount(minor: int | None, currency: str) -> str:
    return "none" if minor is None else _signed(minor, currency)


def _signed(minor: int, currency: str) -> str:
    money = Money(amount_minor=abs(minor), currency=currency)
    return f"-{money}" if minor < 0 else str(money)
