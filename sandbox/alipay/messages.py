"""What the sandbox signs and sends: answers, notifications and the payer's way back."""

import json
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlencode

from sandbox.alipay.certificates import Authority
from sandbox.alipay.signing import sign, sign_content, spoiled
from sandbox.alipay.words import BUYER_ID, BUYER_LOGON_ID, Reply, beijing, yuan
from sandbox.books import Books, Trade
from sandbox.faults import FaultType, Taken
from sandbox.outbox import Notification
from sandbox.refunds import Refund, find_refund

PAID = "TRADE_SUCCESS"
WAITING = "WAIT_BUYER_PAY"
_AMOUNTS = ("refund_amount", "refund_fee", "total_amount", "rest_amount", "amount")
_NOT_SIGNED = frozenset({"sign", "sign_type"})


class Messages:
    """Writes messages with the sandbox's Alipay key."""

    def __init__(self, *, authority: Authority, books: Books, now: Callable[[], datetime]) -> None:
        self._authority = authority
        self._books = books
        self._now = now

    def answer(
        self, reply: Reply, *, method: str, charset: str, certified: bool, faults: Taken
    ) -> bytes:
        """A signed answer. The signature is over the very bytes of its content."""
        content = _as_json(_spoiled_content(reply.content(), faults)).encode(charset)
        signature = sign(self._authority.key, content)
        if FaultType.BAD_SIGNATURE in faults:
            signature = spoiled(signature)
        tail: dict[str, str] = {"sign": signature}
        if certified:
            tail = {"alipay_cert_sn": self._authority.certificate_sn} | tail
        return _envelope(_response_name(method), content, tail)

    def rejection(self, reply: Reply, *, method: str | None, charset: str) -> bytes:
        """An unsigned answer to a request that proved nothing."""
        name = _response_name(method) if method else "error_response"
        return _envelope(name, _as_json(reply.content()).encode(charset), {})

    def notification(self, notification: Notification, trade: Trade, faults: Taken) -> bytes:
        """The form that tells a merchant about a trade; written anew for every attempt."""
        fields = self._notification_fields(notification, trade)
        if FaultType.WRONG_AMOUNT in faults:
            fields["total_amount"] = yuan(trade.amount_minor + 1)
        signature = self._sign_fields(fields)
        if FaultType.BAD_SIGNATURE in faults:
            signature = spoiled(signature)
        return urlencode(fields | {"sign": signature}).encode()

    def return_url(self, trade: Trade, return_url: str) -> str:
        """Where the payer's browser goes after paying, with signed parameters (no status)."""
        fields = {
            "charset": "utf-8",
            "out_trade_no": trade.out_trade_no,
            "method": f"{trade.method}.return",
            "total_amount": yuan(trade.amount_minor),
            "trade_no": trade.trade_no,
            "auth_app_id": trade.app_id,
            "version": "1.0",
            "app_id": trade.app_id,
            "sign_type": "RSA2",
            "seller_id": self._seller_id(trade),
            "timestamp": beijing(self._now()),
        }
        joint = "&" if "?" in return_url else "?"
        return return_url + joint + urlencode(fields | {"sign": self._sign_fields(fields)})

    def _notification_fields(self, notification: Notification, trade: Trade) -> dict[str, str]:
        fields = {
            "notify_id": notification.notify_id,
            "notify_type": "trade_status_sync",
            "notify_time": beijing(self._now()),
            "charset": "utf-8",
            "version": "1.0",
            "sign_type": "RSA2",
            "app_id": trade.app_id,
            "auth_app_id": trade.app_id,
            "seller_id": self._seller_id(trade),
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "trade_status": notification.trade_status,
            "subject": trade.subject,
            "total_amount": yuan(trade.amount_minor),
            "gmt_create": beijing(trade.opened_at or trade.created_at),
            "buyer_id": BUYER_ID,
            "buyer_logon_id": BUYER_LOGON_ID,
        }
        if notification.trade_status != WAITING and trade.paid_at is not None:
            fields |= _payment_fields(trade, trade.paid_at)
        if notification.about:
            events = self._books.events(trade.trade_no)
            refund = find_refund(events, notification.about)
            fields |= _refund_fields(refund) if refund is not None else {}
        return fields

    def _seller_id(self, trade: Trade) -> str:
        app = self._books.find_app(trade.app_id)
        return app.seller_id if app is not None else ""

    def _sign_fields(self, fields: dict[str, str]) -> str:
        return sign(self._authority.key, sign_content(fields, without=_NOT_SIGNED).encode())


def _payment_fields(trade: Trade, paid_at: datetime) -> dict[str, str]:
    amount = yuan(trade.amount_minor)
    return {
        "gmt_payment": beijing(paid_at),
        "receipt_amount": amount,
        "invoice_amount": amount,
        "buyer_pay_amount": amount,
        "point_amount": "0.00",
        "fund_bill_list": _as_json([{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}]),
    }


def _refund_fields(refund: Refund) -> dict[str, str]:
    """`refund_fee` is what the trade gave back in all, when this refund was made."""
    return {
        "out_biz_no": refund.serial,
        "refund_fee": yuan(refund.total_minor),
        "gmt_refund": f"{beijing(refund.at)}.000",
    }


def amount_field(content: dict[str, object]) -> str | None:
    """The one amount of an answer that a merchant has to compare; None when it has none."""
    return next((name for name in _AMOUNTS if name in content), None)


def _spoiled_content(content: dict[str, object], faults: Taken) -> dict[str, object]:
    name = amount_field(content)
    if FaultType.WRONG_AMOUNT in faults and name is not None:
        fen = int(str(content[name]).replace(".", ""))
        content = content | {name: yuan(fen + 1)}
    return content


def _response_name(method: str) -> str:
    return method.replace(".", "_") + "_response"


def _as_json(value: object) -> str:
    """JSON as the provider's own serializer writes it: tight, and with `/` escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")


def _envelope(name: str, content: bytes, tail: dict[str, str]) -> bytes:
    rest = "".join(f',"{key}":"{value}"' for key, value in tail.items())
    return b'{"%s":%s%s}' % (name.encode(), content, rest.encode())
