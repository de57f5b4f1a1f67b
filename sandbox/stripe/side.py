"""Stripe's intents in the control API's words: the same shape that all providers' trades have."""

from itertools import islice
from typing import Any

from sandbox.books import TradeFilter, TradeStatus
from sandbox.desk import Reason, Refused
from sandbox.stripe.books import Wanted
from sandbox.stripe.desk import NotWaiting
from sandbox.stripe.models import Intent, IntentStatus, Refund, Session
from sandbox.stripe.simulation import Stripe
from sandbox.stripe.words import PROVIDER
from sandbox.tills import Payable, Till

Shown = dict[str, Any]

_REFUNDS_MAX = 10_000  # of one payment; more than any test makes
_WAITING = "waiting"
_AUTHORIZED = "authorized"
_DECLINED_CARD = "pm_card_chargeDeclined"
_STATUS = {
    IntentStatus.REQUIRES_CAPTURE: _AUTHORIZED,
    IntentStatus.SUCCEEDED: TradeStatus.PAID.value,
    IntentStatus.CANCELED: TradeStatus.CLOSED.value,
}


class StripeSide:
    """Intents as trades: the merchant's number is `metadata[order]`."""

    provider = PROVIDER

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._books = stripe.books
        self.till: Till = stripe

    def list_trades(self, wanted: TradeFilter) -> list[Payable]:
        found = self._books.oldest_intents(
            account_id=wanted.app_id, order_no=wanted.out_trade_no, after=wanted.after
        )
        matching = (
            intent
            for intent in found
            if wanted.status is None or self._status(intent) == wanted.status
        )
        return list(islice(matching, wanted.limit))

    def find(self, number: str, app_id: str | None) -> Payable | None:
        named = self._books.find(Intent, number, app_id)
        if named is not None:
            return named
        wanted = Wanted(account_id=app_id, order_no=number, limit=1)
        intent = next(iter(self._books.list_objects(Intent, wanted)), None)
        # A visit to Stripe's page that nobody paid yet has no intent.
        return intent or next(iter(self._books.list_objects(Session, wanted)), None)

    def show(self, payable: Payable) -> Shown:
        if isinstance(payable, Session):
            return self._show_visit(payable)
        intent = _intent(payable)
        refunds = self._refunds(intent)
        standing = [refund for refund in refunds if refund.stands]
        asks = intent.status is IntentStatus.REQUIRES_ACTION
        return {
            "trade_no": intent.id,
            "provider": self.provider,
            "app_id": intent.account_id,
            "out_trade_no": intent.order_no,
            "product": "card",
            "amount_minor": intent.amount,
            "currency": intent.currency.upper(),
            "status": self._status(intent),
            "trade_status": intent.status,
            "cashier_url": self._stripe.challenge_url(intent) if asks else None,
            "created_at": intent.created_at,
            "expires_at": None,
            "paid_at": intent.paid_at,
            "closed_at": intent.canceled_at,
            "executions": intent.executions,
            "authorizations": intent.authorizations,
            "authorized_minor": intent.amount_capturable,
            "captured_minor": intent.amount_received,
            "refunds": len(standing),
            "refunded_minor": sum(refund.amount for refund in standing),
            "refund_list": [_show_refund(refund) for refund in reversed(refunds)],
            "requests": intent.requests,
        }

    def _show_visit(self, session: Session) -> Shown:
        return {
            "trade_no": session.id,
            "provider": self.provider,
            "app_id": session.account_id,
            "out_trade_no": session.order_no,
            "product": "checkout",
            "amount_minor": session.amount,
            "currency": session.currency.upper(),
            "status": _WAITING,
            "trade_status": session.status,
            "cashier_url": self._stripe.sessions.url(session),
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            "paid_at": None,
            "closed_at": None,
            "executions": 0,
            "authorizations": 0,
            "authorized_minor": 0,
            "captured_minor": 0,
            "refunds": 0,
            "refunded_minor": 0,
            "refund_list": [],
            "requests": 1,
        }

    def events(self, payable: Payable) -> list[Shown]:
        return [
            {
                "trade_no": payable.trade_no,
                "object_id": change.object_id,
                "kind": change.kind,
                "at": change.at,
                "amount_minor": change.amount,
                "details": "",
            }
            for change in self._books.history(payable.trade_no)
        ]

    def pay(self, payable: Payable, *, even_if_closed: bool) -> Payable:
        """A canceled intent stays canceled at Stripe, so `even_if_closed` changes nothing."""
        if isinstance(payable, Session):
            return self._stripe.pay_at_page(payable)
        try:
            return self._stripe.pay(_intent(payable))
        except NotWaiting:
            raise Refused(_reason(_intent(payable))) from None

    def open(self, payable: Payable) -> Payable:
        return payable

    def refuse(self, payable: Payable) -> Payable:
        if isinstance(payable, Session):
            return self._stripe.pay_at_page(payable, card=_DECLINED_CARD)
        try:
            return self._stripe.refuse(_intent(payable))
        except NotWaiting:
            raise Refused(_reason(_intent(payable))) from None

    def totals(self) -> Shown:
        """Counts of intents, and sums of money by currency, out of the postings themselves."""
        sums: dict[str, dict[str, int]] = {"captured": {}, "refunded": {}, "fees": {}}
        for kind, currency, amount, fee in self._books.turnover():
            name = currency.upper()
            sort, sign = ("captured", 1) if kind == "charge" else ("refunded", -1)
            sums[sort][name] = sums[sort].get(name, 0) + sign * amount
            sums["fees"][name] = sums["fees"].get(name, 0) + fee
        counts = self._books.status_counts()
        return {"intents": counts, "executions": self._books.captures(), **sums}

    def _refunds(self, intent: Intent) -> tuple[Refund, ...]:
        if not intent.executions:
            return ()
        return self._books.list_objects(Refund, Wanted(intent=intent.id, limit=_REFUNDS_MAX))

    def _status(self, intent: Intent) -> str:
        if intent.executions:
            back = sum(refund.amount for refund in self._refunds(intent) if refund.stands)
            if back == intent.amount_received:
                return TradeStatus.REFUNDED.value
        return _STATUS.get(intent.status, _WAITING)


def _show_refund(refund: Refund) -> Shown:
    return {
        "id": refund.id,
        "serial": refund.metadata.get("refund", ""),
        "amount_minor": refund.amount,
        "reason": refund.reason or "",
        "status": refund.status,
        "metadata": refund.metadata,
        "at": refund.created_at,
        "executions": 1,
        "requests": refund.requests,
    }


def _reason(intent: Intent) -> Reason:
    paid = {IntentStatus.SUCCEEDED, IntentStatus.REQUIRES_CAPTURE}
    if intent.status in paid:
        return Reason.ALREADY_PAID
    over = intent.status is IntentStatus.CANCELED
    return Reason.ALREADY_CLOSED if over else Reason.NOT_OPENED


def _intent(payable: Payable) -> Intent:
    if not isinstance(payable, Intent):
        raise TypeError(f"{payable.trade_no} is no payment intent")
    return payable
