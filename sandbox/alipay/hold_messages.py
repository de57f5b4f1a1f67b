"""The news of a hold, and the form that tells a merchant of it.

Source: "asynchronous notices" of pre-authorization, opendocs.alipay.com/open/04ij9t, and a real
notice of a cancel in a public repository (2019-06-21), which has fewer fields than that document
says; read 2026-11-21.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from urllib.parse import urlencode

from sandbox.alipay.certificates import Authority
from sandbox.alipay.hold_books import Hold, HoldBooks, HoldEvent, HoldEventKind
from sandbox.alipay.hold_operations import cancel_action, find_operation, operation_id
from sandbox.alipay.signing import sign, sign_content, spoiled
from sandbox.alipay.words import BUYER_ID, BUYER_LOGON_ID, beijing, yuan
from sandbox.faults import FaultType, Taken
from sandbox.outbox import Notification

NEWS = "fund_auth_"
_TYPES = {
    HoldEventKind.FROZEN: "fund_auth_freeze",
    HoldEventKind.RELEASED: "fund_auth_unfreeze",
    HoldEventKind.CANCELED: "fund_auth_operation_cancel",
}
_NOT_SIGNED = frozenset({"sign", "sign_type"})


def news_type(event: HoldEvent) -> str | None:
    """What the news of an event is called; None for one that nobody is told of."""
    return _TYPES.get(event.kind)


class HoldMessages:
    """Writes the forms with the sandbox's Alipay key, anew for every attempt."""

    def __init__(
        self, *, authority: Authority, books: HoldBooks, now: Callable[[], datetime]
    ) -> None:
        self._authority = authority
        self._books = books
        self._now = now

    def notification(self, notification: Notification, faults: Taken) -> bytes:
        hold = self._books.find_by_auth_no(notification.trade_no)
        if hold is None:
            raise LookupError(f"notification {notification.notify_id} has no hold")
        fields = self._fields(notification, hold)
        if FaultType.WRONG_AMOUNT in faults and "amount" in fields:
            fields["amount"] = yuan(hold.amount_minor + 1)
        signature = sign(self._authority.key, sign_content(fields, without=_NOT_SIGNED).encode())
        if FaultType.BAD_SIGNATURE in faults:
            signature = spoiled(signature)
        return urlencode(fields | {"sign": signature}).encode()

    def _fields(self, notification: Notification, hold: Hold) -> dict[str, str]:
        events = self._books.events(hold.auth_no)
        told = next(event for event in events if str(event.seq) == notification.about)
        head = {
            "notify_id": notification.notify_id,
            "notify_type": notification.trade_status,
            "notify_time": beijing(self._now()),
            "charset": "utf-8",
            "version": "1.0",
            "sign_type": "RSA2",
            "app_id": hold.app_id,
            "auth_app_id": hold.app_id,
            "auth_no": hold.auth_no,
            "out_order_no": hold.out_order_no,
        }
        if told.kind is HoldEventKind.CANCELED:
            return head | _canceled(hold, events)
        return head | self._moved(hold, events, told)

    def _moved(self, hold: Hold, events: tuple[HoldEvent, ...], told: HoldEvent) -> dict[str, str]:
        app = self._books.books.find_app(hold.app_id)
        first = events[0] if told.kind is HoldEventKind.FROZEN else told
        operation = find_operation(hold, events, operation_id(hold, first), None)
        if operation is None:
            raise LookupError(f"event {told.seq} of {hold.auth_no} is no operation")
        return {
            "operation_type": operation.kind.value,
            "operation_id": operation.id,
            "out_request_no": operation.request_no,
            "amount": yuan(operation.amount_minor),
            "status": operation.status,
            "gmt_create": beijing(first.at),
            "gmt_trans": beijing(told.at),
            "payer_logon_id": BUYER_LOGON_ID,
            "payer_user_id": BUYER_ID,
            "payee_user_id": app.seller_id if app is not None else "",
            **_totals(event for event in events if event.seq <= told.seq),
        }


def _canceled(hold: Hold, events: tuple[HoldEvent, ...]) -> dict[str, str]:
    """A cancel is told of by the operation it undoes, without a sum."""
    return {
        "operation_id": operation_id(hold, events[0]),
        "out_request_no": hold.out_request_no,
        "action": cancel_action(hold),
    }


def _totals(events: Iterable[HoldEvent]) -> dict[str, str]:
    """The sums of a hold when an event had just happened."""
    sums = dict.fromkeys(HoldEventKind, 0)
    for event in events:
        sums[event.kind] += event.amount_minor
    frozen, captured = sums[HoldEventKind.FROZEN], sums[HoldEventKind.CAPTURED]
    released = sums[HoldEventKind.RELEASED]
    return {
        "total_freeze_amount": yuan(frozen),
        "total_unfreeze_amount": yuan(released),
        "total_pay_amount": yuan(captured),
        "rest_amount": yuan(frozen - captured - released),
    }
