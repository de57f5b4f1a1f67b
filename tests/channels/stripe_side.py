"""Stripe's side of the protocol, for tests: its objects, its errors, its signed events.

Written from the protocol, not with the adapter's code, so that the two check each other.
"""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from channels.base import Account
from channels.stripe.parameters import StripeParameters
from models.channel import CaptureRequest, PayRequest, QueryRequest, RefundRequest
from models.money import Money
from tests.channels.faulty_server import Behaviour, FaultyServer, replies

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
EXPIRES_AT = NOW + timedelta(minutes=15)
SERIAL = "01KAH3ZZZZZZZZZZZZZZZZZZZZ01"
PAYMENT_ID = "pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ"
REFUND_SERIAL = "01KAH4ZZZZZZZZZZZZZZZZZZZZR1"
INTENT_ID = "pi_3Oexample0000000000000001"
REFUND_ID = "re_3Oexample0000000000000001"
SECRET_KEY = "sk_test_example"
WEBHOOK_SECRET = "whsec_the_first_one"
NEXT_WEBHOOK_SECRET = "whsec_the_next_one"
CARD_TOKEN = "pm_1Oexample00000000000000001"

Json = dict[str, Any]


def as_entered(**changes: str) -> dict[str, str]:
    """Parameters as an admin enters them."""
    return {
        "secret_key": SECRET_KEY,
        "publishable_key": "pk_test_example",
        "webhook_secrets": WEBHOOK_SECRET,
        **changes,
    }


@cache
def an_account(webhook_secrets: str = WEBHOOK_SECRET, mode: str = "test") -> Account:
    parameters = StripeParameters.model_validate(
        as_entered(
            secret_key=f"sk_{mode}_example",
            publishable_key=f"pk_{mode}_example",
            webhook_secrets=webhook_secrets,
        )
    )
    return Account(id="acc_1", version=1, parameters=parameters)


# ---- objects ----------------------------------------------------------------------------------


def intent(status: str = "succeeded", **changes: object) -> Json:
    """A payment intent over 19.99 USD as it stands in `status`."""
    amount = changes.get("amount", 1999)
    return {
        "id": INTENT_ID,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": amount if status == "requires_capture" else 0,
        "amount_received": amount if status == "succeeded" else 0,
        "cancellation_reason": None,
        "capture_method": "manual" if status == "requires_capture" else "automatic",
        "client_secret": f"{INTENT_ID}_secret_notours",
        "confirmation_method": "automatic",
        "created": int(NOW.timestamp()),
        "currency": "usd",
        "last_payment_error": None,
        "latest_charge": "ch_3Oexample",
        "livemode": False,
        "metadata": {"order": SERIAL, "payment": PAYMENT_ID},
        "next_action": None,
        "payment_method": CARD_TOKEN,
        "payment_method_types": ["card"],
        "status": status,
        **changes,
    }


def waiting_for_consent(**changes: object) -> Json:
    address = "https://hooks.stripe.example/redirect/1?client_secret=src_secret"
    step = {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": address, "return_url": "https://shop.example/done"},
    }
    return intent("requires_action", next_action=step, **changes)


def card_error(
    decline_code: str | None = None, code: str = "card_declined", **changes: object
) -> Json:
    """`error` of a refused card, or `last_payment_error` of its intent."""
    error = {
        "type": "card_error",
        "code": code,
        "message": "Your card was declined.",
        "payment_method": {
            "id": CARD_TOKEN,
            "billing_details": {"name": "Jane Example", "email": "jane@shop.example"},
            "card": {"last4": "0002", "fingerprint": "Xt5EWLLDS7FJjR1c"},
        },
        **changes,
    }
    return error if decline_code is None else {**error, "decline_code": decline_code}


def refused_intent(decline_code: str = "generic_decline", **changes: object) -> Json:
    return intent(
        "requires_payment_method",
        last_payment_error=card_error(decline_code),
        payment_method=None,
        **changes,
    )


