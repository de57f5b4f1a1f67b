"""The operations of a hold, as its events tell them, in Alipay's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sandbox.alipay.contents import Content
from sandbox.alipay.hold_books import Hold, HoldEvent, HoldEventKind, HoldStatus
from sandbox.alipay.words import beijing, yuan

_ORDER_STATUS = {
    HoldStatus.PREPARED: "INIT",
    HoldStatus.WAITING: "INIT",
    HoldStatus.HELD: "AUTHORIZED",
    HoldStatus.CAPTURED: "FINISH",
    HoldStatus.RELEASED: "CLOSED",
    HoldStatus.CLOSED: "CLOSED",
}
_DIGITS = 10


class Kind(StrEnum):
    FREEZE = "FREEZE"
    UNFREEZE = "UNFREEZE"
    PAY = "PAY"


_KINDS = {
    HoldEventKind.PREPARED: Kind.FREEZE,
    HoldEventKind.RELEASED: Kind.UNFREEZE,
    HoldEventKind.CAPTURED: Kind.PAY,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One movement under a number of the merchant's; a freeze begins as INIT."""

    id: str
    kind: Kind
    request_no: str
    amount_minor: int
    status: str
    done_at: datetime | None

    def fields(self) -> Content:
        fields: Content = {
            "operation_id": self.id,
            "out_request_no": self.request_no,
            "amount": yuan(self.amount_minor),
            "status": self.status,
        }
        if self.done_at is not None:
            fields["gmt_trans"] = beijing(self.done_at)
        return fields


def order_status(hold: Hold) -> str:
    return _ORDER_STATUS[hold.status]


def cancel_action(hold: Hold) -> str:
    """What cancelling it does or did."""
    return "unfreeze" if hold.frozen_at is not None else "close"


def operation_id(hold: Hold, event: HoldEvent) -> str:
    """A number of the provider's, the same for an event whenever it is asked for."""
    return f"{hold.auth_no[:8]}{event.seq:0{_DIGITS}d}"


def operations_of(hold: Hold, events: Iterable[HoldEvent]) -> tuple[Operation, ...]:
    """Freezes first, as a query without a type gives them."""
    found = [_read(hold, event) for event in events if event.kind in _KINDS]
    return tuple(sorted(found, key=lambda operation: list(Kind).index(operation.kind)))


def find_operation(
    hold: Hold, events: Iterable[HoldEvent], number: str, kind: object
) -> Operation | None:
    """By the merchant's number or the provider's own, of one kind or of any."""
    return next(
        (
            operation
            for operation in operations_of(hold, events)
            if number in {operation.request_no, operation.id} and kind in {None, operation.kind}
        ),
        None,
    )


def _read(hold: Hold, event: HoldEvent) -> Operation:
    if event.kind is HoldEventKind.PREPARED:
        return _freeze(hold, event)
    return Operation(
        id=operation_id(hold, event),
        kind=_KINDS[event.kind],
        request_no=event.request_no,
        amount_minor=event.amount_minor,
        status="SUCCESS",
        done_at=event.at,
    )


def _freeze(hold: Hold, event: HoldEvent) -> Operation:
    if hold.frozen_at is not None:
        status = "SUCCESS"
    else:
        status = "CLOSED" if hold.closed_at is not None else "INIT"
    return Operation(
        id=operation_id(hold, event),
        kind=Kind.FREEZE,
        request_no=hold.out_request_no,
        amount_minor=hold.amount_minor,
        status=status,
        done_at=hold.frozen_at,
    )
