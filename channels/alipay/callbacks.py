"""Reading Alipay's callbacks (asynchronous notices): the raw bytes are checked before anything.

Source: opendocs.alipay.com on asynchronous notices; alipay-sdk-nodejs-all `checkNotifySign`; read
2026-11-20. There is no freshness window in the protocol: a notice is repeated for 25 hours, and a
replay is caught by its `notify_id`, which stays the same.
"""

import re
from datetime import datetime
from typing import Annotated
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.alipay.errors import Meaning
from channels.alipay.hold_notices import CancelNotice, HoldNotice, facts_of_hold, model_of
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import read_beijing
from channels.alipay.signing import callback_contents, is_signed_by_any
from models.channel import Approved, CallbackFacts, Declined, Outcome, Pending, Unknown
from models.errors import BadSignature, InvalidRequest
from models.money import Money

# A notice has about 30 fields and 2 KiB; the bounds leave room for long subjects and fund lists.
BODY_MAX_BYTES = 65_536
_FIELDS_MAX = 200

_ESCAPES = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}

_Printable = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]


class Notice(BaseModel):
    """A verified notice about a trade, of the fields we use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    notify_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
    notify_type: _Printable
    out_trade_no: _Printable
    trade_no: _Printable
    trade_status: _Printable
    total_amount: _Printable
    gmt_payment: str | None = None
    gmt_refund: str | None = None
    refund_fee: str | None = None
    out_biz_no: Annotated[str, Field(pattern=r"^[\x21-\x7e]{0,64}$")] | None = None

    @property
    def is_of_a_refund(self) -> bool:
        """Whether a refund is what made Alipay send it; only then are these two set."""
        return bool(self.gmt_refund) or (self.refund_fee or "").strip("0.") != ""


def read_notice(
    parameters: AlipayParameters, body: bytes, now: datetime
) -> Notice | HoldNotice | CancelNotice:
    """Verify, then translate. Raises BadSignature or InvalidRequest as the protocol says."""
    fields = read_form(body)
    _check_signature(parameters, fields, now)
    texts = _decoded(fields)
    kind = model_of(texts.get("notify_type", "")) or Notice
    _check_addressee(parameters, texts, holds=kind is not Notice)
    try:
        return kind.model_validate(texts)
    except ValidationError as error:
        names = ", ".join(str(e["loc"][0]) for e in error.errors())
        raise InvalidRequest(f"the notice cannot be read: {names}") from None


def _check_addressee(parameters: AlipayParameters, texts: dict[str, str], *, holds: bool) -> None:
    """Signed by Alipay is not enough. A hold's notice names who is to be paid if it likes."""
    payee = "payee_user_id" if holds else "seller_id"
    named = {"app_id": parameters.app_id, payee: parameters.seller_id}
    if holds and not texts.get(payee):
        del named[payee]
    for name, ours in named.items():
        if texts.get(name) != ours:
            raise BadSignature(f"signed, but for another {name}")


def facts_of(notice: Notice | HoldNotice | CancelNotice) -> CallbackFacts | None:
    """What a notice tells; None when that changes nothing for us."""
    if isinstance(notice, Notice):
        return _facts_of_trade(notice)
    return facts_of_hold(notice)


def _facts_of_trade(notice: Notice) -> CallbackFacts:
    """What a notice about a trade tells.

    One that a refund caused carries the trade's state (TRADE_SUCCESS after a part, TRADE_CLOSED
    after all of it) and must be neither a new payment nor the end of one. `out_biz_no` is our
    refund number; `refund_fee` is what the trade gave back in all, so it does not say how much of
    it was this refund: the query does, hence `Unknown`. Without a number it is news for the
    payment's books to look after, and says nothing final.
    """
    serial = notice.out_biz_no if notice.is_of_a_refund else None
    return CallbackFacts(
        channel_event_id=notice.notify_id,
        serial=serial or notice.out_trade_no,
        outcome=_refund_noticed(notice) if notice.is_of_a_refund else _noticed(notice),
        channel_reference=notice.trade_no,
        about="refund" if serial else "payment",
    )


def _refund_noticed(notice: Notice) -> Outcome:
    detail = f"a refund was made, {notice.refund_fee or 'an unnamed amount'} of the trade so far"
    if notice.out_biz_no:
        return Unknown(detail=detail, channel_code=notice.trade_status)
    return Pending(detail=f"{detail}; no refund number", channel_reference=notice.trade_no)


def _noticed(notice: Notice) -> Outcome:
    """The outcome a notice about the payment itself tells."""
    match notice.trade_status:
        case "TRADE_SUCCESS" | "TRADE_FINISHED":
            return Approved(
                channel_reference=notice.trade_no,
                money=_money_of(notice),
                paid_at=read_beijing(notice.gmt_payment),
            )
        case "TRADE_CLOSED":
            return Declined(
                code=Meaning.CLOSED, detail="closed unpaid", channel_code="TRADE_CLOSED"
            )
        case "WAIT_BUYER_PAY":
            return Pending(channel_reference=notice.trade_no)
        case other:
            return Unknown(detail=f"unlisted trade_status {other!r}", channel_code=other)


def _money_of(notice: Notice) -> Money:
    try:
        return Money.from_decimal_text(notice.total_amount, "CNY")
    except ValueError:
        raise InvalidRequest("the notice's total_amount is no amount in yuan") from None


def read_form(body: bytes) -> dict[bytes, bytes]:
    """The fields of a form, unescaped once, as raw bytes.

    Raises InvalidRequest when it is too long, not a form, or names a field twice: which of the two
    was signed is nobody's guess.
    """
    if len(body) > BODY_MAX_BYTES:
        raise InvalidRequest(f"the callback is longer than {BODY_MAX_BYTES} bytes")
    pieces = body.split(b"&")
    if len(pieces) > _FIELDS_MAX:
        raise InvalidRequest(f"the callback has more than {_FIELDS_MAX} fields")
    fields: dict[bytes, bytes] = {}
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        if not name or not equals or _ESCAPES.search(piece):
            raise InvalidRequest("the callback is not a form")
        name = _unescaped(name)
        if name in fields:
            raise InvalidRequest("the callback names a field twice")
        fields[name] = _unescaped(value)
    return fields


def _check_signature(
    parameters: AlipayParameters, fields: dict[bytes, bytes], now: datetime
) -> None:
    if fields.get(b"sign_type") != b"RSA2":
        raise BadSignature("the callback is not signed with RSA2")
    signature = fields.get(b"sign", b"").decode("ascii", errors="replace")
    keys = parameters.keys_for_callback(now)
    if not any(is_signed_by_any(content, signature, keys) for content in callback_contents(fields)):
        raise BadSignature("the callback's signature is not Alipay's")


def _decoded(fields: dict[bytes, bytes]) -> dict[str, str]:
    declared = fields.get(b"charset", b"utf-8").decode("ascii", errors="replace").lower()
    charset = _CHARSETS.get(declared)
    if charset is None:
        raise InvalidRequest("the callback's charset is not one Alipay uses")
    try:
        return {name.decode(charset): value.decode(charset) for name, value in fields.items()}
    except UnicodeDecodeError:
        raise InvalidRequest(f"the callback is not in its charset, {charset}") from None


def _unescaped(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
