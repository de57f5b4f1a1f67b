"""Steps of payment intents: what is decided about money, and written into the books.

Every step is called inside one transaction of the books. What a step refuses, it refuses before
it writes anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sandbox.stripe.accounts import Accounts
from sandbox.stripe.books import StripeBooks
from sandbox.stripe.events import EventLog
from sandbox.stripe.models import (
    NOBODY,
    Charge,
    Intent,
    IntentStatus,
    Kind,
    Origin,
    PaymentFailure,
    Posting,
    Refund,
)
from sandbox.stripe.views import intent_view
from sandbox.stripe.words import AVAILABLE_AFTER, CARDS, Card, Conduct, Ids, Problem, Shown, fee_of

_CONFIRMABLE = frozenset(
    {
        IntentStatus.REQUIRES_PAYMENT_METHOD,
        IntentStatus.REQUIRES_CONFIRMATION,
        IntentStatus.REQUIRES_ACTION,
    }
)
_CANCELABLE = _CONFIRMABLE | {IntentStatus.REQUIRES_CAPTURE}
_ASKS_FIRST = Card(
    last4="",
    code="authentication_required",
    decline_code="authentication_required",
    message="Your card was declined. This transaction requires authentication.",
)
_NOT_PROVEN = Card(
    last4="",
    code="payment_intent_authentication_failure",
    decline_code=None,
    message="The provided PaymentMethod has failed authentication. You can provide another one to"
    " attempt to fulfill this PaymentIntent again.",
)


class NotWaiting(Exception):
    """It waits neither for a payer nor for time to pass."""


@dataclass(frozen=True, slots=True)
class Tender:
    """What is offered to pay with. `off_session`: the payer is not there to be asked."""

    card: str | None = None
    return_url: str | None = None
    off_session: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """What every desk works with."""

    books: StripeBooks
    accounts: Accounts
    ids: Ids
    events: EventLog
    now: Callable[[], datetime]
    settles_at: Callable[[], datetime]
    challenge_url: Callable[[Intent], str]
    page_url: Callable[[str, str], str]

    def show(self, intent: Intent) -> Shown:
        return intent_view(intent, self.challenge_url(intent))

    def post(
        self, kind: str, source: Charge | Refund, *, amount: int, with_fee: bool = False
    ) -> Posting:
        """Change the account's balance by `amount`, less the fee."""
        account = self.accounts.find(source.account_id)
        if account is None:
            raise LookupError(f"there is no account {source.account_id}")
        fixed, bps = account.fee_fixed_minor, account.fee_bps
        now = self.now()
        posting = Posting(
            id=self.ids.new("txn"),
            account_id=source.account_id,
            order_no=source.order_no,
            created_at=now,
            intent=source.intent,
            type=kind,
            source=source.id,
            amount=amount,
            fee=fee_of(amount, fee_bps=bps, fee_fixed=fixed) if with_fee else 0,
            currency=source.currency,
            available_at=now + AVAILABLE_AFTER,
        )
        self.books.post(posting)
        return posting


