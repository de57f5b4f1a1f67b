"""Writing requests to the gateway, and the record of what went over the wire.

Source: v3 models of alipay-sdk-php-all for the fields, alipay-sdk-python 3.7.1411 for the form (the
common fields in the query, `biz_content` in the body); read 2026-11-20.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from channels.alipay.parameters import AlipayParameters
from channels.alipay.signing import request_content, sign
from channels.http import NoAnswer, NotSent, Reply, Result
from models.channel import Exchange, PayRequest, QueryRequest, RefundRequest

_JUST_UNDER_A_SECOND = timedelta(microseconds=999_999)

QR = "alipay_qr"
PAGE = "alipay_page"
WAP = "alipay_wap"
BUYER_CODE = "alipay_buyer_code"

# A QR code of precreate lives two hours, whatever the expiry of the trade.
QR_LIFETIME = timedelta(hours=2)

_BEIJING = ZoneInfo("Asia/Shanghai")
_TIME = "%Y-%m-%d %H:%M:%S"

_SUBJECT_MAX = 256
# "/", "=" and "&" may not be in a subject; their full-width forms read the same.
_SUBJECT_REPLACED = str.maketrans({"/": "／", "=": "＝", "&": "＆"})

_RECORD_MAX = 16_384
_SIGN_SHOWN = 12
# Who paid is no part of our records, and a payer's code is as good as money for a minute.
_PERSONAL = re.compile(
    r'("(?:buyer_user_id|buyer_id|buyer_logon_id|buyer_open_id|open_id|buyer_user_name'
    r'|payer_user_id|payer_logon_id|payer_open_id|auth_code)"\s*:\s*")(?:[^"\\]|\\.)*"'
)


@dataclass(frozen=True, slots=True)
class Call:
    """One method of the gateway with its business fields."""

    operation: str
    method: str
    content: Mapping[str, object]
    notify_url: str | None = None
    return_url: str | None = None


def pay_call(parameters: AlipayParameters, request: PayRequest) -> Call:
    """The call that asks for the money of `request`. Raises KeyError for a method not ours."""
    method, content = {
        QR: ("alipay.trade.precreate", {"product_code": "FACE_TO_FACE_PAYMENT"}),
        PAGE: ("alipay.trade.page.pay", {"product_code": "FAST_INSTANT_TRADE_PAY"}),
        WAP: ("alipay.trade.wap.pay", {"product_code": "QUICK_WAP_WAY"}),
        BUYER_CODE: (
            "alipay.trade.pay",
            {"product_code": "FACE_TO_FACE_PAYMENT", "scene": "bar_code"},
        ),
    }[request.method]
    if request.method in {QR, BUYER_CODE}:
        content["seller_id"] = parameters.seller_id
    if request.method == BUYER_CODE and request.payer_code:
        content["auth_code"] = request.payer_code
    if request.method == WAP and request.return_url:
        content["quit_url"] = request.return_url
    return Call(
        operation="pay",
        method=method,
        content={
            "out_trade_no": request.serial,
            "total_amount": f"{request.money.to_decimal():.2f}",
            "subject": subject(request.subject),
            # Rounded up: what Alipay closes before we do looks like a refusal, not like expiry.
            "time_expire": beijing_text(request.expires_at + _JUST_UNDER_A_SECOND),
            **content,
        },
        notify_url=request.notify_url,
        return_url=request.return_url if request.method in {PAGE, WAP} else None,
    )


def query_call(request: QueryRequest) -> Call:
    return Call("query", "alipay.trade.query", {"out_trade_no": request.serial})


def close_call(request: QueryRequest) -> Call:
    """Close what waits for the payer; cancel what was sent with the payer's own code."""
    method = "alipay.trade.cancel" if request.method == BUYER_CODE else "alipay.trade.close"
    return Call("close", method, {"out_trade_no": request.serial})


def refund_call(request: RefundRequest) -> Call:
    """Our refund number is `out_request_no`: Alipay gives back once for each number of a trade."""
    reason = {"refund_reason": subject(request.reason)} if request.reason else {}
    return Call(
        "refund",
        "alipay.trade.refund",
        {
            "out_trade_no": request.serial,
            "out_request_no": request.refund_serial,
            "refund_amount": f"{request.money.to_decimal():.2f}",
            **reason,
        },
    )


def refund_query_call(request: RefundRequest) -> Call:
    return Call(
        "query_refund",
        "alipay.trade.fastpay.refund.query",
        {
            "out_trade_no": request.serial,
            "out_request_no": request.refund_serial,
            "query_options": ["gmt_refund_pay"],
        },
    )


def bill_call(day: date) -> Call:
    """Where the statement of a business day is to be had; the address lives 30 seconds."""
    content = {"bill_type": "trade", "bill_date": day.isoformat()}
    return Call("statement", "alipay.data.dataservice.bill.downloadurl.query", content)


def signed_fields(parameters: AlipayParameters, call: Call, now: datetime) -> dict[str, str]:
    """Every field of the request as it is signed and sent, `sign` last."""
    fields = {
        "app_id": parameters.app_id,
        "method": call.method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": beijing_text(now),
        "version": "1.0",
        **parameters.certificate_fields,
        "biz_content": json.dumps(call.content, ensure_ascii=False, separators=(",", ":")),
    }
    if call.notify_url:
        fields["notify_url"] = call.notify_url
    if call.return_url:
        fields["return_url"] = call.return_url
    return {**fields, "sign": sign(request_content(fields), parameters.signing_key)}


def signed_url(gateway_url: str, fields: Mapping[str, str]) -> str:
    """The address that opens Alipay's cashier in the payer's browser."""
    return f"{gateway_url}?{urlencode(fields, quote_via=quote)}"


def subject(text: str) -> str:
    """`text` as Alipay takes it: no control characters, none of `/=&`, at most 256 characters."""
    cleaned = "".join(c if c.isprintable() else " " for c in text)
    return cleaned.translate(_SUBJECT_REPLACED)[:_SUBJECT_MAX]


def beijing_text(moment: datetime) -> str:
    """`moment` as Alipay writes it: local time in Beijing, no zone, whole seconds rounded down."""
    return moment.astimezone(_BEIJING).strftime(_TIME)


def read_beijing(text: str | None) -> datetime | None:
    """The instant Alipay means by `text`; None when there is none or it cannot be read."""
    if not text:
        return None
    try:
        local = datetime.strptime(text[:19], _TIME).replace(tzinfo=_BEIJING)
    except ValueError:
        return None
    return local.astimezone(UTC)


def record_of(
    call: Call, fields: Mapping[str, str], result: Result, now: datetime
) -> Exchange | None:
    """The exchange as it may be kept: signature cut short, payer masked. None: nothing was sent."""
    match result:
        case NotSent():
            return None
        case NoAnswer():
            status, response = None, None
        case Reply(status=status, body=body):
            response = masked(body.decode(errors="replace"))[:_RECORD_MAX]
    shown = {**fields, "sign": f"{fields['sign'][:_SIGN_SHOWN]}…"}
    request = "\n".join(f"{name}={masked(value)}" for name, value in shown.items())
    return Exchange(
        operation=call.operation,
        request=request[:_RECORD_MAX],
        response=response,
        http_status=status,
        started_at=now,
        duration_ms=result.duration_ms,
    )


def masked(text: str) -> str:
    """`text` without who the payer is, their code, and NUL, which no text column takes."""
    return _PERSONAL.sub(r'\1***"', text).replace("\x00", "\N{REPLACEMENT CHARACTER}")
