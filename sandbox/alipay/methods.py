"""The methods of the gateway, each from its content to a reply. They execute, nothing waits."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sandbox.alipay import payer_codes
from sandbox.alipay.contents import Content, InvalidContent, amount_of, span_of, text_of
from sandbox.alipay.hold_methods import HoldMethods, Method
from sandbox.alipay.refunds import Refunds
from sandbox.alipay.words import (
    BUYER_ID,
    BUYER_LOGON_ID,
    CANCEL,
    CLOSE,
    PAGE_PAY,
    PAY,
    PRECREATE,
    QUERY,
    REFUND,
    REFUND_QUERY,
    WAP_PAY,
    Reply,
    beijing,
    failure,
    from_beijing,
    refusal,
    success,
    trade_status,
    yuan,
)
from sandbox.books import App, Books, Order, Trade, TradeStatus
from sandbox.desk import Reason, Refused, TradeDesk

_QR_LIFETIME = timedelta(hours=2)
_DEFAULT_LIFETIME = timedelta(days=15)
_OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_-]{1,64}")
_SUBJECT_MAX = 256
_TODAY = "1c"  # until the day is over


class Methods:
    """Executes the methods for verified apps; `others` are those of neither trades nor holds."""

    def __init__(
        self,
        *,
        books: Books,
        desk: TradeDesk,
        now: Callable[[], datetime],
        cashier_url: Callable[[Trade], str],
        holds: HoldMethods,
        others: Mapping[str, Method],
    ) -> None:
        self._books = books
        self._desk = desk
        self._now = now
        self._cashier_url = cashier_url
        self._completion = holds.completion
        refunds = Refunds(books=books, desk=desk, find=self._find)
        self._by_name: dict[str, Method] = {
            PRECREATE: self._precreate,
            PAGE_PAY: self._page_pay,
            WAP_PAY: self._page_pay,
            PAY: self._pay,
            QUERY: self._query,
            CLOSE: self._close,
            CANCEL: self._cancel,
            REFUND: refunds.refund,
            REFUND_QUERY: refunds.query,
            **holds.by_name(),
            **others,
        }

    def knows(self, method: str) -> bool:
        return method in self._by_name

    def execute(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """Run the method that `params` names. Business failures are replies, not errors."""
        try:
            return self._by_name[params["method"]](app, content, params)
        except InvalidContent as error:
            return failure("ACQ.INVALID_PARAMETER", f"参数无效: {error}")
        except Refused as refused:
            return refusal(refused.reason)

    def _precreate(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        trade = self._desk.submit(self._order(app, content, params, _QR_LIFETIME))
        fields: Content = {
            "out_trade_no": trade.out_trade_no,
            "qr_code": self._cashier_url(trade),
        }
        return success(trade, fields)

    def _page_pay(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        trade = self._desk.submit(self._order(app, content, params, _DEFAULT_LIFETIME))
        return success(trade, {"cashier_url": self._cashier_url(trade)})

    def _pay(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """With money that is held, or with the code a payer shows."""
        if content.get("auth_no"):
            order = self._order(app, content, params, _DEFAULT_LIFETIME)
            done = self._completion.pay(app, content, order)
            return done if isinstance(done, Reply) else success(done, _facts(done) | _payment(done))
        return self._pay_by_code(app, content, params)

    def _pay_by_code(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        code = text_of(content, "auth_code")
        if text_of(content, "scene") != "bar_code":
            raise InvalidContent("scene")
        if not payer_codes.is_good(code):
            return failure("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败")
        if code.startswith(payer_codes.NO_MONEY):
            return failure("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足")
        order = self._order(app, content, params, _DEFAULT_LIFETIME)
        with self._books.transaction():
            trade = self._desk.open(self._desk.submit(order))
            if not code.startswith(payer_codes.WAITS):
                trade = self._desk.pay(trade)
        if code.startswith(payer_codes.WAITS):
            return Reply(
                "10003", "order success pay inprocess", fields=_facts(trade), subject=trade
            )
        if code.startswith(payer_codes.DONE_BUT_UNSURE):
            return replace(failure("ACQ.SYSTEM_ERROR", "系统异常", code="20000"), subject=trade)
        return success(trade, _facts(trade) | _payment(trade))

    def _query(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        trade = self._find(app, content)
        if trade is None:
            return refusal(Reason.NOT_OPENED)
        fields = _facts(trade) | {"trade_status": trade_status(trade)}
        if trade.paid_at is not None:
            fields |= _payment(trade) | {"send_pay_date": beijing(trade.paid_at)}
        return success(trade, fields)

    def _close(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        trade = self._find(app, content)
        if trade is None:
            return refusal(Reason.NOT_OPENED)
        if trade.status is not TradeStatus.WAITING:
            return failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        trade = self._desk.close(trade, "closed by the merchant")
        return success(trade, _names(trade))

    def _cancel(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """Undo whatever there is. An unopened QR code dies (our reading of "cancel")."""
        found = self._lookup(app, content)
        trade = self._find(app, content)
        if trade is None:
            if found is not None:
                self._desk.close(found, "cancelled before it was opened")
            number = {k: v for k, v in content.items() if k in {"out_trade_no", "trade_no"}}
            return success(None, number | {"retry_flag": "N"})
        if trade.status is TradeStatus.PAID:
            trade, action = self._desk.refund_all(trade), "refund"
        else:
            action = "refund" if trade.status is TradeStatus.REFUNDED else "close"
            if trade.status is TradeStatus.WAITING:
                trade = self._desk.close(trade, "cancelled by the merchant")
        return success(trade, _names(trade) | {"retry_flag": "N", "action": action})

    def _lookup(self, app: App, content: Content) -> Trade | None:
        trade_no = content.get("trade_no")
        if isinstance(trade_no, str) and trade_no:
            trade = self._books.find_by_trade_no(trade_no)
            return trade if trade is not None and trade.app_id == app.app_id else None
        return self._books.find_trade(app.app_id, text_of(content, "out_trade_no"))

    def _find(self, app: App, content: Content) -> Trade | None:
        return self._desk.visible(self._lookup(app, content))

    def _order(
        self, app: App, content: Content, params: dict[str, str], lifetime: timedelta
    ) -> Order:
        now = self._now()
        number = text_of(content, "out_trade_no")
        subject = text_of(content, "subject")
        if not _OUT_TRADE_NO.fullmatch(number):
            raise InvalidContent("out_trade_no")
        if len(subject) > _SUBJECT_MAX:
            raise InvalidContent("subject")
        return Order(
            trade_no=self._desk.new_trade_no(),
            app_id=app.app_id,
            out_trade_no=number,
            code=self._desk.new_code(),
            method=params["method"],
            amount_minor=amount_of(content, "total_amount"),
            subject=subject,
            notify_url=params.get("notify_url") or None,
            return_url=params.get("return_url") or None,
            created_at=now,
            expires_at=_expiry(content, now, lifetime),
        )


def _facts(trade: Trade) -> Content:
    return _names(trade) | {
        "total_amount": yuan(trade.amount_minor),
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": BUYER_ID,
    }


def _payment(trade: Trade) -> Content:
    amount = yuan(trade.amount_minor)
    return {
        "receipt_amount": amount,
        "buyer_pay_amount": amount,
        "invoice_amount": amount,
        "point_amount": "0.00",
        "gmt_payment": beijing(trade.paid_at or trade.created_at),
        "fund_bill_list": [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}],
    }


def _names(trade: Trade) -> Content:
    return {"trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}


def _expiry(content: Content, now: datetime, lifetime: timedelta) -> datetime:
    named = content.get("time_expire")
    if isinstance(named, str) and named:
        try:
            return from_beijing(named)
        except ValueError:
            raise InvalidContent("time_expire") from None
    express = content.get("timeout_express")
    if isinstance(express, str) and express:
        return now + _express(express, lifetime)
    return now + lifetime


def _express(text: str, lifetime: timedelta) -> timedelta:
    return lifetime if text == _TODAY else span_of(text, "timeout_express")
