"""Cards on Stripe's own page: a checkout session for each attempt.

Stripe makes the payment intent when the payer confirms there, with the metadata we gave the
session: from then on the intent's events, refunds and statement lines name our serial, as they do
for a card taken by a form.

Source: docs.stripe.com/api/checkout/sessions (create, retrieve, list, expire) and
docs.stripe.com/payments/checkout/how-checkout-works, for version 2023-08-16; read 2026-11-21.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from channels.http import NotSent
from channels.stripe import errors
from channels.stripe.amounts import money_of, stripe_amount
from channels.stripe.answers import Given, Refused
from channels.stripe.client import StripeClient
from channels.stripe.errors import Meaning
from channels.stripe.parameters import StripeParameters
from channels.stripe.requests import Call, description
from models.channel import (
    Answer,
    Approved,
    Declined,
    Exchange,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    Unknown,
)

CHECKOUT = "stripe_checkout"
ABOUT_SESSIONS = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    }
)

_SESSION = re.compile(r"cs_[A-Za-z0-9_]{1,200}")
_INTENT = r"^pi_[A-Za-z0-9_]{1,120}$"
# A serial whose session's id we were never told is looked for among the newest.
_NEWEST = 100
_Text = Annotated[str, Field(max_length=5_000)]


class Session(BaseModel):
    """A checkout session, of the fields we use."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    object: Annotated[str, Field(pattern=r"^checkout\.session$")]
    id: Annotated[str, Field(pattern=r"^cs_[A-Za-z0-9_]{1,200}$")]
    status: _Text | None = None
    payment_status: _Text
    amount_total: Annotated[int, Field(ge=0)] | None = None
    currency: _Text | None = None
    client_reference_id: _Text | None = None
    payment_intent: Annotated[str, Field(pattern=_INTENT)] | None = None
    livemode: bool
    url: _Text | None = None


