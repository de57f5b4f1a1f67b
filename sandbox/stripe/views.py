"""Objects as Stripe's API 2023-08-16 shows them."""

import json
from datetime import datetime

from sandbox.stripe.models import (
    Charge,
    Intent,
    IntentStatus,
    PaymentFailure,
    Posting,
    Refund,
    Session,
    SessionStatus,
    StripeEvent,
)
from sandbox.stripe.words import API_VERSION, CARDS, Shown

_NOBODY: Shown = {
    "address": {
        "city": None,
        "country": None,
        "line1": None,
        "line2": None,
        "postal_code": None,
        "state": None,
    },
    "email": None,
    "name": None,
    "phone": None,
}
# What is never set here, as nothing that would set it can be asked for.
_INTENT_ALWAYS: Shown = {
    "application": None,
    "application_fee_amount": None,
    "customer": None,
    "invoice": None,
    "on_behalf_of": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": None,
    "shipping": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}
_CHARGE_ALWAYS: Shown = {
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "calculated_statement_descriptor": None,
    "customer": None,
    "failure_balance_transaction": None,
    "invoice": None,
    "on_behalf_of": None,
    "receipt_email": None,
    "receipt_number": None,
    "receipt_url": None,
    "review": None,
    "shipping": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}
_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def seconds(instant: datetime) -> int:
    return int(instant.timestamp())


def intent_view(intent: Intent, challenge_url: str | None) -> Shown:
    """`challenge_url` is where the payer proves who they are, while that is asked for."""
    return _INTENT_ALWAYS | {
        "id": intent.id,
        "object": "payment_intent",
        "amount": intent.amount,
        "amount_capturable": intent.amount_capturable,
        "amount_details": {"tip": {}},
        "amount_received": intent.amount_received,
        "automatic_payment_methods": _automatic(intent),
        "canceled_at": seconds(intent.canceled_at) if intent.canceled_at else None,
        "cancellation_reason": intent.cancellation_reason,
        "capture_method": intent.capture_method,
        "client_secret": intent.client_secret,
        "confirmation_method": "automatic",
        "created": seconds(intent.created_at),
        "currency": intent.currency,
        "description": intent.description,
        "last_payment_error": failure_view(intent.failure, intent) if intent.failure else None,
        "latest_charge": intent.charge,
        "livemode": False,
        "metadata": intent.metadata,
        "next_action": _next_action(intent, challenge_url),
        "payment_method": intent.method,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": list(intent.method_types),
        "processing": {"type": "card", "card": {}}
        if intent.status is IntentStatus.PROCESSING
        else None,
        "statement_descriptor": intent.statement_descriptor,
        "status": intent.status,
    }


def failure_view(failure: PaymentFailure, intent: Intent) -> Shown:
    """An error object for a payment that was not made, without the intent in it."""
    shown: Shown = {}
    if failure.charge is not None:
        shown["charge"] = failure.charge
    shown["code"] = failure.code
    if failure.decline_code is not None:
        shown["decline_code"] = failure.decline_code
    return shown | {
        "doc_url": f"https://stripe.com/docs/error-codes/{failure.code.replace('_', '-')}",
        "message": failure.message,
        "payment_method": method_view(failure.card, failure.method, intent.created_at),
        "type": failure.type,
    }


