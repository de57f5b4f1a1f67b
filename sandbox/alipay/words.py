"""Alipay's words: methods, codes, statuses, how it writes amounts and times.

Source: Alipay Open Platform documents of each method and "common error codes", read 2026-11-20.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sandbox.alipay.hold_books import Hold
from sandbox.books import Trade, TradeStatus
from sandbox.desk import BEIJING, Reason

PRECREATE: Final = "alipay.trade.precreate"
PAGE_PAY: Final = "alipay.trade.page.pay"
WAP_PAY: Final = "alipay.trade.wap.pay"
PAY: Final = "alipay.trade.pay"
QUERY: Final = "alipay.trade.query"
CLOSE: Final = "alipay.trade.close"
CANCEL: Final = "alipay.trade.cancel"
REFUND: Final = "alipay.trade.refund"
REFUND_QUERY: Final = "alipay.trade.fastpay.refund.query"
BILL_ADDRESS: Final = "alipay.data.dataservice.bill.downloadurl.query"
CERTIFICATE_DOWNLOAD: Final = "alipay.open.app.alipaycert.download"
BROWSER_METHODS: Final = frozenset({PAGE_PAY, WAP_PAY})

# The product of money held by a code, of the payer's or for the payer.
PRE_AUTH: Final = "PRE_AUTH"

BUYER_ID: Final = "2088000000000001"
BUYER_LOGON_ID: Final = "pay***@sandbox.example"

TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"

# At once, then 4 m, 10 m, 10 m, 1 h, 2 h, 6 h, 15 h. Source: Alipay's notification page, 2026-11-20
NOTIFY_SCHEDULE: Final = (
    timedelta(0),
    timedelta(minutes=4),
    timedelta(minutes=10),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=15),
)

_STATUS = {
    TradeStatus.PREPARED: "WAIT_BUYER_PAY",
    TradeStatus.WAITING: "WAIT_BUYER_PAY",
    TradeStatus.PAID: "TRADE_SUCCESS",
    TradeStatus.CLOSED: "TRADE_CLOSED",
    TradeStatus.REFUNDED: "TRADE_CLOSED",
}
_REASONS = {
    Reason.INCONSISTENT: ("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改"),
    Reason.ALREADY_PAID: ("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"),
    Reason.ALREADY_CLOSED: ("ACQ.TRADE_HAS_CLOSE", "交易已经关闭"),
    Reason.NOT_OPENED: ("ACQ.TRADE_NOT_EXIST", "交易不存在"),
    Reason.NOT_PAID: ("ACQ.TRADE_STATUS_ERROR", "交易状态不合法"),
    Reason.MORE_THAN_IS_LEFT: ("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限"),
    Reason.OTHER_AMOUNT_BEFORE: ("ACQ.DISCORDANT_REPEAT_REQUEST", "请求信息不一致"),
    Reason.TIME_IS_OVER: ("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已超过交易超时时间"),
}
_GATEWAY_MESSAGES = {
    "20000": "Service Currently Unavailable",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40004": "Business Failed",
    "40006": "Insufficient Permissions",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """The content of an answer. `subject` is what it is about, when there is something."""

    code: str
    msg: str
    sub_code: str = ""
    sub_msg: str = ""
    fields: dict[str, object] = field(default_factory=dict)
    subject: Trade | Hold | None = None

    def content(self) -> dict[str, object]:
        head: dict[str, object] = {"code": self.code, "msg": self.msg}
        if self.sub_code:
            head |= {"sub_code": self.sub_code, "sub_msg": self.sub_msg}
        return head | self.fields


def success(subject: Trade | Hold | None, fields: dict[str, object]) -> Reply:
    return Reply("10000", "Success", fields=fields, subject=subject)


def failure(sub_code: str, sub_msg: str, *, code: str = "40004") -> Reply:
    return Reply(code, _GATEWAY_MESSAGES.get(code, "Failed"), sub_code, sub_msg)


def refusal(reason: Reason) -> Reply:
    sub_code, sub_msg = _REASONS[reason]
    return failure(sub_code, sub_msg)


class GatewayError(Exception):
    """The request is refused before any method sees it."""

    def __init__(self, code: str, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_msg)
        self.reply = failure(sub_code, sub_msg, code=code)


def trade_status(trade: Trade) -> str:
    return _STATUS[trade.status]


def yuan(amount_minor: int) -> str:
    """Two digits after the point, as all amounts here are CNY (1999 is "19.99")."""
    return f"{Decimal(amount_minor).scaleb(-2):.2f}"


def beijing(instant: datetime) -> str:
    return instant.astimezone(BEIJING).strftime(TIME_FORMAT)


def from_beijing(text: str) -> datetime:
    """Raises ValueError when the text has another form."""
    return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=BEIJING)
