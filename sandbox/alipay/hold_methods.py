"""Money held first over the gateway: the alipay.fund.auth methods, and the trade that completes.

Source: those methods and alipay.trade.pay in the OpenAPI document of 2025-12-15, read 2026-11-21.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sandbox.alipay import payer_codes
from sandbox.alipay.contents import Content, InvalidContent, amount_of, span_of, text_of
from sandbox.alipay.hold_books import Hold, HoldBooks, HoldOrder, HoldStatus
from sandbox.alipay.hold_completion import Completion
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.hold_operations import (
    Kind,
    Operation,
    cancel_action,
    find_operation,
    operation_id,
    order_status,
)
from sandbox.alipay.words import (
    BUYER_ID,
    BUYER_LOGON_ID,
    PRE_AUTH,
    Reply,
    beijing,
    failure,
    success,
    yuan,
)
from sandbox.books import App
from sandbox.desk import Reason, Refused, TradeDesk

VOUCHER: Final = "alipay.fund.auth.order.voucher.create"
FREEZE: Final = "alipay.fund.auth.order.freeze"
UNFREEZE: Final = "alipay.fund.auth.order.unfreeze"
CANCEL: Final = "alipay.fund.auth.operation.cancel"
DETAIL_QUERY: Final = "alipay.fund.auth.operation.detail.query"

_NUMBER = re.compile(r"[0-9A-Za-z_]{1,64}")
_WORDS_WIDTH = 100  # letters, or half as many Chinese characters
_DEFAULT_TIMEOUT = timedelta(minutes=15)

_ENDED = {
    HoldStatus.CAPTURED: ("ORDER_ALREADY_FINISH", "授权订单已经完成"),
    HoldStatus.RELEASED: ("ORDER_ALREADY_CLOSED", "授权订单已经关闭"),
    HoldStatus.CLOSED: ("ORDER_ALREADY_CLOSED", "授权订单已经关闭"),
}
_NOT_THERE = ("AUTH_ORDER_NOT_EXIST", "授权订单不存在")

Method = Callable[[App, Content, dict[str, str]], Reply]


class HoldMethods:
    """Executes the fund auth methods for verified apps."""

    def __init__(
        self,
        *,
        books: HoldBooks,
        desk: HoldDesk,
        trades: TradeDesk,
        now: Callable[[], datetime],
        page_url: Callable[[Hold], str],
    ) -> None:
        self._books = books
        self._desk = desk
        self._trades = trades
        self._now = now
        self._page_url = page_url
        self.completion = Completion(books=books, desk=desk, trades=trades)

    def by_name(self) -> dict[str, Method]:
        methods: dict[str, Method] = {
            VOUCHER: self._voucher,
            FREEZE: self._freeze,
            UNFREEZE: self._unfreeze,
            CANCEL: self._cancel,
            DETAIL_QUERY: self._query,
        }
        return {name: _checked(method) for name, method in methods.items()}

    def _voucher(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        refused, hold = self._submit(self._order(app, content, params))
        if hold is None:
            return refused
        url = self._page_url(hold)
        fields: Content = {"code_type": "qrCode", "code_value": url, "code_url": url}
        return success(hold, _numbers(hold) | fields)

    def _freeze(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        code = text_of(content, "auth_code")
        if text_of(content, "auth_code_type") != "bar_code":
            raise InvalidContent("auth_code_type")
        if not payer_codes.is_good(code):
            return failure("PAYMENT_AUTH_CODE_INVALID", "支付授权码无效")
        if code.startswith(payer_codes.NO_MONEY):
            return failure("MONEY_NOT_ENOUGH", "可用余额不足")
        refused, hold = self._submit(self._order(app, content, params))
        if hold is None:
            return refused
        hold = self._desk.open(hold)
        if code.startswith(payer_codes.WAITS):
            fields = self._frozen(hold, "INIT")
            return Reply("10003", "order success pay inprocess", fields=fields, subject=hold)
        hold = self._desk.freeze(hold)
        if code.startswith(payer_codes.DONE_BUT_UNSURE):
            return replace(failure("SYSTEM_ERROR", "系统异常", code="20000"), subject=hold)
        return success(hold, self._frozen(hold, "SUCCESS"))

    def _unfreeze(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """Once for each number of the merchant's."""
        number = _number(content, "out_request_no")
        amount_minor = amount_of(content, "amount")
        if _width(text_of(content, "remark")) > _WORDS_WIDTH:
            raise InvalidContent("remark")
        hold = self._mine(app, self._books.find_by_auth_no(text_of(content, "auth_no")))
        if hold is None:
            return failure(*_NOT_THERE)
        made = self._operation(hold, number, Kind.UNFREEZE)
        if made is None:
            refused = _not_releasable(hold, amount_minor)
            if refused is not None:
                return refused
            hold = self._desk.release(hold, amount_minor, number)
            made = self._operation(hold, number, Kind.UNFREEZE)
        if made is None or made.amount_minor != amount_minor:
            return failure("UNIQUE_VIOLATION", "请求信息不一致")
        return success(hold, _names(hold) | made.fields())

    def _cancel(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """Undo the freeze, whatever came of it; what was taken takes a refund."""
        hold = self._lookup(app, content)
        if hold is None:
            return failure(*_NOT_THERE)
        number = content.get("out_request_no") or content.get("operation_id")
        if number not in {hold.out_request_no, self._freeze_id(hold)}:
            return failure("AUTH_ORDER_NOT_EXIST", "授权明细不存在")
        if hold.captured_minor:
            return failure(*_ENDED[HoldStatus.CAPTURED])
        hold = self._desk.cancel(hold)
        action = cancel_action(hold)
        fields: Content = {"operation_id": self._freeze_id(hold), "action": action}
        return success(hold, _numbers(hold) | {"auth_no": hold.auth_no} | fields)

    def _query(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        hold = self._lookup(app, content)
        if hold is None:
            return failure(*_NOT_THERE)
        kind = content.get("operation_type") or None
        number = content.get("operation_id") or text_of(content, "out_request_no")
        operation = find_operation(hold, self._books.events(hold.auth_no), str(number), kind)
        if operation is None:
            return failure("AUTH_OPERATION_NOT_EXIST", "授权明细不存在")
        fields: Content = {
            "order_title": hold.title,
            "order_status": order_status(hold),
            "operation_type": operation.kind.value,
            "total_freeze_amount": yuan(hold.frozen_minor),
            "total_pay_amount": yuan(hold.captured_minor),
            "rest_amount": yuan(hold.rest_minor),
            "gmt_create": beijing(hold.created_at),
        }
        return success(hold, _names(hold) | operation.fields() | _payer(hold) | fields)

    def _submit(self, order: HoldOrder) -> tuple[Reply, Hold | None]:
        """The hold as it was taken; else why not."""
        try:
            hold = self._desk.submit(order)
        except Refused as refused:
            return self._refusal(order, refused), None
        return success(hold, {}), hold

    def _refusal(self, order: HoldOrder, refused: Refused) -> Reply:
        if refused.reason is Reason.INCONSISTENT:
            return failure("UNIQUE_VIOLATION", "请求信息不一致")
        known = self._books.find(order.app_id, order.out_order_no)
        if known is not None and known.status is HoldStatus.HELD:
            return failure("FREEZE_ALREADY_SUCCESS", "资金已经冻结成功")
        return failure(*_ENDED[known.status if known is not None else HoldStatus.CLOSED])

    def _order(self, app: App, content: Content, params: dict[str, str]) -> HoldOrder:
        now = self._now()
        title = text_of(content, "order_title")
        if _width(title) > _WORDS_WIDTH:
            raise InvalidContent("order_title")
        if text_of(content, "product_code") != PRE_AUTH:
            raise InvalidContent("product_code")
        if content.get("payee_user_id") not in {None, "", app.seller_id}:
            raise InvalidContent("payee_user_id")
        timeout = content.get("pay_timeout") or content.get("timeout_express")
        return HoldOrder(
            auth_no=self._trades.new_trade_no(),
            app_id=app.app_id,
            out_order_no=_number(content, "out_order_no"),
            out_request_no=_number(content, "out_request_no"),
            code=self._trades.new_code(),
            method=params["method"],
            amount_minor=amount_of(content, "amount"),
            title=title,
            notify_url=params.get("notify_url") or None,
            created_at=now,
            expires_at=now
            + (span_of(str(timeout), "pay_timeout") if timeout else _DEFAULT_TIMEOUT),
        )

    def _lookup(self, app: App, content: Content) -> Hold | None:
        auth_no = content.get("auth_no")
        if isinstance(auth_no, str) and auth_no:
            return self._mine(app, self._books.find_by_auth_no(auth_no))
        return self._mine(app, self._books.find(app.app_id, text_of(content, "out_order_no")))

    def _mine(self, app: App, hold: Hold | None) -> Hold | None:
        mine = hold is not None and hold.app_id == app.app_id
        return self._desk.visible(hold) if mine else None

    def _operation(self, hold: Hold, number: str, kind: Kind) -> Operation | None:
        return find_operation(hold, self._books.events(hold.auth_no), number, kind)

    def _freeze_id(self, hold: Hold) -> str:
        return operation_id(hold, self._books.events(hold.auth_no)[0])

    def _frozen(self, hold: Hold, status: str) -> Content:
        fields: Content = {
            "auth_no": hold.auth_no,
            "operation_id": self._freeze_id(hold),
            "amount": yuan(hold.amount_minor),
            "status": status,
        }
        if hold.frozen_at is not None:
            fields["gmt_trans"] = beijing(hold.frozen_at)
        return _numbers(hold) | fields | _payer(hold)


def _checked(method: Method) -> Method:
    """With this product's own word for a wrong parameter."""

    def execute(app: App, content: Content, params: dict[str, str]) -> Reply:
        try:
            return method(app, content, params)
        except InvalidContent as error:
            return failure("ILLEGAL_ARGUMENT", f"参数异常: {error}")

    return execute


def _not_releasable(hold: Hold, amount_minor: int) -> Reply | None:
    if hold.status in _ENDED:
        return failure(*_ENDED[hold.status])
    if hold.status is not HoldStatus.HELD:
        return failure("ILLEGAL_STATUS", "授权订单状态不合法")
    if amount_minor > hold.rest_minor:
        return failure("REQUEST_AMOUNT_EXCEED", "请求金额超限")
    return None


def _width(words: str) -> int:
    return sum(1 if letter.isascii() else 2 for letter in words)


def _number(content: Content, name: str) -> str:
    number = text_of(content, name)
    if not _NUMBER.fullmatch(number):
        raise InvalidContent(name)
    return number


def _numbers(hold: Hold) -> Content:
    return {"out_order_no": hold.out_order_no, "out_request_no": hold.out_request_no}


def _names(hold: Hold) -> Content:
    return {"auth_no": hold.auth_no, "out_order_no": hold.out_order_no}


def _payer(hold: Hold) -> Content:
    return {"payer_user_id": BUYER_ID, "payer_logon_id": BUYER_LOGON_ID}
