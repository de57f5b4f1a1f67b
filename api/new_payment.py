"""The body of an order, and the order that becomes of it."""

import secrets
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from api.dependencies import ApiDependencies
from api.fields import (
    Amount,
    Body,
    Currency,
    FreeText,
    Identifier,
    OrderNumber,
    PayerCode,
    WebAddress,
)
from api.requests import invalid
from api.return_urls import lies_under
from channels.base import Method
from models.errors import Problem
from models.ids import new_id
from models.merchant import App
from models.money import Money
from models.payment import LateSuccessPolicy, PaymentOrder

EXPIRES_IN_MIN, EXPIRES_IN_MAX = 60, 7 * 24 * 3600
CAPTURE_WITHIN_MIN, CAPTURE_WITHIN_MAX = 60, 365 * 24 * 3600
# The code a payer shows at a till dies within a minute; an order older than that is not sent.
_PAYER_WAITS = timedelta(seconds=60)
# 43 characters of base64url: nobody guesses the address of a cash desk.
_TOKEN_BYTES = 32


class NewPayment(Body):
    """An order to be paid. `order_no` is yours, unique per app, and the key that counts."""

    order_no: OrderNumber
    merchant_id: Identifier
    amount: Amount
    currency: Currency
    method: Annotated[Identifier, Field(examples=["alipay_qr"])] | None = Field(
        default=None, description="leave it out and the payer chooses at our cash desk"
    )
    subject: Annotated[FreeText, Field(max_length=128, description="what the payer reads")]
    expires_in: Annotated[int, Field(ge=EXPIRES_IN_MIN, le=EXPIRES_IN_MAX)] | None = Field(
        default=None, description="seconds the payer has"
    )
    return_url: WebAddress | None = Field(
        default=None,
        description="where the payer's browser goes afterwards; without a method it must lie under "
        "one of the app's return_urls",
    )
    payer_code: PayerCode | None = Field(
        default=None,
        description="what the payer shows at the till, or what the card form in the payer's "
        "browser made (pm_…), where the method needs it",
    )
    late_success: Literal["accept", "refund", "ask"] | None = Field(
        default=None, description="money after the end; the default is the app's"
    )
    capture_method: Literal["automatic", "manual"] | None = Field(
        default=None, description="manual: the money is held first, and taken when you capture it"
    )
    capture_within: Annotated[int, Field(ge=CAPTURE_WITHIN_MIN, le=CAPTURE_WITHIN_MAX)] | None = (
        Field(
            default=None,
            description="seconds after which money that is held and not captured is released; at "
            "most, and by default, as long as the channel holds it for sure",
        )
    )


def method_of(body: NewPayment, deps: ApiDependencies) -> Method | None:
    """The method that was ordered; None leaves it to the payer. Raises InvalidRequest."""
    if body.method is None:
        _check_open_choice(body)
        return None
    _, method = deps.channels.methods().get(body.method, (None, None))
    if method is None:
        raise invalid(
            Problem(pointer="#/method", code="not-a-choice", detail="no channel offers this method")
        )
    if method.needs_payer_code != (body.payer_code is not None):
        needed = "this method needs it" if method.needs_payer_code else "this method takes none"
        code = "required" if method.needs_payer_code else "unknown-field"
        raise invalid(Problem(pointer="#/payer_code", code=code, detail=needed))
    _check_capture(body, method)
    return method


def _check_open_choice(body: NewPayment) -> None:
    """What has no meaning while the method is not known."""
    if body.payer_code is not None:
        detail = "only together with the method that needs it"
        raise invalid(Problem(pointer="#/payer_code", code="unknown-field", detail=detail))
    if body.capture_within is not None and body.capture_method != "manual":
        detail = "only where capture_method is manual"
        raise invalid(Problem(pointer="#/capture_within", code="unknown-field", detail=detail))


def check_return_url(body: NewPayment, app: App | None) -> None:
    """The cash desk sends payers nowhere but where the app registered. Raises InvalidRequest."""
    if body.method is not None or body.return_url is None:
        return
    if app is None or not any(lies_under(body.return_url, url) for url in app.return_urls):
        detail = "register it first: it must lie under one of the app's return_urls"
        raise invalid(Problem(pointer="#/return_url", code="not-registered", detail=detail))


def _check_capture(body: NewPayment, method: Method) -> None:
    """Money can be held where the method can, for as long as the channel holds it."""
    if body.capture_method == "manual" and not method.manual_capture:
        detail = "money cannot be held with this method"
        raise invalid(Problem(pointer="#/capture_method", code="not-a-choice", detail=detail))
    if body.capture_within is None:
        return
    if body.capture_method != "manual":
        detail = "only where capture_method is manual"
        raise invalid(Problem(pointer="#/capture_within", code="unknown-field", detail=detail))
    if body.capture_within > method.hold_seconds:
        detail = f"the channel holds it for {method.hold_seconds} seconds"
        raise invalid(Problem(pointer="#/capture_within", code="too-large", detail=detail))


def order_of(
    body: NewPayment,
    method: Method | None,
    deps: ApiDependencies,
    *,
    app_id: str,
    policy: str,
    mark: str,
) -> PaymentOrder:
    """What is written down: the body with what we add to it."""
    now = deps.clock()
    expires_at = now + _payer_has(body, deps)
    return PaymentOrder(
        payment_id=new_id("pay"),
        app_id=app_id,
        merchant_id=body.merchant_id,
        order_no=body.order_no,
        money=Money(amount_minor=body.amount, currency=body.currency),
        method=body.method,
        subject=body.subject,
        created_at=now,
        expires_at=expires_at,
        initiate_by=_initiate_by(now, expires_at, method),
        late_success=LateSuccessPolicy(policy),
        fingerprint=mark,
        return_url=body.return_url,
        payer_code=body.payer_code,
        capture_method=body.capture_method or "automatic",
        capture_within=body.capture_within,
        checkout_token=secrets.token_urlsafe(_TOKEN_BYTES) if method is None else None,
    )


def _payer_has(body: NewPayment, deps: ApiDependencies) -> timedelta:
    if body.expires_in is None:
        return deps.options.payment_expiry
    return timedelta(seconds=body.expires_in)


def _initiate_by(now: datetime, expires_at: datetime, method: Method | None) -> datetime:
    waits = method is not None and method.payer_present
    return min(expires_at, now + _PAYER_WAITS) if waits else expires_at
