"""What Alipay's answers say about a payment.

Source: alipay.trade.precreate, pay, query, close and cancel in the v3 models of alipay-sdk-php-all,
and opendocs.alipay.com on each; read 2026-11-20.
"""

from datetime import datetime

from channels.alipay.answers import SUCCESS, WAITING_FOR_PAYER, Trade
from channels.alipay.errors import Meaning, outcome_of_refusal
from channels.alipay.requests import QR, QR_LIFETIME, read_beijing
from models.channel import (
    Approved,
    Confirm,
    Declined,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    ShowQrCode,
    Unknown,
)
from models.money import Money

_CURRENCY = "CNY"
_PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})


def paid(trade: Trade, request: PayRequest, now: datetime) -> Outcome:
    """The outcome of precreate or pay."""
    if trade.code not in {SUCCESS, WAITING_FOR_PAYER}:
        return outcome_of_refusal(trade.code, trade.sub_code, trade.words)
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    if request.method == QR:
        return _qr_code(trade, request, now)
    if trade.code == WAITING_FOR_PAYER:
        return Pending(
            detail=trade.words,
            channel_reference=trade.trade_no,
            next_action=Confirm(instructions="Confirm the payment in the Alipay app."),
        )
    return _approved(trade, request.money)


def _qr_code(trade: Trade, request: PayRequest, now: datetime) -> Outcome:
    if trade.code != SUCCESS or not trade.qr_code:
        return Unknown(detail="precreate answered without a code", channel_code=trade.code)
    expires_at = min(request.expires_at, now + QR_LIFETIME)
    return Pending(next_action=ShowQrCode(content=trade.qr_code, expires_at=expires_at))


def found(trade: Trade, request: QueryRequest) -> Outcome:
    """The outcome of a query that found a trade."""
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    match trade.trade_status:
        case "WAIT_BUYER_PAY":
            return Pending(channel_reference=trade.trade_no)
        case str(status) if status in _PAID:
            return _approved(trade, request.money)
        case "TRADE_CLOSED":
            # Also the state after a full refund, which is ours to have asked for.
            return Declined(code=Meaning.CLOSED, detail="closed", channel_code="TRADE_CLOSED")
        case other:
            return Unknown(detail=f"unlisted trade_status {other!r}", channel_code=str(other))


def _approved(trade: Trade, asked: Money) -> Outcome:
    """Approved, if the answer names a trade and exactly the money we asked for."""
    if not trade.trade_no or trade.trans_currency not in {None, "", _CURRENCY}:
        return Unknown(detail="paid, but without a trade number or in another currency")
    try:
        money = Money.from_decimal_text(trade.total_amount or "", _CURRENCY)
    except ValueError as error:
        return Unknown(detail=f"paid, but the amount cannot be read: {error}"[:400])
    if money != asked:
        return Unknown(detail=f"the answer names {money}, we asked for {asked}")
    return Approved(
        channel_reference=trade.trade_no,
        money=money,
        paid_at=read_beijing(trade.gmt_payment or trade.send_pay_date),
    )


def closed(trade: Trade, request: QueryRequest) -> Outcome:
    """The outcome of a close that Alipay took."""
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    return Declined(code=Meaning.CLOSED, detail="closed on request", channel_code=trade.code)


def _other_serial(trade: Trade) -> Unknown:
    return Unknown(detail=f"the answer is about {trade.out_trade_no!r}, not what we asked for")


def canceled(trade: Trade, request: QueryRequest) -> Outcome:
    """The outcome of a cancel that Alipay took."""
    if trade.retry_flag == "Y":
        return Unknown(detail="Alipay asks to cancel again", channel_code="retry_flag Y")
    match trade.action:
        case "close":
            return closed(trade, request)
        case "refund":
            ended = closed(trade, request)
            if isinstance(ended, Declined):
                detail = "it had been paid; canceling it gave the money back"
                return ended.model_copy(update={"detail": detail, "channel_code": "refund"})
            return ended
        case None | "":
            return _canceled_unseen(trade, request)
        case other:
            return Unknown(detail=f"unlisted action {other!r}", channel_code=other)


def _canceled_unseen(trade: Trade, request: QueryRequest) -> Outcome:
    """Alipay took the cancel and names no action: it had no such trade.

    The payer's code has died by then and we never send a serial again, so this is an end. Should
    our own lost request still turn up, its success is late money like any other (Source: the
    `action` field of alipay.trade.cancel: absent means that no trade was found).
    """
    ended = closed(trade, request)
    if isinstance(ended, Declined):
        return ended.model_copy(update={"channel_code": "no action"})
    return ended
