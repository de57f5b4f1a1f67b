"""Stripe, over its REST interface of version 2023-08-16: cards, on Stripe's own form or page.

The app's page lets Stripe's form make a payment method (`pm_…`) of the card, and passes that as the
payer's code; neither the app nor we ever see a card number.

Source: API description of version 2023-08-16 (github.com/stripe/openapi), docs.stripe.com on
idempotent requests, errors, manual capture and search; read 2026-11-20.
"""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from channels.base import (
    Account,
    Acknowledgement,
    Capabilities,
    ChannelParameters,
    Method,
    Operation,
    Surroundings,
)
from channels.http import ChannelHttp, NotSent
from channels.stripe import amounts, errors, outcomes, postings, requests, sessions
from channels.stripe.answers import Given, Intent, Refund, Refused
from channels.stripe.callbacks import read_event
from channels.stripe.client import StripeClient
from channels.stripe.parameters import StripeParameters
from channels.stripe.statement import StripeStatement
from models.channel import (
    Answer,
    CallbackFacts,
    CaptureRequest,
    Declined,
    NotAttempted,
    Outcome,
    PayRequest,
    QueryRequest,
    RefundRequest,
    Unknown,
)
from models.errors import ChannelMisconfigured
from models.reconciliation import StatementAvailability

# An authorization made online stands for seven days on most networks (what the merchant starts
# alone may stand for less, which we do not do); then Stripe cancels the intent by itself.
# Source: docs.stripe.com/payments/extended-authorization, "default authorization validity period",
# and docs.stripe.com/payments/place-a-hold-on-a-payment-method; read 2026-11-20.
HOLD_SECONDS = 7 * 24 * 3600

CAPABILITIES = Capabilities(
    methods=(
        # The Idempotency-Key is our serial: for at least a day Stripe answers a repeat with what
        # the first one did, and our repeats follow each other within a minute.
        Method(
            name=requests.CARD,
            title="Card (Stripe)",
            repeat_safe=True,
            needs_payer_code=True,
            manual_capture=True,
            hold_seconds=HOLD_SECONDS,
        ),
        # On Stripe's own page; opening it moves nothing.
        Method(name=sessions.CHECKOUT, title="Card on Stripe's page", repeat_safe=True),
    ),
    operations=frozenset(Operation),
    currencies=amounts.CURRENCIES,
    amount_min_minor=amounts.SMALLEST_MINOR,
    amount_max_minor=amounts.AMOUNT_MAX,
    expiry_max_seconds=24 * 3600,  # an intent has no expiry of its own; ours is a cancel
    timezone="UTC",  # a balance transaction's time is a Unix time; its day is ours to choose
)


API_URL = "https://api.stripe.com"