class SessionPage(BaseModel):
    """Sessions, newest first."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    data: list[Session]


async def pay(stripe: StripeClient, request: PayRequest) -> Answer:
    """Open a page for the attempt; nothing is charged before the payer confirms there."""
    if request.return_url is None:
        return Answer(outcome=NotAttempted(detail="Stripe's page needs an address to lead back to"))
    said, exchange = await stripe.ask(_pay_call(request, request.return_url), Session)
    match said:
        case NotSent(detail=detail):
            return Answer(outcome=NotAttempted(detail=detail))
        case Refused() if _says_nothing(said):
            outcome: Outcome = errors.unsettled(said)
        case Refused():
            outcome = errors.payment_refused(said)
        case Given(value=session):
            outcome = _outcome(session, request, stripe.parameters)
        case Unknown():
            outcome = said
    return Answer(outcome=outcome, exchange=exchange)


async def query(stripe: StripeClient, request: QueryRequest) -> Answer:
    """Where the page of a serial stands."""
    session, exchange = await _find(stripe, "query", request)
    if not isinstance(session, Session):
        return Answer(outcome=session, exchange=exchange)
    return Answer(outcome=_outcome(session, request, stripe.parameters), exchange=exchange)


async def close(stripe: StripeClient, request: QueryRequest) -> Answer:
    """Expire the page, so that nobody pays there any more. A paid one stays paid."""
    found, exchange = await _id_of(stripe, "close", request)
    if isinstance(found, Unknown):
        return Answer(outcome=found, exchange=exchange)
    call = Call("close", "POST", f"/v1/checkout/sessions/{found}/expire", form={})
    said, exchange = await stripe.ask(call, Session)
    match said:
        case Given(value=expired):
            outcome = _outcome(expired, request, stripe.parameters)
        case Refused():
            outcome = errors.unsettled(said)
        case NotSent(detail=detail):
            outcome = Unknown(detail=f"not sent: {detail}")
        case Unknown():
            outcome = said
    return Answer(outcome=outcome, exchange=exchange)


def is_ours(request: QueryRequest) -> bool:
    """Whether a question is about a page. Its intent is asked about by the page, which ends it."""
    return request.method == CHECKOUT


def outcome_of(session: Session) -> Outcome:
    """The outcome a session tells."""
    match session.status:
        case "open":
            step = Redirect(url=session.url) if session.url else None
            return Pending(detail="open", channel_reference=session.id, next_action=step)
        case "complete" if session.payment_status == "paid" and session.payment_intent:
            return _approved(session, session.payment_intent)
        case "complete":
            return Pending(detail="not paid yet", channel_reference=session.id)
        case "expired":
            return Declined(
                code=Meaning.CLOSED.value, detail="the page expired", channel_code="expired"
            )
        case other:
            word = (other or "none")[:64]
            return Unknown(detail=f"unlisted session status {word!r}", channel_code=word)


def _pay_call(request: PayRequest, return_url: str) -> Call:
    """One thing of our amount. Only cards, so that the answer is there when the payer comes back.

    No time is named: Stripe's own, a day, is later than ours, and at ours the page is expired. A
    time of ours would have to be the same in every repeat, and at least half an hour away.
    """
    item = "line_items[0][price_data]"
    ours = {"order": request.serial, "payment": request.payment_id}
    marks = {f"metadata[{name}]": value for name, value in ours.items()}
    return Call(
        operation="pay",
        method="POST",
        path="/v1/checkout/sessions",
        form={
            "mode": "payment",
            "client_reference_id": request.serial,
            "success_url": return_url,
            "cancel_url": return_url,
            "payment_method_types[0]": "card",
            "line_items[0][quantity]": "1",
            f"{item}[currency]": request.money.currency.lower(),
            f"{item}[unit_amount]": str(stripe_amount(request.money)),
            f"{item}[product_data][name]": description(request.subject)[:250] or request.serial,
            "payment_intent_data[description]": description(request.subject),
            **marks,
            **{f"payment_intent_data{_bracketed(name)}": value for name, value in marks.items()},
        },
        idempotency_key=f"{request.serial}-pay",
    )


def _bracketed(name: str) -> str:
    """`metadata[order]` as a member of something: `[metadata][order]`."""
    head, _, rest = name.partition("[")
    return f"[{head}][{rest}"


async def _find(
    stripe: StripeClient, operation: str, request: QueryRequest
) -> tuple[Session | Unknown, Exchange | None]:
    """The session as it stands now."""
    found, exchange = await _id_of(stripe, operation, request)
    if isinstance(found, Unknown):
        return found, exchange
    call = Call(operation, "GET", f"/v1/checkout/sessions/{found}")
    said, exchange = await stripe.ask(call, Session)
    return _given(said), exchange


async def _id_of(
    stripe: StripeClient, operation: str, request: QueryRequest
) -> tuple[str | Unknown, Exchange | None]:
    """The session's id: the one we were told, or that of our serial among the newest sessions.

    One that is not listed may exist all the same.
    """
    known = request.channel_reference or ""
    if _SESSION.fullmatch(known):
        return known, None
    intent_id, exchange = await _intent_of(stripe, operation, request)
    query = {"payment_intent": intent_id} if intent_id else {"limit": str(_NEWEST)}
    newest = Call(operation, "GET", "/v1/checkout/sessions", query=query)
    listed, exchange = await stripe.ask(newest, SessionPage)
    match listed:
        case Given(value=page):
            found = [one.id for one in page.data if one.client_reference_id == request.serial]
            unknown = Unknown(detail="Stripe's newest sessions do not name this serial")
            return (found[0] if len(found) == 1 else unknown), exchange
        case Refused():
            return errors.unsettled(listed), exchange
        case NotSent(detail=detail):
            return Unknown(detail=f"not sent: {detail}"), exchange
        case Unknown():
            return listed, exchange


async def _intent_of(
    stripe: StripeClient, operation: str, request: QueryRequest
) -> tuple[str | None, Exchange | None]:
    """The page's intent, as the channel told it or Stripe's search knows it, if there is one."""
    found, exchange = await stripe.find(operation, request)
    return (found if isinstance(found, str) else None), exchange


def _given(said: Given[Session] | Refused | NotSent | Unknown) -> Session | Unknown:
    match said:
        case Given(value=session):
            return session
        case Refused():
            return errors.unsettled(said)
        case NotSent(detail=detail):
            return Unknown(detail=f"not sent: {detail}")
        case Unknown():
            return said


def _outcome(
    session: Session, request: PayRequest | QueryRequest, parameters: StripeParameters
) -> Outcome:
    """What the session tells, if it is about what we asked for."""
    if session.client_reference_id != request.serial:
        named = (session.client_reference_id or "")[:64]
        return Unknown(detail=f"the answer is about {named!r}, not what we asked for")
    if session.livemode != parameters.is_live:
        return Unknown(detail="the answer is of the other mode, test or live")
    try:
        named_money = money_of(session.amount_total or 0, session.currency or "")
    except ValueError as error:
        return Unknown(detail=f"the amount cannot be read: {error}"[:400])
    if named_money != request.money:
        return Unknown(detail=f"it names {named_money}, we asked for {request.money}")
    return outcome_of(session)


def _approved(session: Session, intent_id: str) -> Outcome:
    try:
        money = money_of(session.amount_total or 0, session.currency or "")
    except ValueError as error:
        return Unknown(detail=f"paid, but the amount cannot be read: {error}"[:400])
    return Approved(channel_reference=intent_id, money=money)


def _says_nothing(refused: Refused) -> bool:
    return refused.error.type == "idempotency_error" or refused.status in errors.SAY_NOTHING
