"""Writing requests about money that is held first (pre-authorization, "fund auth").

Source: alipay.fund.auth.order.voucher.create, order.freeze, order.unfreeze, operation.cancel,
operation.detail.query and alipay.trade.pay in the v3 models of alipay-sdk-php-all (OpenAPI document
of 2025-12-15), read 2026-11-21.
"""

import math
from datetime import datetime, timedelta

from channels.alipay.answers import Trade
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import BUYER_CODE, QR, Call, subject
from models.channel import CaptureRequest, PayRequest, QueryRequest
from models.money import Money

# "Fixed as PRE_AUTH for pre-authorization face to face": a code shown to the payer, or by them.
# The trade that completes it names the same product.
PRODUCT = "PRE_AUTH"

_METHODS = {
    QR: "alipay.fund.auth.order.voucher.create",
    BUYER_CODE: "alipay.fund.auth.order.freeze",
}
_MINUTE = timedelta(minutes=1)

# "At most 100 letters or 50 Chinese characters". Source: `order_title`, older SDKs' model comments.
_TITLE_WIDTH = 100


def freeze_number(serial: str) -> str:
    """`out_request_no` of the freeze; each operation of a hold has a number of its own."""
    return f"{serial}_F"


def unfreeze_number(serial: str) -> str:
    """`out_request_no` of the release: Alipay releases once for each number."""
    return f"{serial}_U"


def freeze_call(parameters: AlipayParameters, request: PayRequest, now: datetime) -> Call:
    """The call that asks to hold the money of `request`. Raises KeyError for another method."""
    code = (
        {"auth_code": request.payer_code or "", "auth_code_type": "bar_code"}
        if request.method == BUYER_CODE
        else {}
    )
    return Call(
        operation="pay",
        method=_METHODS[request.method],
        content={
            "out_order_no": request.serial,
            "out_request_no": freeze_number(request.serial),
            "order_title": _title(request.subject),
            "amount": _text(request.money),
            "payee_user_id": parameters.seller_id,
            "pay_timeout": f"{minutes_left(request, now)}m",
            "product_code": PRODUCT,
            **code,
        },
        notify_url=request.notify_url,
    )


def minutes_left(request: PayRequest, now: datetime) -> int:
    """How long the payer may take; Alipay counts whole minutes, from 1.

    Rounded up: what Alipay closes before we do looks like a refusal, not like expiry.
    """
    return max(1, math.ceil((request.expires_at - now) / _MINUTE))


def hold_query_call(operation: str, serial: str) -> Call:
    return Call(
        operation,
        "alipay.fund.auth.operation.detail.query",
        {
            "out_order_no": serial,
            "out_request_no": freeze_number(serial),
            "operation_type": "FREEZE",
        },
    )


def trade_query_call(operation: str, serial: str) -> Call:
    """Ask for the trade that completes a hold: it has our serial for its number."""
    return Call(operation, "alipay.trade.query", {"out_trade_no": serial})


def complete_call(parameters: AlipayParameters, request: CaptureRequest, hold: Trade) -> Call:
    """Take money of a hold as a trade under our serial; COMPLETE releases the rest."""
    buyer = (
        {"buyer_id": hold.payer_user_id}
        if hold.payer_user_id
        else {"buyer_open_id": hold.payer_open_id or ""}
    )
    return Call(
        operation="capture",
        method="alipay.trade.pay",
        content={
            "out_trade_no": request.serial,
            "total_amount": _text(request.money),
            "subject": subject(request.subject),
            "product_code": PRODUCT,
            "auth_no": hold.auth_no or "",
            "auth_confirm_mode": "COMPLETE",
            "seller_id": parameters.seller_id,
            **buyer,
        },
        notify_url=request.notify_url,
    )


def unfreeze_call(request: QueryRequest, hold: Trade, rest: Money) -> Call:
    return Call(
        "void",
        "alipay.fund.auth.order.unfreeze",
        {
            "auth_no": hold.auth_no or "",
            "out_request_no": unfreeze_number(request.serial),
            "amount": _text(rest),
            "remark": "released by the merchant",
        },
    )


def cancel_call(operation: str, request: QueryRequest) -> Call:
    return Call(
        operation,
        "alipay.fund.auth.operation.cancel",
        {
            "out_order_no": request.serial,
            "out_request_no": freeze_number(request.serial),
            "remark": "cancelled by the merchant",
        },
    )


def _title(text: str) -> str:
    """`text` as a subject, cut where Alipay would have to."""
    width = 0
    for index, letter in enumerate(cleaned := subject(text)):
        width += 1 if letter.isascii() else 2
        if width > _TITLE_WIDTH:
            return cleaned[:index]
    return cleaned


def _text(money: Money) -> str:
    return f"{money.to_decimal():.2f}"
