"""Callbacks about money that is held first.

Source: "asynchronous notices" of pre-authorization, opendocs.alipay.com/open/04ij9t, and real
notices of freezes, releases and cancels in public repositories; read 2026-11-21. Kinds are
fund_auth_freeze (.init, .closed), fund_auth_unfreeze and fund_auth_operation_cancel. The last names
an action and neither operation nor amount, whatever the document says. That money was taken is told
by the notice of the trade.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from channels.alipay.errors import Meaning
from channels.alipay.requests import read_beijing
from models.channel import Approved, CallbackFacts, Declined, Outcome, Pending, Unknown
from models.errors import InvalidRequest
from models.money import Money

_KIND = "fund_auth_"
_CANCEL = "fund_auth_operation_cancel"

_Printable = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]


class CancelNotice(BaseModel):
    """A verified notice that an authorization order was cancelled, of the fields we use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    notify_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
    auth_no: _Printable
    out_order_no: _Printable
    action: _Printable | None = None


class HoldNotice(BaseModel):
    """A verified notice of what was done with an authorization order, of the fields we use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    notify_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")]
    auth_no: _Printable
    out_order_no: _Printable
    operation_type: _Printable | None = None
    status: _Printable | None = None
    amount: _Printable | None = None
    total_freeze_amount: _Printable | None = None
    total_unfreeze_amount: _Printable | None = None
    total_pay_amount: _Printable | None = None
    pre_auth_type: str | None = None
    gmt_trans: str | None = None


def model_of(notify_type: str) -> type[HoldNotice] | type[CancelNotice] | None:
    """How a notice of this type is read; None when it is not about a hold."""
    if not notify_type.startswith(_KIND):
        return None
    return CancelNotice if notify_type == _CANCEL else HoldNotice


def facts_of_hold(notice: HoldNotice | CancelNotice) -> CallbackFacts | None:
    """What a notice tells; None when the rest of a completed hold was released, as we asked."""
    outcome = _canceled(notice.action) if isinstance(notice, CancelNotice) else _noticed(notice)
    if outcome is None:
        return None
    return CallbackFacts(
        channel_event_id=notice.notify_id,
        serial=notice.out_order_no,
        outcome=outcome,
        channel_reference=notice.auth_no,
    )


def _noticed(notice: HoldNotice) -> Outcome | None:
    match notice.operation_type, notice.status:
        case "FREEZE", "SUCCESS":
            return _held(notice)
        case "FREEZE", "CLOSED":
            return Declined(
                code=Meaning.CLOSED, detail="closed unauthorized", channel_code="CLOSED"
            )
        case "UNFREEZE", "SUCCESS":
            return _released(notice)
        case _, "INIT":
            return Pending(channel_reference=notice.auth_no)
        case operation, status:
            detail = f"unlisted {operation!r} with {status!r}"
            return Unknown(detail=detail, channel_code=str(status))


def _canceled(action: str | None) -> Outcome:
    """A cancel ends an order nobody agreed to, or gives up all that is held."""
    match action:
        case "close":
            return Declined(
                code=Meaning.CLOSED, detail="canceled unauthorized", channel_code=action
            )
        case "unfreeze":
            return Declined(
                code=Meaning.CLOSED, detail="canceled and released", channel_code=action
            )
        case other:
            return Unknown(detail=f"unlisted action {other!r}", channel_code=str(other))


def _held(notice: HoldNotice) -> Outcome:
    if notice.pre_auth_type == "CREDIT_AUTH":
        detail = "authorized on credit: no money is held"
        return Unknown(detail=detail, channel_code="CREDIT_AUTH")
    return Approved(
        channel_reference=notice.auth_no,
        money=_yuan("amount", notice.amount),
        paid_at=read_beijing(notice.gmt_trans),
        held=True,
    )


def _released(notice: HoldNotice) -> Outcome | None:
    """All of it was released, or a part; what is left after a capture is no news."""
    frozen = _yuan("total_freeze_amount", notice.total_freeze_amount)
    given_up = _yuan("total_unfreeze_amount", notice.total_unfreeze_amount)
    if _yuan("total_pay_amount", notice.total_pay_amount).amount_minor > 0:
        return None
    if given_up == frozen:
        return Declined(code=Meaning.CLOSED, detail="released", channel_code="UNFREEZE")
    return Unknown(detail=f"{given_up} of {frozen} were released", channel_code="UNFREEZE")


def _yuan(name: str, text: str | None) -> Money:
    try:
        return Money.from_decimal_text(text or "", "CNY")
    except ValueError:
        raise InvalidRequest(f"the notice's {name} is no amount in yuan") from None
