"""The trade that completes a hold: alipay.trade.pay with `auth_no`."""

from sandbox.alipay.contents import Content, InvalidContent, text_of
from sandbox.alipay.hold_books import Hold, HoldBooks, HoldStatus
from sandbox.alipay.hold_desk import HoldDesk, Mode
from sandbox.alipay.words import BUYER_ID, PRE_AUTH, Reply, failure
from sandbox.books import App, Order, Trade
from sandbox.desk import Reason, Refused, TradeDesk

_NOT_HELD = {
    HoldStatus.PREPARED: ("ACQ.AUTH_ORDER_NOT_PAID", "授权订单未支付"),
    HoldStatus.WAITING: ("ACQ.AUTH_ORDER_NOT_PAID", "授权订单未支付"),
    HoldStatus.CAPTURED: ("ACQ.AUTH_ORDER_HAS_FINISHED", "授权订单已经完成"),
    HoldStatus.RELEASED: ("ACQ.AUTH_ORDER_HAS_CLOSED", "授权订单已经关闭"),
    HoldStatus.CLOSED: ("ACQ.AUTH_ORDER_HAS_CLOSED", "授权订单已经关闭"),
}


class Completion:
    """Takes held money as a trade, once for each number of a trade."""

    def __init__(self, *, books: HoldBooks, desk: HoldDesk, trades: TradeDesk) -> None:
        self._books = books
        self._desk = desk
        self._trades = trades

    def pay(self, app: App, content: Content, order: Order) -> Trade | Reply:
        """The trade, or why there is none. Raises Refused for a number that is used up."""
        mode = _mode_of(content)
        refused = self._wrong(app, content)
        if refused is not None:
            return refused
        if self._books.books.find_trade(app.app_id, order.out_trade_no) is not None:
            self._trades.submit(order)  # raises, unless it is a trade of another kind
            raise Refused(Reason.INCONSISTENT)
        hold = self._books.find_by_auth_no(text_of(content, "auth_no"))
        if hold is None or hold.app_id != app.app_id:
            return failure("ACQ.AUTH_NO_ERROR", "预授权单号错误")
        return self._capture(self._desk.refresh(hold), order, mode)

    def _capture(self, hold: Hold, order: Order, mode: Mode) -> Trade | Reply:
        if hold.status is not HoldStatus.HELD:
            return failure(*_NOT_HELD[hold.status])
        if order.amount_minor > hold.rest_minor:
            return failure("ACQ.AUTH_AMOUNT_NOT_ENOUGH", "授权剩余金额不足")
        return self._desk.capture(hold, order, mode)

    def _wrong(self, app: App, content: Content) -> Reply | None:
        if content.get("product_code") != PRE_AUTH:
            return failure("ACQ.PRE_AUTH_PROD_CODE_INCONSISTENT", "产品码与授权时不一致")
        if text_of(content, "seller_id") != app.seller_id:
            return failure("ACQ.SELLER_NOT_EXIST", "卖家不存在")
        if text_of(content, "buyer_id") != BUYER_ID:
            return failure("ACQ.PAYER_UNMATCHED", "付款人不匹配")
        return None


def _mode_of(content: Content) -> Mode:
    try:
        return Mode(str(content.get("auth_confirm_mode") or Mode.NOT_COMPLETE))
    except ValueError:
        raise InvalidContent("auth_confirm_mode") from None
