"""Visits to Stripe's own page: opened by the merchant, paid with a card by the payer, or expired.

Source: Stripe API reference, "Checkout Sessions", API version 2023-08-16: the intent is made when
the payer confirms, a session can be expired while it is open, and a declined card leaves it open.
"""

from sandbox.stripe.desk import IntentDesk, Tender, Tools
from sandbox.stripe.models import NOBODY, Intent, IntentStatus, Kind, Origin, Session, SessionStatus
from sandbox.stripe.views import session_view
from sandbox.stripe.words import Problem, Shown, random_text

_SECRET_LENGTH = 25
_PAID = frozenset({IntentStatus.SUCCEEDED})
_CANCELABLE = frozenset(
    {
        IntentStatus.REQUIRES_PAYMENT_METHOD,
        IntentStatus.REQUIRES_CONFIRMATION,
        IntentStatus.REQUIRES_ACTION,
    }
)


class SessionDesk:
    """What happens to sessions, each step inside one transaction of the books."""

    def __init__(self, tools: Tools, intents: IntentDesk) -> None:
        self._tools = tools
        self._books = tools.books
        self._intents = intents

    def create(self, session: Session) -> Session:
        self._books.save(session, Kind.CREATED, self._tools.now())
        return session

    def find(self, session_id: str, account_id: str | None = None) -> Session | None:
        """The session as it stands now: what its intent and the clock did to it counts."""
        session = self._books.find(Session, session_id, account_id)
        return None if session is None else self._as_it_stands(session)

    def pay(self, session: Session, card: str) -> tuple[Session, Intent]:
        """Try a card. The intent says what became of it: paid, asked for proof, or declined."""
        if session.status is not SessionStatus.OPEN:
            raise self._unexpected(session)
        intent = self._books.find(Intent, session.intent) if session.intent else None
        if intent is None:
            intent = self._intents.create(self._new_intent(session))
            session = self._save(session, Kind.CONFIRMED, intent=intent.id)
        tender = Tender(card=card, return_url=f"{self.url(session)}/back")
        intent = self._intents.confirm(intent, tender)
        return self._as_it_stands(session), intent

    def expire(self, session: Session, origin: Origin = NOBODY) -> Session:
        """Close the page; what was begun there is canceled. Raises Problem when it is not open."""
        if session.status is not SessionStatus.OPEN:
            raise self._unexpected(session)
        return self._expire(session, origin)

    def intent_of(self, session: Session) -> Intent | None:
        return self._books.find(Intent, session.intent) if session.intent else None

    def challenge_url(self, intent: Intent) -> str:
        return self._tools.challenge_url(intent)

    def url(self, session: Session) -> str:
        return self._tools.page_url(session.id, session.code)

    def show(self, session: Session) -> Shown:
        return session_view(session, self.url(session))

    def _as_it_stands(self, session: Session) -> Session:
        if session.status is not SessionStatus.OPEN:
            return session
        intent = self.intent_of(session)
        if intent is not None and intent.status in _PAID:
            with self._books.transaction():
                done = self._save(session, Kind.COMPLETED, status=SessionStatus.COMPLETE)
                self._tools.events.record("checkout.session.completed", done, self.show(done))
            return done
        if self._tools.now() >= session.expires_at:
            with self._books.transaction():
                return self._expire(session, NOBODY)
        return session

    def _expire(self, session: Session, origin: Origin) -> Session:
        intent = self.intent_of(session)
        if intent is not None and intent.status in _CANCELABLE:
            self._intents.cancel(intent, None, origin)
        over = self._save(session, Kind.EXPIRED, status=SessionStatus.EXPIRED)
        self._tools.events.record("checkout.session.expired", over, self.show(over), origin)
        return over

    def _new_intent(self, session: Session) -> Intent:
        intent_id = self._tools.ids.new("pi")
        return Intent(
            id=intent_id,
            account_id=session.account_id,
            order_no=session.intent_metadata.get("order", ""),
            created_at=self._tools.now(),
            amount=session.amount,
            currency=session.currency,
            status=IntentStatus.REQUIRES_PAYMENT_METHOD,
            capture_method="automatic",
            automatic_methods=None,
            method_types=("card",),
            metadata=session.intent_metadata,
            description=session.description,
            statement_descriptor=None,
            return_url=None,
            client_secret=f"{intent_id}_secret_{random_text(_SECRET_LENGTH)}",
        )

    def _save(self, session: Session, kind: Kind, **changes: object) -> Session:
        moved = session.model_copy(update=changes)
        self._books.save(moved, kind, self._tools.now())
        return moved

    def _unexpected(self, session: Session) -> Problem:
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session'
            f" has a status of `{session.status}`."
        )
        return Problem(400, message)
