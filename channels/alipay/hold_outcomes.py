"""What Alipay's answers say about a hold and about the trade that completes it.

Source: the fund auth operations, alipay.trade.pay and alipay.trade.query in the v3 models of
alipay-sdk-php-all (OpenAPI document of 2025-12-15), read 2026-11-21. An order is INIT, AUTHORIZED,
FINISH ("completed, nothing left on hold") or CLOSED ("never authorized in time, or all of it
released").
"""

from datetime import datetime, timedelta

from channels.alipay.answers import SUCCESS, WAITING_FOR_PAYER, Trade
from channels.alipay.errors import Meaning
from channels.alipay.hold_errors import outcome_of_refused_completion, outcome_of_refused_freeze
from channels.alipay.hold_requests import minutes_left
from channels.alipay.requests import QR, QR_LIFETIME, read_beijing
from models.channel import (
    Approved,
    CaptureRequest,
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

WAITING = "INIT"
AUTHORIZED = "AUTHORIZED"
_FINISHED = "FINISH"
_CLOSED = "CLOSED"

_CURRENCY = "CNY"
_PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
_TRADE_CLOSED = "TRADE_CLOSED"
# A hold against the payer's good name: no money is set aside.
_CREDIT = "CREDIT_AUTH"


# ---- asking for a hold ------------------------------------------------------------------------


def placed(answer: Trade, request: PayRequest, now: datetime) -> Outcome:
    """The outcome of a freeze, or of a code to freeze with."""
    if answer.code not in {SUCCESS, WAITING_FOR_PAYER}:
        return outcome_of_refused_freeze(answer.code, answer.sub_code, answer.words)
    if answer.out_order_no != request.serial:
        return _about_another(answer.out_order_no)
    if request.method == QR:
        return _code_to_show(answer, request, now)
    return _frozen(answer, request.money)


def _frozen(answer: Trade, asked: Money) -> Outcome:
    match answer.status:
        case "SUCCESS":
            return held(answer, answer.amount, asked)
        case "INIT":
            return Pending(
                detail=answer.words,
                channel_reference=answer.auth_no,
                next_action=Confirm(instructions="Confirm the amount in the Alipay app."),
            )
        case "CLOSED":
            return Declined(code=Meaning.CLOSED, detail="closed", channel_code=_CLOSED)
        case other:
            return Unknown(detail=f"unlisted status {other!r}", channel_code=str(other))


def _code_to_show(answer: Trade, request: PayRequest, now: datetime) -> Outcome:
    if answer.code != SUCCESS or not answer.code_value:
        return Unknown(detail="answered without a code", channel_code=answer.code)
    dies_at = now + min(QR_LIFETIME, timedelta(minutes=minutes_left(request, now)))
    expires_at = min(request.expires_at, dies_at)
    return Pending(next_action=ShowQrCode(content=answer.code_value, expires_at=expires_at))


def held(hold: Trade, amount: str | None, asked: Money) -> Outcome:
    """Approved and held, if the answer names an order and exactly the money we asked for."""
    money = yuan(amount)
    if not hold.auth_no or hold.trans_currency not in {None, "", _CURRENCY}:
        return Unknown(detail="held, but without a number or in another currency")
    if hold.pre_auth_type == _CREDIT:
        return Unknown(detail="authorized on credit: no money is held", channel_code=_CREDIT)
    if money != asked:
        return Unknown(detail=f"held is {money or amount!r}, we asked for {asked}")
    return Approved(
        channel_reference=hold.auth_no,
        money=asked,
        paid_at=read_beijing(hold.gmt_trans),
        held=True,
    )


# ---- where a hold stands ----------------------------------------------------------------------


def unusable(hold: Trade, serial: str) -> Unknown | None:
    """Why an answer about a hold may not be used, None when it may."""
    if hold.out_order_no != serial:
        return _about_another(hold.out_order_no)
    if hold.operation_type not in {None, "", "FREEZE"}:
        return Unknown(detail=f"the answer is about a {hold.operation_type!r}, not the freeze")
    if hold.order_status not in {WAITING, AUTHORIZED, _FINISHED, _CLOSED}:
        status = hold.order_status
        return Unknown(detail=f"unlisted order_status {status!r}", channel_code=str(status))
    if not hold.auth_no:
        return Unknown(detail="the answer names no authorization")
    return None


def is_held(hold: Trade) -> bool:
    """Whether money is on hold and nothing was taken of it."""
    return hold.order_status == AUTHORIZED and not _has_paid(hold)


def rest_of(hold: Trade) -> Money | None:
    """What is on hold now."""
    return yuan(hold.rest_amount)


def settled(hold: Trade, trade: Trade | None, request: QueryRequest | CaptureRequest) -> Outcome:
    """What became of an order that holds nothing of ours any more.

    `trade` is the one with our serial, None when Alipay knows none. The order was asked about
    first: it was over by then, so no trade can have come after the question about the trade.
    """
    if trade is None:
        return _without_trade(hold)
    if trade.out_trade_no != request.serial:
        return _about_another(trade.out_trade_no)
    status = trade.trade_status
    given_back = status == _TRADE_CLOSED and (_has_paid(hold) or bool(trade.send_pay_date))
    if status in _PAID or given_back:  # refunds have their own record
        return taken(trade, _most(request))
    match status:
        case "TRADE_CLOSED":
            return _without_trade(hold)
        case "WAIT_BUYER_PAY":
            return Pending(detail="being completed", channel_reference=trade.trade_no)
        case other:
            return Unknown(detail=f"unlisted trade_status {other!r}", channel_code=str(other))


def _without_trade(hold: Trade) -> Outcome:
    if _has_paid(hold) or hold.order_status == AUTHORIZED:
        return Unknown(
            detail=f"{hold.total_pay_amount} was taken under another number than ours",
            channel_code=str(hold.order_status),
        )
    never_held = hold.status == _CLOSED
    detail = "closed before it was authorized" if never_held else "released"
    return Declined(code=Meaning.CLOSED, detail=detail, channel_code=str(hold.order_status))


def taken(trade: Trade, most: Money) -> Outcome:
    """Approved with what was taken, if the answer names a trade and not more than was held."""
    if not trade.trade_no or trade.trans_currency not in {None, "", _CURRENCY}:
        return Unknown(detail="taken, but without a trade number or in another currency")
    money = yuan(trade.total_amount)
    if money is None or not 0 < money.amount_minor <= most.amount_minor:
        return Unknown(detail=f"taken was {money or trade.total_amount!r}, held was {most}")
    return Approved(
        channel_reference=trade.trade_no,
        money=money,
        paid_at=read_beijing(trade.gmt_payment or trade.send_pay_date),
    )


# ---- taking and releasing it ------------------------------------------------------------------


def captured(trade: Trade, request: CaptureRequest) -> Outcome:
    """The outcome of the completing trade: exactly what was asked for, or we do not know."""
    if trade.code not in {SUCCESS, WAITING_FOR_PAYER}:
        return outcome_of_refused_completion(trade.code, trade.sub_code, trade.words)
    if trade.out_trade_no != request.serial:
        return _about_another(trade.out_trade_no)
    if trade.code == WAITING_FOR_PAYER:
        return Pending(detail=trade.words, channel_reference=trade.trade_no)
    outcome = taken(trade, request.authorized)
    if isinstance(outcome, Approved) and outcome.money != request.money:
        return Unknown(detail=f"taken was {outcome.money}, we asked for {request.money}")
    return outcome


def released(answer: Trade, hold: Trade) -> Outcome:
    """The outcome of a release that Alipay took."""
    if answer.auth_no != hold.auth_no:
        return _about_another(answer.auth_no)
    if answer.status not in {None, "", "SUCCESS"}:
        status = answer.status
        return Unknown(detail=f"unlisted status {status!r}", channel_code=str(status))
    if yuan(answer.amount) != rest_of(hold):
        return Unknown(detail=f"released was {answer.amount!r}, held was {hold.rest_amount!r}")
    return Declined(code=Meaning.CLOSED, detail="released on request", channel_code=answer.code)


def canceled(answer: Trade, request: QueryRequest) -> Outcome:
    """The outcome of a cancel that Alipay took."""
    if answer.out_order_no != request.serial:
        return _about_another(answer.out_order_no)
    match answer.action:
        case "close" | "unfreeze":
            return Declined(
                code=Meaning.CLOSED, detail="closed on request", channel_code=answer.action
            )
        case other:
            return Unknown(detail=f"unlisted action {other!r}", channel_code=str(other))


def yuan(text: str | None) -> Money | None:
    """An amount as Alipay writes it; None when it cannot be read."""
    try:
        return Money.from_decimal_text(text or "", _CURRENCY)
    except ValueError:
        return None


def _has_paid(hold: Trade) -> bool:
    """Whether any of it was taken. What cannot be read counts as taken: the trade tells."""
    if not hold.total_pay_amount:
        return False
    money = yuan(hold.total_pay_amount)
    return money is None or money.amount_minor > 0


def _most(request: QueryRequest | CaptureRequest) -> Money:
    return request.authorized if isinstance(request, CaptureRequest) else request.money


def _about_another(number: str | None) -> Unknown:
    return Unknown(detail=f"the answer is about {number!r}, not what we asked for")
