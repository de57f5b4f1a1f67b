"""Reading the gateway's answers: nothing counts before its signature is checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.alipay.parameters import AlipayParameters
from channels.alipay.signing import is_signed_by_any
from channels.http import NoAnswer, NotSent, Reply, Result
from models.channel import Unknown

SUCCESS = "10000"
WAITING_FOR_PAYER = "10003"

_ERROR = "error_response"
_OK_STATUS = 200
_WHITESPACE = " \t\r\n"

_Text = Annotated[str, Field(max_length=4096)]


class Trade(BaseModel):
    """What an answer says about a trade, its hold, refunds or bill, of the fields we use.

    Amounts stay text until they are compared. The fields from `auth_no` on are those of a hold.

    Source: v3 models of alipay-sdk-php-all, the gateway's fields being the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    code: _Text
    msg: _Text = ""
    sub_code: _Text = ""
    sub_msg: _Text = ""
    out_trade_no: _Text | None = None
    trade_no: _Text | None = None
    trade_status: _Text | None = None
    total_amount: _Text | None = None
    trans_currency: _Text | None = None
    gmt_payment: _Text | None = None
    send_pay_date: _Text | None = None
    qr_code: _Text | None = None
    action: _Text | None = None
    retry_flag: _Text | None = None
    fund_change: _Text | None = None
    refund_fee: _Text | None = None
    gmt_refund_pay: _Text | None = None
    out_request_no: _Text | None = None
    refund_amount: _Text | None = None
    refund_status: _Text | None = None
    bill_download_url: _Text | None = None
    auth_no: _Text | None = None
    out_order_no: _Text | None = None
    operation_type: _Text | None = None
    order_status: _Text | None = None
    status: _Text | None = None
    amount: _Text | None = None
    rest_amount: _Text | None = None
    total_pay_amount: _Text | None = None
    pre_auth_type: _Text | None = None
    gmt_trans: _Text | None = None
    payer_user_id: _Text | None = None
    payer_open_id: _Text | None = None
    code_value: _Text | None = None

    @property
    def words(self) -> str:
        """What Alipay said, for people; bounded."""
        return (self.sub_msg or self.msg)[:200]


class _Unreadable(Exception):  # stays in this file
    """The text is not an answer in the gateway's form."""


def read_answer(
    result: Result, *, method: str, parameters: AlipayParameters, now: datetime
) -> Trade | NotSent | Unknown:
    """The trade a signed answer speaks of; Unknown for everything Alipay has not signed."""
    match result:
        case NotSent():
            return result
        case NoAnswer(detail=detail):
            return Unknown(detail=f"sent, no answer: {detail}")
        case Reply(status=status) if status != _OK_STATUS:
            return Unknown(detail=f"HTTP status {status}", channel_code=f"HTTP {status}")
        case Reply(body=body):
            try:
                return _verified(body, method, parameters, now)
            except _Unreadable as error:
                return Unknown(detail=str(error))


@dataclass(frozen=True, slots=True)
class Member:
    """One value of a JSON object: the characters as they stand, and what they say."""

    text: str
    value: object


def members_of(text: str) -> dict[str, Member]:
    """The values of the JSON object `text`.

    The signature covers the characters as they stand, so a value is cut out and never written
    again. Raises ValueError (RecursionError for absurd nesting) when `text` is not one JSON object,
    or names a key twice.
    """
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
    members: dict[str, Member] = {}
    at = _past(text, 0, "{")
    while not text.startswith("}", at):
        if members:
            at = _past(text, at, ",")
        key, at = decoder.raw_decode(text, at)
        if not isinstance(key, str) or key in members:
            raise ValueError("a key that is no text, or comes twice")
        start = _past(text, at, ":")
        value, end = decoder.raw_decode(text, start)
        members[key] = Member(text=text[start:end], value=value)
        at = _past(text, end, "")
    if text[at + 1 :].strip(_WHITESPACE):
        raise ValueError("text after the object")
    return members


def _verified(
    body: bytes, method: str, parameters: AlipayParameters, now: datetime
) -> Trade | Unknown:
    try:
        members = members_of(body.decode())
    except (ValueError, RecursionError):
        raise _Unreadable("the answer is no JSON object in UTF-8") from None
    name = f"{method.replace('.', '_')}_response"
    answer = members.get(name) or members.get(_ERROR)
    if answer is None:
        raise _Unreadable(f"the answer has no {name}")
    trade = _trade(answer.value)
    serial = _text_of(members, "alipay_cert_sn")
    keys = parameters.keys_for_answer(serial, now)
    if not is_signed_by_any(answer.text.encode(), _text_of(members, "sign"), keys):
        return _untrusted(trade, serial, has_keys=bool(keys))
    if name not in members and trade.code == SUCCESS:
        raise _Unreadable("an error that says success")
    return trade


def _untrusted(trade: Trade, serial: str, *, has_keys: bool) -> Unknown:
    why = (
        "the signature is missing or not Alipay's"
        if has_keys
        else f"no valid certificate with serial {serial or 'none'} is configured"
    )
    said = f"{trade.code} {trade.sub_code}".strip()
    return Unknown(detail=f"{why}; unproven answer: {said} {trade.words}"[:400], channel_code=said)


def _trade(value: object) -> Trade:
    try:
        return Trade.model_validate(value)
    except ValidationError as error:
        fields = ", ".join(str(e["loc"][0]) if e["loc"] else "all" for e in error.errors())
        raise _Unreadable(f"the answer cannot be read: {fields}") from None


def _text_of(members: Mapping[str, Member], key: str) -> str:
    member = members.get(key)
    return member.value if member is not None and isinstance(member.value, str) else ""


def _past(text: str, at: int, expected: str) -> int:
    """The place after `expected` and the white space around it."""
    while text[at : at + 1] and text[at] in _WHITESPACE:
        at += 1
    if not text.startswith(expected, at):
        raise ValueError(f"expected {expected!r} at {at}")
    at += len(expected)
    while text[at : at + 1] and text[at] in _WHITESPACE:
        at += 1
    return at


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