def method_view(card: str, method: str, created_at: datetime) -> Shown:
    return {
        "id": method,
        "object": "payment_method",
        "billing_details": _NOBODY,
        "card": _card_facts(card)
        | {
            "checks": _CHECKS,
            "generated_from": None,
            "networks": {"available": [CARDS[card].brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": seconds(created_at),
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def charge_view(charge: Charge) -> Shown:
    return _CHARGE_ALWAYS | {
        "id": charge.id,
        "object": "charge",
        "amount": charge.amount,
        "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded,
        "balance_transaction": charge.posting,
        "billing_details": _NOBODY,
        "captured": charge.captured,
        "created": seconds(charge.created_at),
        "currency": charge.currency,
        "description": charge.description,
        "disputed": False,
        "failure_code": charge.failure_code,
        "failure_message": charge.failure_message,
        "fraud_details": {},
        "livemode": False,
        "metadata": charge.metadata,
        "outcome": _outcome(charge),
        "paid": charge.status == "succeeded",
        "payment_intent": charge.intent,
        "payment_method": charge.method,
        "payment_method_details": _method_details(charge),
        "refunded": 0 < charge.amount_captured == charge.amount_refunded,
        "status": charge.status,
    }


def refund_view(refund: Refund) -> Shown:
    shown: Shown = {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": refund.posting,
        "charge": refund.charge,
        "created": seconds(refund.created_at),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.intent,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": refund.status,
        "transfer_reversal": None,
    }
    if refund.failure_posting is not None:
        shown["failure_balance_transaction"] = refund.failure_posting
        shown["failure_reason"] = refund.failure_reason
    return shown


def posting_view(posting: Posting, now: datetime) -> Shown:
    fee = {
        "amount": posting.fee,
        "application": None,
        "currency": posting.currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": posting.id,
        "object": "balance_transaction",
        "amount": posting.amount,
        "available_on": seconds(posting.available_at),
        "created": seconds(posting.created_at),
        "currency": posting.currency,
        "description": None,
        "exchange_rate": None,
        "fee": posting.fee,
        "fee_details": [fee] if posting.fee else [],
        "net": posting.net,
        "reporting_category": posting.type,
        "source": posting.source,
        "status": "available" if posting.available_at <= now else "pending",
        "type": posting.type,
    }


def event_view(event: StripeEvent) -> Shown:
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(event.created_at),
        "data": {"object": json.loads(event.content)},
        "livemode": False,
        "pending_webhooks": int(event.told),
        "request": {"id": event.request_id, "idempotency_key": event.idempotency_key},
        "type": event.type,
    }


def balance_view(sums: dict[str, tuple[int, int]]) -> Shown:
    """`sums`: by currency, what is available and what is pending. A new account has zero USD."""
    sums = sums or {"usd": (0, 0)}
    return {
        "object": "balance",
        "available": [_balance(currency, sums[currency][0]) for currency in sorted(sums)],
        "livemode": False,
        "pending": [_balance(currency, sums[currency][1]) for currency in sorted(sums)],
    }


def _balance(currency: str, amount: int) -> Shown:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _automatic(intent: Intent) -> Shown | None:
    if intent.automatic_methods is None:
        return None
    return {"allow_redirects": intent.automatic_methods, "enabled": True}


def _next_action(intent: Intent, challenge_url: str | None) -> Shown | None:
    if intent.status is not IntentStatus.REQUIRES_ACTION:
        return None
    if intent.return_url is None:  # nowhere to come back to: left to Stripe's own scripts
        return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    redirect = {"return_url": intent.return_url, "url": challenge_url}
    return {"redirect_to_url": redirect, "type": "redirect_to_url"}


def _card_facts(card: str) -> Shown:
    return {
        "brand": CARDS[card].brand,
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"sandbox{CARDS[card].last4}",
        "funding": "credit",
        "last4": CARDS[card].last4,
    }


def _method_details(charge: Charge) -> Shown:
    proof = {
        "authentication_flow": "challenge",
        "result": "authenticated",
        "result_reason": None,
        "version": "2.2.0",
    }
    card = _card_facts(charge.card) | {
        "checks": _CHECKS,
        "installments": None,
        "mandate": None,
        "network": CARDS[charge.card].brand,
        "three_d_secure": proof if charge.authenticated else None,
        "wallet": None,
    }
    return {"card": card, "type": "card"}


def _outcome(charge: Charge) -> Shown | None:
    if charge.status == "pending":
        return None
    declined = charge.status == "failed"
    return {
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": charge.decline_code or charge.failure_code,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank declined the payment." if declined else "Payment complete.",
        "type": "issuer_declined" if declined else "authorized",
    }


def session_view(session: Session, url: str) -> Shown:
    """A session of Stripe's own page; `url` is shown while it is open."""
    paid = session.status is SessionStatus.COMPLETE
    is_open = session.status is SessionStatus.OPEN
    return {
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": session.amount,
        "amount_total": session.amount,
        "cancel_url": session.cancel_url,
        "client_reference_id": session.client_reference,
        "created": seconds(session.created_at),
        "currency": session.currency,
        "customer": None,
        "customer_details": None,
        "customer_email": None,
        "expires_at": seconds(session.expires_at),
        "livemode": False,
        "metadata": session.metadata,
        "mode": "payment",
        # Made when the payer confirms, and told once that is done.
        "payment_intent": session.intent if paid else None,
        "payment_method_types": ["card"],
        "payment_status": "paid" if paid else "unpaid",
        "status": session.status,
        "success_url": session.success_url,
        "url": url if is_open else None,
    }