class StripeChannel:
    """Stripe's card payments as a `Channel`, `Refunding`, `Capturing` and `Reconciling`."""

    name = "stripe"
    capabilities = CAPABILITIES
    parameters: type[ChannelParameters] = StripeParameters

    def __init__(self, http: ChannelHttp, *, api_url: str) -> None:
        self._http = http
        self._api_url = api_url.rstrip("/")

    # ---- payments --------------------------------------------------------------------------------

    async def pay(self, account: Account, request: PayRequest, now: datetime) -> Answer:
        """Make an intent and confirm it with the payer's card.

        A card refused here is Declined at once, though its intent stays open: to confirm it again
        takes our secret key, or a client secret, and nobody was given that yet.
        """
        stripe = self._client(account, now)
        reason = _unsendable(request)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        if request.method == sessions.CHECKOUT:
            return await sessions.pay(stripe, request)
        said, exchange = await stripe.ask(requests.pay_call(request), Intent)
        match said:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Refused():
                outcome = outcomes.payment_refused(said, request, stripe.parameters)
            case Given(value=intent):
                outcome = outcomes.paid(intent, request, stripe.parameters)
            case Unknown():
                outcome = said
        return Answer(outcome=outcome, exchange=exchange)

    async def query(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Where a serial stands. Moves no money; a query that fails says nothing: Unknown.

        An intent whose card was refused at the bank's page is ended here, so that Declined is the
        truth: the payer's browser comes back with the client secret in its address, and could try
        another card with it.
        """
        stripe = self._client(account, now)
        if sessions.is_ours(request):
            return await sessions.query(stripe, request)
        intent, exchange = await stripe.read("query", request)
        if not isinstance(intent, Intent):
            return Answer(outcome=outcomes.silent(intent), exchange=exchange)
        stranger = outcomes.mismatch(intent, request, stripe.parameters)
        if stranger is None and intent.status == outcomes.REFUSED_ONCE:
            return await self._end_refused(stripe, intent, request)
        return Answer(outcome=stranger or outcomes.outcome_of(intent), exchange=exchange)

    async def close(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Cancel the intent, or expire the page. What was taken stays taken."""
        stripe = self._client(account, now)
        if sessions.is_ours(request):
            return await sessions.close(stripe, request)
        return await self._cancel("close", stripe, request)

    # ---- held money ------------------------------------------------------------------------------

    async def capture(self, account: Account, request: CaptureRequest, now: datetime) -> Answer:
        """Take what is held, or a part; Stripe releases the rest by itself."""
        stripe = self._client(account, now)
        reason = _uncapturable(request)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        found, exchange = await stripe.find("capture", request)
        if not isinstance(found, str):
            return Answer(outcome=outcomes.not_asked(found), exchange=exchange)
        said, exchange = await stripe.ask(requests.capture_call(request, found), Intent)
        match said:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Refused():
                outcome = outcomes.capture_refused(said, request, stripe.parameters)
            case Given(value=intent):
                outcome = outcomes.captured(intent, request, stripe.parameters)
            case Unknown():
                outcome = said
        return Answer(outcome=outcome, exchange=exchange)

    async def void(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Cancel the intent, which releases what it holds. What was captured takes a refund."""
        return await self._cancel("void", self._client(account, now), request)

    # ---- refunds ---------------------------------------------------------------------------------

    async def refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Give back under our refund number, once and for all time.

        Stripe forgets an Idempotency-Key after a day, so we look for the number among the intent's
        refunds first; that list, unlike the search, is never behind.
        """
        stripe = self._client(account, now)
        reason = amounts.unwritable(request.money)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        found, exchange = await stripe.find_refund("refund", request)
        if isinstance(found, Refund):
            return Answer(outcome=outcomes.refunded(found, request), exchange=exchange)
        if not isinstance(found, str):
            return Answer(outcome=outcomes.not_asked(found), exchange=exchange)
        said, exchange = await stripe.ask(requests.refund_call(request, found), Refund)
        match said:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Refused():
                outcome = errors.request_refused(said, errors.REFUNDS)
            case Given(value=refund):
                outcome = outcomes.refunded(refund, request)
            case Unknown():
                outcome = said
        return Answer(outcome=outcome, exchange=exchange)

    async def query_refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Where a refund stands: looked for by our number among the refunds of its intent."""
        found, exchange = await self._client(account, now).find_refund("query_refund", request)
        match found:
            case Refund():
                outcome = outcomes.refunded(found, request)
            case str():
                outcome = Unknown(detail="Stripe knows no refund of this number")
            case unanswered:
                outcome = outcomes.silent(unanswered)
        return Answer(outcome=outcome, exchange=exchange)

    # ---- statements ------------------------------------------------------------------------------

    async def fetch_statement(
        self, account: Account, day: date, into: Path, now: datetime
    ) -> StatementAvailability:
        """List the balance transactions of `day` into a file at `into`."""
        return await postings.fetch(self._client(account, now), account, day, into)

    def read_statement(self, account: Account, day: date, path: Path) -> StripeStatement:
        """The statement at `path`, which `fetch_statement` wrote."""
        is_live = _parameters_of(account).is_live
        return StripeStatement(path, account_id=account.id, is_live=is_live, day=day)

    # ---- callbacks -------------------------------------------------------------------------------

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts | None:
        """Verify an event and translate it; None for one that is about nothing of ours."""
        return read_event(_parameters_of(account), headers, body, now)

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        """Any 2xx; anything else makes Stripe send again, for up to three days."""
        return Acknowledgement(
            status_code=200 if accepted else 400,
            content_type="text/plain",
            body="ok" if accepted else "not accepted",
        )

    # ---- steps they share ------------------------------------------------------------------------

    def _client(self, account: Account, now: datetime) -> StripeClient:
        return StripeClient(self._http, self._api_url, _parameters_of(account), now)

    async def _end_refused(
        self, stripe: StripeClient, intent: Intent, request: QueryRequest
    ) -> Answer:
        call = requests.cancel_call("query", intent.id, "abandoned")
        said, exchange = await stripe.ask(call, Intent)
        ended = outcomes.canceled(said, request, stripe.parameters)
        outcome: Outcome = outcomes.closed(intent) if isinstance(ended, Declined) else ended
        return Answer(outcome=outcome, exchange=exchange)

    async def _cancel(self, operation: str, stripe: StripeClient, request: QueryRequest) -> Answer:
        found, exchange = await stripe.find(operation, request)
        if not isinstance(found, str):
            return Answer(outcome=outcomes.silent(found), exchange=exchange)
        call = requests.cancel_call(operation, found, "requested_by_customer")
        said, exchange = await stripe.ask(call, Intent)
        return Answer(
            outcome=outcomes.canceled(said, request, stripe.parameters), exchange=exchange
        )


def build_channel(around: Surroundings) -> StripeChannel:
    """The adapter, at Stripe's own address unless told otherwise."""
    return StripeChannel(around.http, api_url=around.url or API_URL)


def _parameters_of(account: Account) -> StripeParameters:
    if not isinstance(account.parameters, StripeParameters):
        raise ChannelMisconfigured(f"account {account.id} does not hold Stripe's parameters")
    return account.parameters


def _unsendable(request: PayRequest) -> str | None:
    """Why this request may not go out at all, None when it may."""
    if request.method == sessions.CHECKOUT:
        if request.capture_method == "manual":
            return "on Stripe's page money is taken at once"
        return amounts.obstacle_to(request.money)
    if request.method != requests.CARD:
        return f"Stripe has no method {request.method}"
    if not requests.PAYMENT_METHOD.fullmatch(request.payer_code or ""):
        return "the payer's code is no payment method (pm_…) of Stripe's form"
    return amounts.obstacle_to(request.money)


def _uncapturable(request: CaptureRequest) -> str | None:
    if request.money.currency != request.authorized.currency:
        return f"{request.authorized} is held, {request.money} cannot be taken of it"
    if not 0 < request.money.amount_minor <= request.authorized.amount_minor:
        return f"{request.authorized} is held, {request.money} cannot be taken of it"
    return amounts.unwritable(request.money)
