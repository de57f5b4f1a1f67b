"""Writing requests to Stripe, and the record of what went over the wire.

Source: the API description of version 2023-08-16 (github.com/stripe/openapi) for paths and fields,
docs.stripe.com/api/idempotent_requests for keys; read 2026-11-20.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from channels.http import NoAnswer, NotSent, Reply, Result
from channels.stripe.amounts import stripe_amount
from models.channel import CaptureRequest, Exchange, PayRequest, QueryRequest, RefundRequest

CARD = "stripe_card"

# The one version whose words this adapter reads; without it the account's own default would speak.
API_VERSION = "2023-08-16"

PAYMENT_METHOD = re.compile(r"pm_[A-Za-z0-9_]{1,120}")
_INTENT = re.compile(r"pi_[A-Za-z0-9_]{1,120}")

# A payment gets a handful of refunds; one page of the longest size holds them all.
REFUNDS_MAX = 100

# With its charge a balance transaction has up to 10 KiB; the HTTP client takes a megabyte.
POSTINGS_PER_PAGE = 50

_DESCRIPTION_MAX = 1_000
_RECORD_MAX = 16_384
# Who paid and with which card is no part of our records, and a client secret may confirm an intent.
_PERSONAL = re.compile(
    r'("(?:client_secret|name|email|receipt_email|phone|line1|line2|city|state|postal_code'
    r'|fingerprint|last4|ip|payment_method|customer)"\s*:\s*")(?:[^"\\]|\\.)*"'
)
_SECRET_IN_URL = re.compile(r"(client_secret=)[^&\"\\\s]*")
_TOKEN = re.compile(r"\bpm_[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. With an `idempotency_key` Stripe does it once, however often it is sent."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str] | None = None
    form: Mapping[str, str] | None = None
    idempotency_key: str | None = None

    def headers(self, secret_key: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {secret_key}", "Stripe-Version": API_VERSION}
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = self.idempotency_key
        return headers


def pay_call(request: PayRequest) -> Call:
    """Make an intent and confirm it at once, with the card Stripe's own form took.

    Only cards, so that an intent is never left waiting for another way to pay. Without an address
    to come back to, a card that wants its holder's consent is refused instead of left hanging.
    """
    consent = (
        {"return_url": request.return_url}
        if request.return_url
        else {"error_on_requires_action": "true"}
    )
    return Call(
        operation="pay",
        method="POST",
        path="/v1/payment_intents",
        form={
            "amount": str(stripe_amount(request.money)),
            "currency": request.money.currency.lower(),
            "payment_method": request.payer_code or "",
            "payment_method_types[0]": "card",
            "confirm": "true",
            "capture_method": request.capture_method,
            "description": description(request.subject),
            "metadata[order]": request.serial,
            "metadata[payment]": request.payment_id,
            **consent,
        },
        idempotency_key=f"{request.serial}-pay",
    )


def find_call(operation: str, serial: str) -> Call:
    """Look for the intent of a serial whose id we were never told.

    Stripe's index runs behind by a minute, in outages by an hour: what it does not find may exist,
    and what it finds may have moved on since.
    """
    query = {"query": f"metadata['order']:'{serial}'", "limit": "2"}
    return Call(operation, "GET", "/v1/payment_intents/search", query=query)


def read_call(operation: str, intent_id: str) -> Call:
    return Call(operation, "GET", f"/v1/payment_intents/{intent_id}")


def cancel_call(operation: str, intent_id: str, reason: str) -> Call:
    """End an intent, which releases what it holds.

    Without a key on purpose: a cancel does the same however often it is done, and a key would give
    back a "not now" for a day.
    """
    return Call(
        operation,
        "POST",
        f"/v1/payment_intents/{intent_id}/cancel",
        form={"cancellation_reason": reason},
    )


def capture_call(request: CaptureRequest, intent_id: str) -> Call:
    return Call(
        "capture",
        "POST",
        f"/v1/payment_intents/{intent_id}/capture",
        form={"amount_to_capture": str(stripe_amount(request.money))},
        idempotency_key=f"{request.serial}-capture",
    )


def refund_call(request: RefundRequest, intent_id: str) -> Call:
    return Call(
        "refund",
        "POST",
        "/v1/refunds",
        form={
            "payment_intent": intent_id,
            "amount": str(stripe_amount(request.money)),
            "metadata[refund]": request.refund_serial,
            # A refund's line on the statement shows its own metadata and not the payment's.
            "metadata[order]": request.serial,
            "metadata[payment]": request.payment_id,
        },
        idempotency_key=f"{request.refund_serial}-refund",
    )


def refunds_call(operation: str, intent_id: str) -> Call:
    query = {"payment_intent": intent_id, "limit": str(REFUNDS_MAX)}
    return Call(operation, "GET", "/v1/refunds", query=query)


def postings_call(first: int, end: int, after: str | None) -> Call:
    """One page of the balance transactions made from second `first` until before `end`.

    They come newest first; `after` is the last one of the page before. Each with its source, which
    is where our numbers are.
    """
    query = {
        "created[gte]": str(first),
        "created[lt]": str(end),
        "limit": str(POSTINGS_PER_PAGE),
        "expand[0]": "data.source",
    }
    if after is not None:
        query["starting_after"] = after
    return Call("statement", "GET", "/v1/balance_transactions", query=query)


def intent_id_of(request: QueryRequest | CaptureRequest | RefundRequest) -> str | None:
    """The id Stripe gave the intent, if we know it; a text that is no such id goes in no path."""
    known = request.channel_reference or ""
    return known if _INTENT.fullmatch(known) else None


def description(text: str) -> str:
    """`text` as it appears beside the payment: one line, at most 1000 characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:_DESCRIPTION_MAX]


def record_of(call: Call, result: Result, now: datetime) -> Exchange | None:
    """The exchange as it may be kept: no key, no card, no payer. None: nothing was sent."""
    match result:
        case NotSent():
            return None
        case NoAnswer():
            status, response = None, None
        case Reply(status=status, body=body):
            response = masked(body.decode(errors="replace"))[:_RECORD_MAX]
    fields = {**(call.query or {}), **(call.form or {})}
    if "payment_method" in fields:
        fields["payment_method"] = _TOKEN.sub("pm_***", fields["payment_method"])
    if call.idempotency_key is not None:
        fields["Idempotency-Key"] = call.idempotency_key
    lines = (f"{call.method} {call.path}", *(f"{name}={value}" for name, value in fields.items()))
    return Exchange(
        operation=call.operation,
        request="\n".join(lines)[:_RECORD_MAX],
        response=response,
        http_status=status,
        started_at=now,
        duration_ms=result.duration_ms,
    )


def masked(text: str) -> str:
    """`text` without payer, card and secrets, and without NUL, which no text column takes."""
    hidden = _TOKEN.sub("pm_***", _PERSONAL.sub(r'\1***"', text))
    hidden = _SECRET_IN_URL.sub(r"\1***", hidden)
    return hidden.replace("\x00", "\N{REPLACEMENT CHARACTER}")
