"""Refunds of a trade, as its events tell them."""

import json
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from sandbox.books import EventKind, TradeEvent


class RefundOrder(BaseModel):
    """Give `amount_minor` back under `serial`, a number of the merchant's."""

    model_config = ConfigDict(frozen=True)

    serial: str
    amount_minor: int
    reason: str = ""

    def as_details(self) -> str:
        """What an event keeps of it."""
        return json.dumps({"serial": self.serial, "reason": self.reason}, ensure_ascii=False)


class Refund(RefundOrder):
    """A refund that was made.

    `executions` is how often money moved for it (1, or the books are wrong), `requests` how often
    the merchant asked, `total_minor` what its trade had given back by then, this one included.
    """

    at: datetime
    executions: int = 1
    requests: int = 1
    total_minor: int


def refunds_of(events: Iterable[TradeEvent]) -> tuple[Refund, ...]:
    """The refunds of one trade, oldest first."""
    refunds: dict[str, Refund] = {}
    total_minor = 0
    for event in events:
        if event.kind is EventKind.REFUNDED:
            total_minor += event.amount_minor
            refund = _read(event, total_minor)
            known = refunds.get(refund.serial)
            refunds[refund.serial] = refund if known is None else _again(known, executions=1)
        elif event.kind is EventKind.REFUND_REPEATED:
            serial = refund_serial(event)
            refunds[serial] = _again(refunds[serial], executions=0)
    return tuple(refunds.values())


def find_refund(events: Iterable[TradeEvent], serial: str) -> Refund | None:
    return next((refund for refund in refunds_of(events) if refund.serial == serial), None)


def refund_serial(event: TradeEvent) -> str:
    """The number of a refund event; none for a cancel in books from before refunds had one."""
    return str(json.loads(event.details)["serial"]) if event.details else ""


def _read(event: TradeEvent, total_minor: int) -> Refund:
    return Refund(
        serial=refund_serial(event),
        amount_minor=event.amount_minor,
        reason=str(json.loads(event.details)["reason"]) if event.details else "",
        at=event.at,
        total_minor=total_minor,
    )


def _again(known: Refund, *, executions: int) -> Refund:
    return known.model_copy(
        update={
            "executions": known.executions + executions,
            "requests": known.requests + 1,
        }
    )
