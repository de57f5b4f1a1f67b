"""The operations of the API: parameters in, objects out; each has a name for faults to meet."""

import re
from collections.abc import Callable
from typing import Final

from sandbox.stripe.books import Wanted
from sandbox.stripe.calls import Call, Operation, Result
from sandbox.stripe.desk import IntentDesk, Tender, Tools
from sandbox.stripe.expansion import Expansion
from sandbox.stripe.form import Fields
from sandbox.stripe.lists import Lists
from sandbox.stripe.models import (
    Charge,
    Intent,
    IntentStatus,
    Posting,
    Refund,
    Session,
    StripeEvent,
)
from sandbox.stripe.plants import Plants
from sandbox.stripe.refunds import RefundDesk, RefundOrder
from sandbox.stripe.session_calls import SessionCalls
from sandbox.stripe.sessions import SessionDesk
from sandbox.stripe.views import (
    balance_view,
    charge_view,
    event_view,
    failure_view,
    posting_view,
    refund_view,
)
from sandbox.stripe.words import CARDS, Problem, invalid, missing, random_text

_CAPTURE_METHODS: Final = frozenset({"automatic", "automatic_async", "manual"})
_CANCEL_REASONS: Final = frozenset(
    {"duplicate", "fraudulent", "requested_by_customer", "abandoned"}
)
_REFUND_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer"})
_CREATE_PARAMS: Final = (
    *("amount", "currency", "confirm", "capture_method", "payment_method", "return_url"),
    *("payment_method_types", "automatic_payment_methods", "metadata", "description"),
    *("off_session", "error_on_requires_action", "statement_descriptor", "confirmation_method"),
)
_CONFIRM_PARAMS: Final = (
    *("payment_method", "return_url", "off_session", "error_on_requires_action"),
    "capture_method",
)
_SECRET_LENGTH: Final = 25
_DESCRIPTION_MAX: Final = 1000
_DECLINED: Final = 402

# In this version automatic payment methods are on unless types are named, and may redirect.
_NEEDS_RETURN_URL: Final = (
    "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because"
    " some of these payment methods might redirect your customer off of your page, you must provide"
    " a `return_url`. If you don't want to accept redirect-based payment methods, set"
    " `automatic_payment_methods[enabled]` to `true` and"
    " `automatic_payment_methods[allow_redirects]` to `never`."
)


