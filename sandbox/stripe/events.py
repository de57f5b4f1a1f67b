"""Events: kept as they were, told to the account's endpoint, signed with each of its secrets."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sandbox.dispatcher import Letter, News, Wording
from sandbox.faults import FaultType, Taken
from sandbox.outbox import Notification
from sandbox.stripe.accounts import Account, Accounts
from sandbox.stripe.books import StripeBooks
from sandbox.stripe.models import NOBODY, Charge, Intent, Origin, Refund, Session, StripeEvent
from sandbox.stripe.views import event_view
from sandbox.stripe.words import NOTIFY_SCHEDULE, PROVIDER, Ids, Shown

_ACKNOWLEDGED = range(200, 300)
_SPOILED = str.maketrans("0123456789abcdef", "123456789abcdef0")
_AMOUNTS = ("amount", "amount_received", "amount_capturable", "amount_captured", "amount_refunded")

# What an object was before what these events tell: the status it is shown with in older news.
_EARLIER = {
    "payment_intent.succeeded": ("payment_intent.processing", "processing"),
    "payment_intent.payment_failed": ("payment_intent.requires_action", "requires_action"),
    "payment_intent.canceled": ("payment_intent.requires_action", "requires_action"),
    "payment_intent.amount_capturable_updated": ("payment_intent.processing", "processing"),
    "refund.failed": ("refund.updated", "succeeded"),
    "refund.updated": ("refund.updated", "pending"),
}


class EventLog:
    """Writes events, and queues the webhooks that carry them."""

    def __init__(
        self,
        *,
        books: StripeBooks,
        accounts: Accounts,
        ids: Ids,
        now: Callable[[], datetime],
        announce: Callable[[News], None],
    ) -> None:
        self._books = books
        self._accounts = accounts
        self._ids = ids
        self._now = now
        self._announce = announce

    def record(
        self,
        kind: str,
        about: Intent | Charge | Refund | Session,
        content: Shown,
        origin: Origin = NOBODY,
    ) -> None:
        """Called inside the transaction that changed the object."""
        account = self._account(about.account_id)
        event = StripeEvent(
            id=self._ids.new("evt"),
            account_id=about.account_id,
            order_no=about.order_no,
            created_at=self._now(),
            intent=about.intent,
            type=kind,
            content=json.dumps(content),
            told=account.hears(kind),
            **origin.model_dump(),
        )
        self._books.add_event(event)
        if account.hears(kind) and account.webhook_url is not None:
            self._announce(_news(event, account.webhook_url))

    def wording(self) -> Wording:
        return Wording(
            schedule=NOTIFY_SCHEDULE,
            compose=self._compose,
            is_acknowledged=lambda status, _: status in _ACKNOWLEDGED,
            overtaken=frozenset(_EARLIER),
            earlier=self._earlier,
        )

    def _compose(self, notification: Notification, faults: Taken) -> Letter:
        event = self._event(notification)
        shown = event_view(event)
        if FaultType.WRONG_AMOUNT in faults:
            shown["data"]["object"] = one_too_high(shown["data"]["object"])
        body = json.dumps(shown, indent=2, ensure_ascii=False).encode()
        signature = self._signature(self._account(event.account_id), body)
        if FaultType.BAD_SIGNATURE in faults:
            head, _, rest = signature.partition(",")
            signature = ",".join(
                [head, *(f"v1={part[3:].translate(_SPOILED)}" for part in rest.split(","))]
            )
        headers = (
            "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
            "Content-Type: application/json; charset=utf-8\r\n"
            f"Stripe-Signature: {signature}\r\n"
        )
        return Letter(body, headers.encode("ascii"))

    def _signature(self, account: Account, body: bytes) -> str:
        return signature_header(account.webhook_secrets, int(self._now().timestamp()), body)

    def _earlier(self, later: Notification) -> News:
        """The event before, a second older and with another id, as if it had been under way."""
        event = self._event(later)
        kind, status = _EARLIER[event.type]
        content = json.loads(event.content) | {"status": status}
        older = event.model_copy(
            update={
                "id": self._ids.new("evt"),
                "type": kind,
                "content": json.dumps(content),
                "created_at": event.created_at - timedelta(seconds=1),
            }
        )
        self._books.add_event(older)
        return _news(older, later.url)

    def _event(self, notification: Notification) -> StripeEvent:
        event = self._books.find(StripeEvent, notification.notify_id)
        if event is None:
            raise LookupError(f"there is no event {notification.notify_id}")
        return event

    def _account(self, account_id: str) -> Account:
        account = self._accounts.find(account_id)
        if account is None:
            raise LookupError(f"there is no account {account_id}")
        return account


def signature_header(secrets: Iterable[str], at: int, body: bytes) -> str:
    """`Stripe-Signature` of a webhook sent at the Unix time `at`, with a code of each secret."""
    signed = b"%d." % at + body
    codes = (hmac.new(each.encode(), signed, hashlib.sha256).hexdigest() for each in secrets)
    return ",".join([f"t={at}", *(f"v1={code}" for code in codes)])


def one_too_high(shown: Shown) -> Shown:
    """The same object with amounts that are one minor unit too high, where there are any."""
    return shown | {name: shown[name] + 1 for name in _AMOUNTS if shown.get(name)}


def _news(event: StripeEvent, url: str) -> News:
    return News(
        notify_id=event.id,
        provider=PROVIDER,
        trade_no=event.intent,
        app_id=event.account_id,
        out_trade_no=event.order_no,
        method=event.type,
        trade_status=event.type,
        url=url,
    )