class IntentDesk:
    """From creation to capture or cancellation."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._books = tools.books

    def create(self, intent: Intent) -> Intent:
        self._books.save(intent, Kind.CREATED, self._tools.now())
        return intent

    def repeated(self, intent: Intent) -> Intent:
        """The merchant sent it again, which changed nothing."""
        return self._save(intent, Kind.REPEATED, requests=intent.requests + 1)

    def confirm(self, intent: Intent, tender: Tender, origin: Origin = NOBODY) -> Intent:
        """Try to take or hold the money. A declined one comes back with its failure."""
        card = tender.card or intent.card
        if intent.status not in _CONFIRMABLE or card is None:
            raise self.unexpected(intent, "confirm")
        method = intent.method if tender.card is None else self._tools.ids.new("pm")
        return_url = tender.return_url or intent.return_url
        intent = intent.model_copy(
            update={"card": card, "method": method, "return_url": return_url, "failure": None}
        )
        conduct = CARDS[card].conduct
        match conduct:
            case Conduct.SUCCEEDS:
                return self._authorize(intent, origin)
            case Conduct.DECLINES:
                return self._decline(intent, CARDS[card], origin)
            case Conduct.ASKS | Conduct.ASKS_THEN_DECLINES if tender.off_session:
                return self._decline(intent, _ASKS_FIRST, origin)
            case Conduct.ASKS | Conduct.ASKS_THEN_DECLINES:
                return self._challenge(intent, origin)
            case Conduct.PROCESSES | Conduct.PROCESSES_THEN_FAILS:
                return self._process(intent, origin)
            case _:
                assert_never(conduct)

    def accept(self, intent: Intent) -> Intent:
        """The payer proved who they are. Raises NotWaiting."""
        if intent.status is not IntentStatus.REQUIRES_ACTION or intent.card is None:
            raise NotWaiting(intent.status)
        if CARDS[intent.card].conduct is Conduct.ASKS_THEN_DECLINES:
            return self._decline(intent, CARDS[intent.card], NOBODY)
        return self._authorize(intent, NOBODY, authenticated=True)

    def refuse(self, intent: Intent) -> Intent:
        """The payer did not prove who they are. Raises NotWaiting."""
        if intent.status is not IntentStatus.REQUIRES_ACTION:
            raise NotWaiting(intent.status)
        return self._fail(intent, _NOT_PROVEN, None, NOBODY)

    def settle(self, intent: Intent, *, succeeds: bool | None = None) -> Intent:
        """End processing, as its card does or as told. Raises NotWaiting."""
        charge = self._books.find(Charge, intent.charge or "")
        if intent.status is not IntentStatus.PROCESSING or charge is None or intent.card is None:
            raise NotWaiting(intent.status)
        card = CARDS[intent.card]
        fails = card.conduct is Conduct.PROCESSES_THEN_FAILS if succeeds is None else not succeeds
        if fails:
            return self._decline(intent, card, NOBODY, charge)
        return self._authorize(intent, NOBODY, charge=charge)

    def capture(self, intent: Intent, amount: int | None, origin: Origin = NOBODY) -> Intent:
        """Take what is held or a part of it; the rest is released."""
        charge = self._books.find(Charge, intent.charge or "")
        if intent.status is not IntentStatus.REQUIRES_CAPTURE or charge is None:
            raise self.unexpected(intent, "capture")
        wanted = intent.amount_capturable if amount is None else amount
        if wanted > intent.amount_capturable:
            message = (
                f"The requested capture amount ({wanted}) is greater than the amount you can"
                f" capture for this charge ({intent.amount_capturable})."
            )
            raise Problem(400, message, code="amount_too_large", param="amount_to_capture")
        return self._take(intent, charge, wanted, origin)

    def cancel(self, intent: Intent, reason: str | None, origin: Origin = NOBODY) -> Intent:
        """End it unpaid; what was held is released."""
        if intent.status not in _CANCELABLE:
            raise self.unexpected(intent, "cancel")
        canceled = self._save(
            intent,
            Kind.CANCELED,
            intent.amount_capturable,
            status=IntentStatus.CANCELED,
            amount_capturable=0,
            challenge=None,
            canceled_at=self._tools.now(),
            cancellation_reason=reason,
        )
        return self._tell("payment_intent.canceled", canceled, origin)

    def unexpected(self, intent: Intent, step: str) -> Problem:
        message = (
            f"You cannot {step} this PaymentIntent because it has a status of {intent.status}"
            f"{'' if intent.card or step != 'confirm' else ' and is missing a payment method'}."
        )
        more = {"payment_intent": self._tools.show(intent)}
        return Problem(400, message, code="payment_intent_unexpected_state", more=more)

    def _challenge(self, intent: Intent, origin: Origin) -> Intent:
        asked = self._save(
            intent,
            Kind.CHALLENGED,
            status=IntentStatus.REQUIRES_ACTION,
            challenge=self._tools.ids.new("src").removeprefix("src_"),
        )
        return self._tell("payment_intent.requires_action", asked, origin)

    def _process(self, intent: Intent, origin: Origin) -> Intent:
        charge = self._new_charge(intent, "pending")
        self._books.save(charge, Kind.PROCESSING, self._tools.now())
        processing = self._save(
            intent,
            Kind.PROCESSING,
            status=IntentStatus.PROCESSING,
            charge=charge.id,
            settles_at=self._tools.settles_at(),
        )
        return self._tell("payment_intent.processing", processing, origin)

    def _authorize(
        self,
        intent: Intent,
        origin: Origin,
        *,
        authenticated: bool = False,
        charge: Charge | None = None,
    ) -> Intent:
        charge = charge or self._new_charge(intent, "succeeded", authenticated=authenticated)
        charge = charge.model_copy(update={"status": "succeeded"})
        held = intent.model_copy(
            update={
                "charge": charge.id,
                "challenge": None,
                "settles_at": None,
                "authorizations": intent.authorizations + 1,
            }
        )
        if intent.capture_method == "automatic":
            return self._take(held, charge, intent.amount, origin)
        self._books.save(charge, Kind.AUTHORIZED, self._tools.now(), charge.amount)
        held = self._save(
            held,
            Kind.AUTHORIZED,
            intent.amount,
            status=IntentStatus.REQUIRES_CAPTURE,
            amount_capturable=intent.amount,
        )
        return self._tell("payment_intent.amount_capturable_updated", held, origin)

    def _take(self, intent: Intent, charge: Charge, amount: int, origin: Origin) -> Intent:
        posting = self._tools.post("charge", charge, amount=amount, with_fee=True)
        now = self._tools.now()
        taken = charge.model_copy(
            update={"captured": True, "amount_captured": amount, "posting": posting.id}
        )
        self._books.save(taken, Kind.CAPTURED, now, amount)
        paid = self._save(
            intent,
            Kind.CAPTURED,
            amount,
            status=IntentStatus.SUCCEEDED,
            amount_received=amount,
            amount_capturable=0,
            paid_at=now,
            executions=intent.executions + 1,
        )
        return self._tell("payment_intent.succeeded", paid, origin)

    def _decline(
        self, intent: Intent, why: Card, origin: Origin, charge: Charge | None = None
    ) -> Intent:
        charge = charge or self._new_charge(intent, "failed")
        failed = charge.model_copy(
            update={
                "status": "failed",
                "failure_code": why.code,
                "failure_message": why.message,
                "decline_code": why.decline_code,
            }
        )
        self._books.save(failed, Kind.DECLINED, self._tools.now())
        return self._fail(intent, why, failed.id, origin)

    def _fail(self, intent: Intent, why: Card, charge: str | None, origin: Origin) -> Intent:
        failure = PaymentFailure(
            code=why.code,
            decline_code=why.decline_code,
            message=why.message,
            card=intent.card or "",
            method=intent.method or "",
            charge=charge,
            type="card_error" if charge else "invalid_request_error",
        )
        failed = self._save(
            intent,
            Kind.DECLINED,
            status=IntentStatus.REQUIRES_PAYMENT_METHOD,
            failure=failure,
            card=None,
            method=None,
            challenge=None,
            settles_at=None,
            charge=charge or intent.charge,
        )
        return self._tell("payment_intent.payment_failed", failed, origin)

    def _new_charge(self, intent: Intent, status: str, *, authenticated: bool = False) -> Charge:
        return Charge(
            id=self._tools.ids.new("ch"),
            account_id=intent.account_id,
            order_no=intent.order_no,
            created_at=self._tools.now(),
            intent=intent.id,
            amount=intent.amount,
            currency=intent.currency,
            status=status,
            card=intent.card or "",
            method=intent.method or "",
            metadata=intent.metadata,
            description=intent.description,
            authenticated=authenticated,
        )

    def _save(self, intent: Intent, kind: Kind, amount: int = 0, **changes: object) -> Intent:
        moved = intent.model_copy(update=changes)
        self._books.save(moved, kind, self._tools.now(), amount)
        return moved

    def _tell(self, kind: str, intent: Intent, origin: Origin) -> Intent:
        self._tools.events.record(kind, intent, self._tools.show(intent), origin)
        return intent