class Operations:
    """Finds the operation for a method and path, and runs it."""

    def __init__(
        self,
        *,
        tools: Tools,
        intents: IntentDesk,
        refunds: RefundDesk,
        sessions: SessionDesk,
        plants: Plants,
    ) -> None:
        self._tools = tools
        self._books = tools.books
        self._intents = intents
        self._refunds = refunds
        self._lists = Lists(tools, plants)
        self._sessions = SessionCalls(tools, sessions)
        self.expansion = Expansion(tools, plants)
        self._routes = tuple(
            (verb, re.compile(pattern), Operation(name, run))
            for verb, pattern, name, run in (
                ("POST", "payment_intents", "payment_intents.create", self._create),
                ("GET", "payment_intents", "payment_intents.list", self._lists.intents),
                ("GET", "payment_intents/search", "payment_intents.search", self._lists.search),
                ("GET", "payment_intents/([^/]+)", "payment_intents.retrieve", self._intent),
                *self._intent_steps(),
                ("POST", "refunds", "refunds.create", self._refund),
                ("GET", "refunds", "refunds.list", self._lists.refunds),
                ("GET", "refunds/([^/]+)", "refunds.retrieve", self._get_refund),
                ("GET", "charges", "charges.list", self._lists.charges),
                ("GET", "charges/([^/]+)", "charges.retrieve", self._charge),
                *self._statement(),
                *self._sessions.routes(),
            )
        )

    def find(self, verb: str, path: str) -> tuple[Operation, str]:
        """The operation, and the id in the path. Raises Problem(404)."""
        for allowed, pattern, operation in self._routes:
            found = pattern.fullmatch(path)
            if found is not None and allowed == verb:
                return operation, found[1] if found.groups() else ""
        raise Problem(404, f"Unrecognized request URL ({verb}: /v1/{path}).", saved=False)

    def order_no(self, object_id: str, fields: Fields) -> str:
        """Whose order a request is about, as far as can be told before it is executed."""
        named = fields.metadata().get("order") if object_id == "" else None
        if named:
            return named
        for name in (object_id, fields.text("payment_intent"), fields.text("charge")):
            found = self._books.order_no(name) if name else None
            if found is not None:
                return found
        return ""

    def result_of(self, intent: Intent) -> Result:
        """The intent itself; or an error, when its payment was just declined."""
        shown = self._tools.show(intent)
        if intent.failure is None:
            return Result(shown, intent)
        error = failure_view(intent.failure, intent) | {"payment_intent": shown}
        return Result({"error": error}, intent, _DECLINED)

    def _intent_steps(self) -> tuple[tuple[str, str, str, Callable[[Call], Result]], ...]:
        at = "payment_intents/([^/]+)/"
        return (
            ("POST", f"{at}confirm", "payment_intents.confirm", self._confirm),
            ("POST", f"{at}capture", "payment_intents.capture", self._capture),
            ("POST", f"{at}cancel", "payment_intents.cancel", self._cancel),
        )

    def _statement(self) -> tuple[tuple[str, str, str, Callable[[Call], Result]], ...]:
        lists = self._lists
        postings = "balance_transactions"
        return (
            ("GET", postings, f"{postings}.list", lists.postings),
            ("GET", f"{postings}/([^/]+)", f"{postings}.retrieve", self._posting),
            ("GET", "balance", "balance.retrieve", self._balance),
            ("GET", "events", "events.list", lists.events),
            ("GET", "events/([^/]+)", "events.retrieve", self._event),
        )

    # -- payment intents

    def _create(self, call: Call) -> Result:
        fields = call.fields
        fields.only(*_CREATE_PARAMS)
        intent = _read_intent(call, self._tools)
        tender = _read_tender(fields)
        if not fields.flag("confirm"):
            _refuse_without_confirm(fields)
            return self.result_of(self._intents.create(intent))
        _require_return_url(intent, tender)
        if intent.card is None:
            message = "You cannot confirm this PaymentIntent because it's missing a payment method."
            raise invalid("payment_method", message, "parameter_missing")
        self._intents.create(intent)
        return self.result_of(self._intents.confirm(intent, tender, call.origin))

    def _intent(self, call: Call) -> Result:
        call.fields.only("client_secret")
        intent = self._find_intent(call)
        return Result(self._tools.show(intent), intent)

    def _confirm(self, call: Call) -> Result:
        call.fields.only(*_CONFIRM_PARAMS)
        intent = self._find_intent(call)
        tender = _read_tender(call.fields)
        method = call.fields.choice("capture_method", _CAPTURE_METHODS, intent.capture_method)
        _require_return_url(intent, tender)
        again = {"capture_method": method, "requests": intent.requests + 1}
        intent = intent.model_copy(update=again)
        return self.result_of(self._intents.confirm(intent, tender, call.origin))

    def _capture(self, call: Call) -> Result:
        call.fields.only("amount_to_capture", "metadata", "statement_descriptor")
        amount = call.fields.positive("amount_to_capture")
        return self.result_of(self._intents.capture(self._find_intent(call), amount, call.origin))

    def _cancel(self, call: Call) -> Result:
        call.fields.only("cancellation_reason")
        reason = None
        if call.fields.text("cancellation_reason") is not None:
            reason = call.fields.choice("cancellation_reason", _CANCEL_REASONS, "")
        intent = self._find_intent(call)
        if self._books.list_objects(Session, Wanted(intent=intent.id, limit=1)):
            message = "You cannot cancel the PaymentIntent of a Checkout Session: expire that."
            raise Problem(400, message, code="payment_intent_unexpected_state")
        canceled = self._intents.cancel(intent, reason, call.origin)
        return Result(self._tools.show(canceled), canceled)

    def _find_intent(
        self, call: Call, object_id: str | None = None, param: str = "intent"
    ) -> Intent:
        wanted = call.object_id if object_id is None else object_id
        intent = self._books.find(Intent, wanted, call.account.id)
        if intent is None:
            raise missing("payment_intent", wanted, param)
        return intent

    # -- refunds and charges

    def _refund(self, call: Call) -> Result:
        fields = call.fields
        fields.only("payment_intent", "charge", "amount", "reason", "metadata")
        reason = None
        if fields.text("reason") is not None:
            reason = fields.choice("reason", _REFUND_REASONS, "")
        order = RefundOrder(
            amount=fields.positive("amount"), reason=reason, metadata=fields.metadata()
        )
        refund = self._refunds.create(self._charge_to_refund(call), order, call.origin)
        return Result(refund_view(refund), self._books.find(Intent, refund.intent))

    def _charge_to_refund(self, call: Call) -> Charge:
        named, charge_id = call.fields.text("payment_intent"), call.fields.text("charge")
        if named is None and charge_id is None:
            message = "One of the following params should be provided: payment_intent or charge."
            raise invalid("payment_intent", message, "parameter_missing")
        if named is not None:
            intent = self._find_intent(call, named, "payment_intent")
            if intent.status is not IntentStatus.SUCCEEDED:
                message = (
                    f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
                )
                raise Problem(400, message)
            charge_id = intent.charge
        charge = self._books.find(Charge, charge_id or "", call.account.id)
        if charge is None:
            raise missing("charge", charge_id or "", "charge")
        return charge

    def _get_refund(self, call: Call) -> Result:
        call.fields.only()
        refund = self._books.find(Refund, call.object_id, call.account.id)
        if refund is None:
            raise missing("refund", call.object_id, "id")
        return Result(refund_view(refund))

    def _charge(self, call: Call) -> Result:
        call.fields.only()
        charge = self._books.find(Charge, call.object_id, call.account.id)
        if charge is None:
            raise missing("charge", call.object_id, "id")
        return Result(charge_view(charge))

    # -- the statement

    def _posting(self, call: Call) -> Result:
        call.fields.only()
        posting = self._books.find(Posting, call.object_id, call.account.id)
        if posting is None:
            raise missing("balance transaction", call.object_id, "id")
        return Result(posting_view(posting, self._tools.now()))

    def _balance(self, call: Call) -> Result:
        call.fields.only()
        return Result(balance_view(self._books.balance(call.account.id, self._tools.now())))

    def _event(self, call: Call) -> Result:
        call.fields.only()
        event = self._books.find(StripeEvent, call.object_id, call.account.id)
        if event is None:
            raise missing("event", call.object_id, "id")
        return Result(event_view(event))


