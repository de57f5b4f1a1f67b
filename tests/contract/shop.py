"""A shop with an account at a channel: asks the adapter, and is the payer in the sandbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from channels.base import Account, Capturing, Channel, Reconciling, Refunding
from models.channel import (
    Answer,
    Approved,
    CallbackFacts,
    CaptureRequest,
    Confirm,
    NextAction,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    RefundRequest,
    SdkParameters,
    ShowQrCode,
    SubmitForm,
)
from models.money import Money
from tests.contract.features import Case
from tests.contract.inbox import Delivery, Inbox
from tests.contract.sides.base import Moved, Side, Will, moved_in
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control

_PAYMENT_ID = "pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ"
_REFUND_ID = "ref_01KAH4ZZZZZZZZZZZZZZZZZZZZ"
_CALLBACKS_MAX = 10  # of one payment, before the one that is waited for


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Shop:
    """Everything a scenario touches. `answers` are all that the adapter gave."""

    case: Case
    channel: Channel
    side: Side
    account: Account
    inbox: Inbox
    control: Control
    browser: httpx.AsyncClient
    answers: list[Answer] = field(default_factory=list)

    # ---- requests --------------------------------------------------------------------------------

    def order(self, will: Will = Will.PAYS, **changes: Any) -> PayRequest:
        """A payment of the side's price by a payer who is going to do `will`."""
        needs_code = self.method.needs_payer_code
        request = PayRequest(
            payment_id=_PAYMENT_ID,
            serial=a_number(),
            method=self.case.method,
            money=self.side.price.money,
            subject="两杯咖啡 & cake = 好",
            expires_at=now() + timedelta(minutes=15),
            notify_url=self.inbox.url,
            return_url="https://shop.example/back?order=7",
            payer_code=self.side.payer_code(self.case.method, will) if needs_code else None,
        )
        return request.model_copy(update=changes)

    def question(self, order: PayRequest, reference: str | None = None) -> QueryRequest:
        return QueryRequest(
            payment_id=order.payment_id,
            serial=order.serial,
            method=order.method,
            money=order.money,
            expires_at=order.expires_at,
            channel_reference=reference,
            capture_method=order.capture_method,
        )

    def return_of(
        self, order: PayRequest, minor: int | None = None, reference: str | None = None
    ) -> RefundRequest:
        """A refund of `minor` of the order, all of it without one."""
        amount = order.money.amount_minor if minor is None else minor
        return RefundRequest(
            payment_id=order.payment_id,
            refund_id=_REFUND_ID,
            refund_serial=a_number(),
            serial=order.serial,
            channel_reference=reference,
            money=Money(amount_minor=amount, currency=order.money.currency),
            paid=order.money,
        )

    def taking(
        self, order: PayRequest, minor: int | None = None, reference: str | None = None
    ) -> CaptureRequest:
        """A capture of `minor` of what the order holds, all of it without one."""
        amount = order.money.amount_minor if minor is None else minor
        return CaptureRequest(
            payment_id=order.payment_id,
            serial=order.serial,
            method=order.method,
            subject=order.subject,
            notify_url=order.notify_url,
            channel_reference=reference,
            money=Money(amount_minor=amount, currency=order.money.currency),
            authorized=order.money,
        )

    # ---- the adapter -----------------------------------------------------------------------------

    @property
    def method(self) -> Any:
        methods = self.channel.capabilities.methods
        return next(method for method in methods if method.name == self.case.method)

    async def pay(self, order: PayRequest) -> Outcome:
        return self._kept(await self.channel.pay(self.account, order, now()))

    async def query(self, order: PayRequest, *, reference: str | None = None) -> Outcome:
        question = self.question(order, reference)
        return self._kept(await self.channel.query(self.account, question, now()))

    async def close(self, order: PayRequest, *, reference: str | None = None) -> Outcome:
        question = self.question(order, reference)
        return self._kept(await self.channel.close(self.account, question, now()))

    async def refund(self, request: RefundRequest) -> Outcome:
        assert isinstance(self.channel, Refunding)
        return self._kept(await self.channel.refund(self.account, request, now()))

    async def query_refund(self, request: RefundRequest) -> Outcome:
        assert isinstance(self.channel, Refunding)
        return self._kept(await self.channel.query_refund(self.account, request, now()))

    async def capture(self, request: CaptureRequest) -> Outcome:
        assert isinstance(self.channel, Capturing)
        return self._kept(await self.channel.capture(self.account, request, now()))

    async def void(self, order: PayRequest, *, reference: str | None = None) -> Outcome:
        assert isinstance(self.channel, Capturing)
        question = self.question(order, reference)
        return self._kept(await self.channel.void(self.account, question, now()))

    @property
    def reconciling(self) -> Reconciling:
        assert isinstance(self.channel, Reconciling)
        return self.channel

    def parse(self, delivery: Delivery) -> CallbackFacts | None:
        return self.channel.parse_callback(self.account, delivery.headers, delivery.body, now())

    def _kept(self, answer: Answer) -> Outcome:
        self.answers.append(answer)
        return answer.outcome

    # ---- callbacks -------------------------------------------------------------------------------

    async def hear(self, wanted: Callable[[CallbackFacts], bool]) -> tuple[Delivery, CallbackFacts]:
        """The next callback that says what is waited for; others are let pass."""
        for _ in range(_CALLBACKS_MAX):
            delivery = await self.inbox.next()
            facts = self.parse(delivery)
            if facts is not None and wanted(facts):
                return delivery, facts
        raise AssertionError("the callback that was waited for did not come")

    async def hear_paid(self) -> tuple[Delivery, CallbackFacts]:
        return await self.hear(lambda facts: isinstance(facts.outcome, Approved))

    # ---- the payer -------------------------------------------------------------------------------

    async def open_cashier(self, order: PayRequest, outcome: Outcome) -> None:
        """Do what the payer is asked to do first: scan, follow, submit."""
        step: NextAction | None = outcome.next_action if isinstance(outcome, Pending) else None
        match step:
            case Redirect(url=url):
                await self._visit(httpx.Request("GET", url))
            case SubmitForm(url=url, fields=fields):
                headers = {"content-type": "application/x-www-form-urlencoded"}
                content = urlencode(fields).encode()
                await self._visit(httpx.Request("POST", url, content=content, headers=headers))
            case ShowQrCode():
                await self.control.post("/trades/open", out_trade_no=order.serial)
            case Confirm() | SdkParameters() | None:
                pass

    async def payer_pays(self, order: PayRequest) -> None:
        await self.control.post("/trades/pay", out_trade_no=order.serial)

    async def payer_refuses(self, order: PayRequest) -> None:
        await self.control.post("/trades/refuse", out_trade_no=order.serial)

    async def payer_is_turned_away(self, order: PayRequest) -> bool:
        """Whether the sandbox lets nobody pay this order."""
        answer = await self.control.post_raw("/trades/pay", out_trade_no=order.serial)
        return answer.is_client_error

    async def paid(self, **changes: Any) -> tuple[PayRequest, Approved]:
        """An order that the payer paid, and what a query says of it."""
        order = self.order(Will.PAYS, **changes)
        outcome = await self.pay(order)
        if isinstance(outcome, Pending):
            await self.open_cashier(order, outcome)
            await self.payer_pays(order)
        found = await self.query(order)
        assert isinstance(found, Approved), found
        return order, found

    async def waiting(self, **changes: Any) -> tuple[PayRequest, Pending]:
        """An order that waits for its payer, who has opened the cashier."""
        order = self.order(Will.WAITS, **changes)
        outcome = await self.pay(order)
        assert isinstance(outcome, Pending), outcome
        await self.open_cashier(order, outcome)
        return order, outcome

    async def moved(self, order: PayRequest) -> Moved:
        return await moved_in(self.control, order.serial)

    async def _visit(self, request: httpx.Request) -> None:
        response = await self.browser.send(request, follow_redirects=True)
        response.raise_for_status()
