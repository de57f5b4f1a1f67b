"""What Alipay's answers say about a refund.

Source: alipay.trade.refund and alipay.trade.fastpay.refund.query in the v3 models of
alipay-sdk-php-all (OpenAPI document of 2025-12-15), read 2026-11-20.
"""

from channels.alipay.answers import SUCCESS, Trade
from channels.alipay.errors import outcome_of_refused_refund
from channels.alipay.requests import read_beijing
from models.channel import Approved, Outcome, Pending, RefundRequest, Unknown
from models.money import Money

_CURRENCY = "CNY"


def refunded(trade: Trade, request: RefundRequest) -> Outcome:
    """The outcome of asking for a refund.

    `fund_change` says whether money moved this time. `Y`: it is given back. `N` is no proof of
    either: a repeat of a refund that was made before answers so, one not made yet too. The query
    tells them apart. `refund_fee` is what the trade gave back in all, this refund included.
    """
    if trade.code != SUCCESS:
        return outcome_of_refused_refund(trade.code, trade.sub_code, trade.words)
    stranger = _about_another(trade, request)
    if stranger is not None:
        return stranger
    match trade.fund_change:
        case "Y":
            return _given_back(trade, request)
        case "N":
            return Pending(
                detail="accepted, but no money moved this time: made before, or not yet",
                channel_reference=trade.trade_no,
            )
        case other:
            return Unknown(detail=f"unlisted fund_change {other!r}", channel_code=str(other))


def found(trade: Trade, request: RefundRequest) -> Outcome:
    """The outcome of a refund query.

    Without `refund_status` the request never arrived, failed, or is not through yet (ten seconds
    are the least to wait before asking), so it is `Unknown`: asking for the refund again under its
    number is safe, and the only way on.
    """
    if trade.code != SUCCESS:
        channel_code = f"{trade.code} {trade.sub_code}".strip()
        return Unknown(detail=trade.words or channel_code, channel_code=channel_code)
    match trade.refund_status:
        case None | "":
            return Unknown(detail="Alipay knows no refund under this number, or not yet")
        case "REFUND_SUCCESS":
            return _about_another(trade, request) or _proved(trade, request)
        case other:
            return Unknown(detail=f"unlisted refund_status {other!r}", channel_code=other)


def _about_another(trade: Trade, request: RefundRequest) -> Unknown | None:
    """Unknown when the answer speaks of another trade than the one that was paid."""
    if trade.out_trade_no != request.serial:
        return Unknown(detail=f"the answer is about {trade.out_trade_no!r}, not what we asked for")
    if not trade.trade_no or request.channel_reference not in {None, trade.trade_no}:
        return Unknown(
            detail=f"the answer names trade {trade.trade_no!r}, not {request.channel_reference!r}"
        )
    return None


def _given_back(trade: Trade, request: RefundRequest) -> Outcome:
    total = _yuan(trade.refund_fee)
    least, most = request.money.amount_minor, request.paid.amount_minor
    if total is None or not least <= total.amount_minor <= most:
        return Unknown(
            detail=f"refunded, but refund_fee {trade.refund_fee!r} is not between "
            f"{request.money} and {request.paid}"
        )
    return _approved(trade, request)


def _proved(trade: Trade, request: RefundRequest) -> Outcome:
    if trade.out_request_no != request.refund_serial:
        return Unknown(detail=f"the answer is about refund {trade.out_request_no!r}")
    named = _yuan(trade.refund_amount)
    if named != request.money:
        return Unknown(
            detail=f"the answer names {named or trade.refund_amount!r}, "
            f"we asked for {request.money}"
        )
    if trade.total_amount is not None and _yuan(trade.total_amount) != request.paid:
        return Unknown(detail=f"the trade is of {trade.total_amount!r}, paid was {request.paid}")
    return _approved(trade, request)


def _approved(trade: Trade, request: RefundRequest) -> Approved:
    """Alipay has no number of its own for a refund: its reference is the trade's."""
    return Approved(
        channel_reference=trade.trade_no or "",
        money=request.money,
        paid_at=read_beijing(trade.gmt_refund_pay),
    )


def _yuan(text: str | None) -> Money | None:
    try:
        return Money.from_decimal_text(text or "", _CURRENCY)
    except ValueError:
        return None
