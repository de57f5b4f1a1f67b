"""Refunds over the gateway: alipay.trade.refund and alipay.trade.fastpay.refund.query.

Source: both methods in the OpenAPI document of 2025-12-15, read 2026-11-20.
"""

import re
from collections.abc import Callable

from sandbox.alipay.contents import Content, InvalidContent, amount_of, text_of
from sandbox.alipay.words import Reply, beijing, refusal, success, yuan
from sandbox.books import App, Books, Trade
from sandbox.desk import Reason, TradeDesk
from sandbox.refunds import Refund, RefundOrder, find_refund

_OUT_REQUEST_NO = re.compile(r"[0-9A-Za-z_-]{1,64}")
_REASON_MAX = 256


class Refunds:
    """`find` gives the trade a request names, if its merchant may see it."""

    def __init__(
        self, *, books: Books, desk: TradeDesk, find: Callable[[App, Content], Trade | None]
    ) -> None:
        self._books = books
        self._desk = desk
        self._find = find

    def refund(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """Give back once for each number; `refund_fee` is the sum of all of the trade."""
        trade = self._find(app, content)
        if trade is None:
            return refusal(Reason.NOT_OPENED)
        done = self._desk.refund(trade, _order(content, trade))
        fields: Content = {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "fund_change": "Y" if done.moved else "N",
            "refund_fee": yuan(done.trade.refunded_minor),
            "gmt_refund_pay": beijing(done.refund.at),
        }
        if "refund_detail_item_list" in _options(content):
            fields["send_back_fee"] = yuan(done.refund.amount_minor)
        return success(done.trade, fields)

    def query(self, app: App, content: Content, params: dict[str, str]) -> Reply:
        """A number that moved nothing is answered with success and no status."""
        serial = text_of(content, "out_request_no")
        trade = self._find(app, content)
        if trade is None:
            return refusal(Reason.NOT_OPENED)
        refund = find_refund(self._books.events(trade.trade_no), serial)
        return success(trade, {} if refund is None else _facts(trade, refund, _options(content)))


def _order(content: Content, trade: Trade) -> RefundOrder:
    amount_minor = amount_of(content, "refund_amount")
    if content.get("out_request_no"):
        serial = text_of(content, "out_request_no")
    elif amount_minor == trade.amount_minor:
        serial = trade.out_trade_no  # only a part needs a number of its own
    else:
        raise InvalidContent("out_request_no")
    if not _OUT_REQUEST_NO.fullmatch(serial):
        raise InvalidContent("out_request_no")
    reason = content.get("refund_reason") or ""
    if not isinstance(reason, str) or len(reason) > _REASON_MAX:
        raise InvalidContent("refund_reason")
    return RefundOrder(serial=serial, amount_minor=amount_minor, reason=reason)


def _facts(trade: Trade, refund: Refund, options: frozenset[str]) -> Content:
    facts: Content = {
        "trade_no": trade.trade_no,
        "out_trade_no": trade.out_trade_no,
        "out_request_no": refund.serial,
        "refund_reason": refund.reason,
        "total_amount": yuan(trade.amount_minor),
        "refund_amount": yuan(refund.amount_minor),
        "refund_status": "REFUND_SUCCESS",
    }
    if "gmt_refund_pay" in options:
        facts["gmt_refund_pay"] = beijing(refund.at)
    if "refund_detail_item_list" in options:
        amount = yuan(refund.amount_minor)
        facts["send_back_fee"] = amount
        facts["refund_detail_item_list"] = [{"amount": amount, "fund_channel": "ALIPAYACCOUNT"}]
    return facts


def _options(content: Content) -> frozenset[str]:
    named = content.get("query_options")
    return frozenset(str(one) for one in named) if isinstance(named, list) else frozenset()
