"""Stripe put together: API, 3-D Secure page, accounts, webhooks, and the passing of time."""

from collections.abc import Iterator
from datetime import timedelta

from starlette.routing import BaseRoute, Mount

from sandbox.desk import Reason, Refused
from sandbox.providers import Surroundings
from sandbox.stripe.accounts import Accounts
from sandbox.stripe.api import API_PATH, AfterExecution, Api
from sandbox.stripe.books import StripeBooks
from sandbox.stripe.challenge import CHALLENGE_PATH, ChallengePage
from sandbox.stripe.desk import IntentDesk, NotWaiting, Tools
from sandbox.stripe.events import EventLog
from sandbox.stripe.hosted_page import PAGE_PATH, HostedPage
from sandbox.stripe.models import Intent, IntentStatus, Refund, RefundStatus, Session
from sandbox.stripe.operations import Operations
from sandbox.stripe.plants import Plant, Plants
from sandbox.stripe.refunds import RefundDesk
from sandbox.stripe.sessions import SessionDesk
from sandbox.stripe.settler import Settler
from sandbox.stripe.words import SETTLES_AFTER, Ids, Problem
from sandbox.tills import Action, Payable


class Stripe:
    """One simulated Stripe on the house's books. It is also the till of its intents."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.books = StripeBooks(around.books)
        self.accounts = Accounts(around.books)
        ids = Ids(around.now)
        self.events = EventLog(
            books=self.books,
            accounts=self.accounts,
            ids=ids,
            now=around.now,
            announce=around.announce,
        )
        self.settler = Settler(
            books=self.books,
            now=around.now,
            after=lambda: SETTLES_AFTER * around.time_scale(),
            progress=around.progress,
        )
        self._tools = Tools(
            books=self.books,
            accounts=self.accounts,
            ids=ids,
            events=self.events,
            now=around.now,
            settles_at=self.settler.promise,
            challenge_url=self.challenge_url,
            page_url=self.page_url,
        )
        self.intents = IntentDesk(self._tools)
        self.refunds = RefundDesk(self._tools)
        self.sessions = SessionDesk(self._tools, self.intents)
        self.plants = Plants(self.books, ids)
        self._api: Api | None = None

    @property
    def base_url(self) -> str:
        return f"{self._around.public_url}/stripe"

    def routes(self) -> list[BaseRoute]:
        operations = Operations(
            tools=self._tools,
            intents=self.intents,
            refunds=self.refunds,
            sessions=self.sessions,
            plants=self.plants,
        )
        self._api = Api(
            tools=self._tools,
            operations=operations,
            intents=self.intents,
            refunds=self.refunds,
            faults=self._around.faults,
            after=AfterExecution(
                pay_first=self._settle_first,
                consider=lambda intent: self._around.consider(self, intent),
            ),
        )
        page = ChallengePage(
            books=self.books,
            accounts=self.accounts,
            desk=self.intents,
            templates=self._around.templates,
        )
        hosted = HostedPage(
            accounts=self.accounts, desk=self.sessions, templates=self._around.templates
        )
        return [*page.routes(), *hosted.routes(), Mount(API_PATH, app=self._api)]

    def start(self) -> None:
        self.settler.start(self.settle)

    def stop(self) -> None:
        self.settler.stop()

    def plant(self, plant: Plant) -> None:
        """Make the statement lie. Raises ValueError when it lies too much already."""
        self.plants.add(plant, self._around.now())

    def request_counts(self) -> dict[str, int]:
        return dict(self._api.requests) if self._api is not None else {}

    def challenge_url(self, intent: Intent) -> str:
        return f"{self._around.public_url}{CHALLENGE_PATH}/{intent.id}/{intent.challenge}"

    def page_url(self, session_id: str, code: str) -> str:
        return f"{self._around.public_url}{PAGE_PATH}/{session_id}/{code}"

    def settle(self, waiting: Intent | Refund, *, succeeds: bool | None = None) -> Intent | Refund:
        """Bring to an end what waits for time to pass. Raises NotWaiting."""
        with self.books.transaction():
            if isinstance(waiting, Intent):
                return self.intents.settle(waiting, succeeds=succeeds)
            ends = {None: None, True: RefundStatus.SUCCEEDED, False: RefundStatus.FAILED}
            return self.refunds.settle(waiting, ends[succeeds])

    def pay(self, intent: Intent) -> Intent:
        """The payer does what is asked, or time passes. Raises NotWaiting."""
        with self.books.transaction():
            if intent.status is IntentStatus.PROCESSING:
                return self.intents.settle(intent, succeeds=True)
            return self.intents.accept(intent)

    def pay_at_page(self, session: Session, card: str = "pm_card_visa") -> Intent:
        """The payer types a card on the page. Raises Refused when the page is closed."""
        try:
            with self.books.transaction():
                return self.sessions.pay(session, card)[1]
        except Problem:
            raise Refused(Reason.ALREADY_CLOSED) from None

    def refuse(self, intent: Intent) -> Intent:
        """The payer does not do what is asked. Raises NotWaiting."""
        with self.books.transaction():
            return self.intents.refuse(intent)

    def expire(self, intent: Intent) -> Intent:
        """Seven days pass, and Stripe gives up what is held. Raises NotWaiting."""
        if intent.status is not IntentStatus.REQUIRES_CAPTURE:
            raise NotWaiting(intent.status)
        with self.books.transaction():
            return self.intents.cancel(intent, "automatic")

    async def _settle_first(self, intent: Intent) -> None:
        """Whatever the intent waits for happens, and is told, before the merchant hears back."""
        if intent.status in {IntentStatus.REQUIRES_ACTION, IntentStatus.PROCESSING}:
            self.pay(intent)
        await self._around.deliver(intent)

    def is_idle(self, within: timedelta) -> bool:
        return self.settler.is_idle(within)

    # -- the till

    def waiting(self) -> Iterator[Payable]:
        found = tuple(self.books.oldest_intents())
        return (intent for intent in found if self.is_open(intent))

    def is_open(self, payable: Payable) -> bool:
        asked = IntentStatus.REQUIRES_ACTION
        return isinstance(payable, Intent) and payable.status is asked

    def act(self, trade_no: str, action: Action) -> None:
        intent = self.books.find(Intent, trade_no)
        if intent is None or not self.is_open(intent):
            return
        try:
            if action is Action.PAY:
                self.pay(intent)
            else:
                self.refuse(intent)
        except NotWaiting:
            return  # it was canceled meanwhile
