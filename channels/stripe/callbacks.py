"""Reading Stripe's events: the raw bytes are checked before anything, then their age.

Source: docs.stripe.com/webhooks (signatures, tolerance) and the event types of the API description
of 2023-08-16; read 2026-11-20.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.stripe import outcomes, sessions
from channels.stripe.answers import Intent, Refund, RefundPage
from channels.stripe.parameters import StripeParameters
from models.channel import Approved, CallbackFacts
from models.errors import BadSignature, InvalidRequest

# An event with an intent in it has about 5 KiB, one with a charge 10.
BODY_MAX_BYTES = 65_536
# How old an event's signature may be, and how far ahead: every try is signed afresh.
TOLERANCE = timedelta(seconds=300)

_HEADER = "stripe-signature"
# One v1 for each secret of the endpoint and a v0 in test mode; more is an attack on our time.
_HEADER_MAX = 2_048
_TIMESTAMP = re.compile(r"[0-9]{1,12}")

_ABOUT_PAYMENTS = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "payment_intent.amount_capturable_updated",
        "payment_intent.requires_action",
        "payment_intent.processing",
    }
)
_ABOUT_REFUNDS = frozenset(
    {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}
)
_CHARGE_REFUNDED = "charge.refunded"

Model = TypeVar("Model", bound=BaseModel)


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    object: dict[str, Any]


class Event(BaseModel):
    """A verified event. Source: schema `event` of the API description of 2023-08-16."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    id: Annotated[str, Field(pattern=r"^evt_[A-Za-z0-9_]{1,120}$")]
    type: Annotated[str, Field(max_length=200)]
    created: int
    livemode: bool
    account: str | None = None
    data: _Payload


class _RefundedCharge(BaseModel):
    """A charge as `charge.refunded` shows it; since 2022-11-15 mostly without its refunds."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    refunds: RefundPage | None = None


def read_event(
    parameters: StripeParameters, headers: Mapping[str, str], body: bytes, now: datetime
) -> CallbackFacts | None:
    """Verify, then translate. None for an event about nothing that we asked for.

    Raises BadSignature or InvalidRequest as the protocol of channels says.
    """
    if len(body) > BODY_MAX_BYTES:
        raise InvalidRequest(f"the event is longer than {BODY_MAX_BYTES} bytes")
    check_signature(_header_of(headers), body, keys=parameters.webhook_keys, now=now)
    event = _event(body)
    if event.livemode != parameters.is_live:
        raise BadSignature("signed, but of the other mode, test or live")
    if event.account is not None:
        raise BadSignature("signed, but for an account connected to this one")
    if event.type in _ABOUT_PAYMENTS:
        return _about_payment(event)
    if event.type in sessions.ABOUT_SESSIONS:
        return _about_session(event)
    if event.type in _ABOUT_REFUNDS:
        return _about_refund(event, _read(Refund, event.data.object))
    if event.type == _CHARGE_REFUNDED:
        page = _read(_RefundedCharge, event.data.object).refunds
        return _about_refund(event, page.data[0]) if page and page.data else None
    return None


def check_signature(header: str, body: bytes, *, keys: Iterable[bytes], now: datetime) -> None:
    """Raise BadSignature unless one of `keys` signed `body` at a time close to `now`.

    Any of the header's v1 signatures may be the one: while a secret is rolled there are two.
    """
    timestamp, signatures = _parts_of(header)
    content = timestamp.encode() + b"." + body
    made = [hmac.new(key, content, hashlib.sha256).hexdigest().encode() for key in keys]
    matches = [hmac.compare_digest(one, given) for one in made for given in signatures]
    if not made:
        raise BadSignature("the account has no webhook secret, so no event is taken")
    if not any(matches):
        raise BadSignature("the event's signature is not Stripe's")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise BadSignature("the event was signed too long ago, or by a clock far ahead")


def _parts_of(header: str) -> tuple[str, list[bytes]]:
    """The timestamp and the v1 signatures; other schemes are older and weaker."""
    if len(header) > _HEADER_MAX:
        raise BadSignature("the signature header is too long")
    pairs = [piece.strip().partition("=") for piece in header.split(",")]
    timestamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode() for name, _, value in pairs if name == "v1"]
    if len(timestamps) != 1 or not signatures or not _TIMESTAMP.fullmatch(timestamps[0]):
        raise BadSignature("the event has no signature of scheme v1")
    return timestamps[0], signatures


def _header_of(headers: Mapping[str, str]) -> str:
    return next((value for name, value in headers.items() if name.lower() == _HEADER), "")


def _event(body: bytes) -> Event:
    try:
        return _read(Event, json.loads(body))
    except (ValueError, RecursionError):
        raise InvalidRequest("the event is no JSON") from None


def _read(model: type[Model], value: object) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        names = ", ".join(str(e["loc"][0]) if e["loc"] else "all" for e in error.errors())
        raise InvalidRequest(f"the event cannot be read: {names}") from None


def _about_payment(event: Event) -> CallbackFacts | None:
    """News of an intent. A refused card is Unknown, which asks for the query that ends it."""
    intent = _read(Intent, event.data.object)
    if not intent.order:
        return None
    outcome = outcomes.outcome_of(intent)
    if isinstance(outcome, Approved) and intent.status == outcomes.TAKEN:
        outcome = outcome.model_copy(update={"paid_at": outcomes.instant(event.created)})
    return CallbackFacts(
        channel_event_id=event.id,
        serial=intent.order,
        outcome=outcome,
        channel_reference=intent.id,
    )


def _about_session(event: Event) -> CallbackFacts | None:
    """News of Stripe's own page; a session that names no serial of ours is somebody else's."""
    session = _read(sessions.Session, event.data.object)
    if not session.client_reference_id:
        return None
    outcome = sessions.outcome_of(session)
    return CallbackFacts(
        channel_event_id=event.id,
        serial=session.client_reference_id,
        outcome=outcome,
        channel_reference=outcome.channel_reference if isinstance(outcome, Approved) else None,
    )


def _about_refund(event: Event, refund: Refund) -> CallbackFacts | None:
    """News of a refund. One made by hand in Stripe's dashboard has no number of ours."""
    if not refund.number:
        return None
    return CallbackFacts(
        channel_event_id=event.id,
        serial=refund.number,
        outcome=outcomes.refund_outcome(refund),
        channel_reference=refund.id,
        about="refund",
    )