def _read_intent(call: Call, tools: Tools) -> Intent:
    fields = call.fields
    currency = fields.currency()
    card = _read_card(fields)
    fields.choice("confirmation_method", {"automatic"}, "automatic")
    types = fields.texts("payment_method_types")
    if set(types) - {"card"}:
        raise invalid("payment_method_types", "Here only the payment method type card is known.")
    metadata = fields.metadata()
    intent_id = tools.ids.new("pi")
    return Intent(
        id=intent_id,
        account_id=call.account.id,
        order_no=metadata.get("order", ""),
        created_at=tools.now(),
        amount=fields.amount(currency),
        currency=currency,
        status=IntentStatus.REQUIRES_CONFIRMATION if card else IntentStatus.REQUIRES_PAYMENT_METHOD,
        capture_method=fields.choice("capture_method", _CAPTURE_METHODS, "automatic"),
        automatic_methods=None if types else _read_redirects(fields),
        method_types=types or ("card",),
        metadata=metadata,
        description=(fields.text("description") or "")[:_DESCRIPTION_MAX] or None,
        statement_descriptor=fields.text("statement_descriptor"),
        return_url=fields.text("return_url") if fields.flag("confirm") else None,
        client_secret=f"{intent_id}_secret_{random_text(_SECRET_LENGTH)}",
        card=card,
        method=tools.ids.new("pm") if card else None,
    )


def _read_redirects(fields: Fields) -> str | None:
    part = fields.part("automatic_payment_methods")
    if part is None:
        return "always"
    part.only("enabled", "allow_redirects")
    redirects = part.choice("allow_redirects", {"always", "never"}, "always")
    return redirects if part.flag("enabled") else None


def _read_tender(fields: Fields) -> Tender:
    return Tender(
        card=_read_card(fields),
        return_url=fields.text("return_url"),
        off_session=fields.flag("off_session") or fields.flag("error_on_requires_action"),
    )


def _read_card(fields: Fields) -> str | None:
    card = fields.text("payment_method")
    if card is not None and card not in CARDS:
        raise missing("PaymentMethod", card, "payment_method")
    return card


def _require_return_url(intent: Intent, tender: Tender) -> None:
    may_redirect = intent.automatic_methods == "always"
    if may_redirect and tender.return_url is None and intent.return_url is None:
        raise invalid("return_url", _NEEDS_RETURN_URL)


def _refuse_without_confirm(fields: Fields) -> None:
    for name in ("return_url", "off_session", "error_on_requires_action"):
        if fields.text(name) is not None:
            raise invalid(name, f"The parameter {name} cannot be passed unless confirm is true.")