def invalid_request(code: str | None = None, **changes: object) -> Json:
    error = {"type": "invalid_request_error", "message": "That makes no sense.", **changes}
    return error if code is None else {**error, "code": code}


def refund(status: str | None = "succeeded", **changes: object) -> Json:
    """A refund of 5.00 USD of the intent."""
    return {
        "id": REFUND_ID,
        "object": "refund",
        "amount": 500,
        "charge": "ch_3Oexample",
        "created": int(NOW.timestamp()),
        "currency": "usd",
        "metadata": {"refund": REFUND_SERIAL},
        "payment_intent": INTENT_ID,
        "reason": None,
        "status": status,
        **changes,
    }


def page(*objects: Json, has_more: bool = False) -> Json:
    return {"object": "list", "data": list(objects), "has_more": has_more, "url": "/v1"}


# ---- answers ----------------------------------------------------------------------------------


def says(body: Json, status: int = 200) -> Behaviour:
    return replies(json.dumps(body).encode(), status=status)


def refuses(error: Json, status: int = 400) -> Behaviour:
    return says({"error": error}, status)


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Each request gets the next behaviour; the last one stays (a lost GET is sent twice)."""
    left = list(behaviours)

    async def behave(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(server, writer)

    return behave


def lines(server: FaultyServer) -> list[str]:
    """The first line of each request, without query and version."""
    return [head.split(" HTTP/")[0].partition("?")[0] for head in server.heads]


def headers_of(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in pairs if name}


# ---- events -----------------------------------------------------------------------------------


def event(kind: str, about: Json, **changes: object) -> bytes:
    body = {
        "id": "evt_3Oexample0000000000000001",
        "object": "event",
        "api_version": "2023-08-16",
        "created": int(NOW.timestamp()) - 2,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        **changes,
    }
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def signed(body: bytes, *secrets: str, at: datetime = NOW, scheme: str = "v1") -> dict[str, str]:
    """The headers of an event signed with each of `secrets`."""
    seconds = int(at.timestamp())
    codes = (
        hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
        for secret in secrets or (WEBHOOK_SECRET,)
    )
    value = ",".join([f"t={seconds}", *(f"{scheme}={code}" for code in codes)])
    return {"content-type": "application/json", "stripe-signature": value}


# ---- requests ---------------------------------------------------------------------------------


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="USD")


def a_pay_request(**changes: object) -> PayRequest:
    request = PayRequest(
        payment_id=PAYMENT_ID,
        serial=SERIAL,
        method="stripe_card",
        money=usd(19_99),
        subject="Two coffees & 一块蛋糕",
        expires_at=EXPIRES_AT,
        notify_url="https://pay.example/callbacks/stripe/acc_1",
        return_url="https://shop.example/done?a=1&b=2",
        payer_code=CARD_TOKEN,
    )
    return request.model_copy(update=changes)


def a_query(**changes: object) -> QueryRequest:
    request = QueryRequest(
        payment_id=PAYMENT_ID,
        serial=SERIAL,
        method="stripe_card",
        money=usd(19_99),
        expires_at=EXPIRES_AT,
        channel_reference=INTENT_ID,
    )
    return request.model_copy(update=changes)


def a_capture(**changes: object) -> CaptureRequest:
    request = CaptureRequest(
        payment_id=PAYMENT_ID,
        serial=SERIAL,
        method="stripe_card",
        subject="Two coffees & 一块蛋糕",
        notify_url="https://pay.example/callbacks/stripe/acc_1",
        channel_reference=INTENT_ID,
        money=usd(19_99),
        authorized=usd(19_99),
    )
    return request.model_copy(update=changes)


def a_refund(**changes: object) -> RefundRequest:
    request = RefundRequest(
        payment_id=PAYMENT_ID,
        refund_id="ref_01KAH4ZZZZZZZZZZZZZZZZZZZZ",
        refund_serial=REFUND_SERIAL,
        serial=SERIAL,
        channel_reference=INTENT_ID,
        money=usd(5_00),
        paid=usd(19_99),
    )
    return request.model_copy(update=changes)
