"""Two independent writings of one protocol: our adapter for Stripe talks to the sandbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from channels.base import Account
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from channels.stripe.parameters import StripeParameters
from models.channel import (
    Approved,
    CallbackFacts,
    CaptureRequest,
    Declined,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    RefundRequest,
    Unknown,
)
from models.errors import BadSignature
from models.money import Money
from tests.sandbox.card_shop import Endpoint
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control, SandboxProcess

_PRICE = Money(amount_minor=19_99, currency="USD")


@pytest.fixture
async def stripe(sandbox: SandboxProcess) -> AsyncIterator[StripeChannel]:
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=3), read_timeout=timedelta(seconds=5)
    ) as http:
        yield StripeChannel(http, api_url=f"{sandbox.base_url}/stripe")


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def account(control: Control, endpoint: Endpoint) -> Account:
    made = await control.post("/stripe/accounts", webhook_url=endpoint.url)
    rolled = await control.post(f"/stripe/accounts/{made['account_id']}/webhook-secrets")
    parameters = StripeParameters.model_validate(
        {
            "secret_key": made["secret_key"],
            "publishable_key": made["publishable_key"],
            "webhook_secrets": " ".join(rolled["webhook_secrets"]),
        }
    )
    return Account(id="acc_1", version=1, parameters=parameters)


def _now() -> datetime:
    return datetime.now(UTC)


def _pay(card: str = "pm_card_visa", **changes: object) -> PayRequest:
    request = PayRequest(
        payment_id="pay_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        serial=a_number(),
        method="stripe_card",
        money=_PRICE,
        subject="两杯咖啡 & cake = 好",
        expires_at=_now() + timedelta(minutes=15),
        notify_url="http://127.0.0.1:1/",
        return_url="https://shop.example/back?order=7",
        payer_code=card,
    )
    return request.model_copy(update=changes)


def _query(request: PayRequest, reference: str | None = None) -> QueryRequest:
    return QueryRequest(
        payment_id=request.payment_id,
        serial=request.serial,
        method=request.method,
        money=request.money,
        expires_at=request.expires_at,
        channel_reference=reference,
    )


def _refund(request: PayRequest, reference: str | None, amount_minor: int) -> RefundRequest:
    return RefundRequest(
        payment_id=request.payment_id,
        refund_id="ref_01KAH3ZZZZZZZZZZZZZZZZZZZZ",
        refund_serial=a_number(),
        serial=request.serial,
        channel_reference=reference,
        money=Money(amount_minor=amount_minor, currency="USD"),
        paid=request.money,
    )


async def _next_facts(stripe: StripeChannel, account: Account, endpoint: Endpoint) -> CallbackFacts:
    """What the next webhook that is about something of ours says."""
    while True:
        webhook = await endpoint.next()
        facts = stripe.parse_callback(account, webhook.headers, webhook.body, _now())
        if facts is not None:
            return facts


async def test_a_card_payment_from_order_to_callback(
    stripe: StripeChannel, account: Account, endpoint: Endpoint
) -> None:
    request = _pay()

    paid = await stripe.pay(account, request, _now())
    again = await stripe.pay(account, request, _now())
    facts = await _next_facts(stripe, account, endpoint)
    searched = await stripe.query(account, _query(request), _now())

    assert isinstance(paid.outcome, Approved)
    assert again.outcome == paid.outcome, "the same serial is the same payment"
    assert isinstance(facts.outcome, Approved)
    assert isinstance(searched.outcome, Approved)
    assert (paid.outcome.money, facts.outcome.money) == (_PRICE, _PRICE)
    assert facts.serial == request.serial
    assert facts.channel_reference == paid.outcome.channel_reference
    assert searched.outcome.channel_reference == paid.outcome.channel_reference


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_chargeDeclined", "refused"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "card_details_wrong"),
        ("pm_card_chargeDeclinedProcessingError", "refused"),
        ("pm_nobody_made_this", "payer_code_invalid"),
    ],
)
async def test_a_refused_card_is_declined_with_our_code(
    stripe: StripeChannel, account: Account, card: str, code: str
) -> None:
    answer = await stripe.pay(account, _pay(card), _now())

    assert isinstance(answer.outcome, Declined)
    assert answer.outcome.code == code


async def test_consent_given_at_the_bank_ends_in_money(
    stripe: StripeChannel, account: Account, browser: httpx.AsyncClient, endpoint: Endpoint
) -> None:
    request = _pay("pm_card_threeDSecure2Required")

    made = await stripe.pay(account, request, _now())
    assert isinstance(made.outcome, Pending)
    assert isinstance(made.outcome.next_action, Redirect)
    asked = await _next_facts(stripe, account, endpoint)
    await browser.post(f"{made.outcome.next_action.url}/accept")
    told = await _next_facts(stripe, account, endpoint)
    seen = await stripe.query(account, _query(request, made.outcome.channel_reference), _now())

    assert isinstance(asked.outcome, Pending)
    assert isinstance(told.outcome, Approved)
    assert isinstance(seen.outcome, Approved)


async def test_consent_refused_at_the_bank_is_declined_and_nobody_can_pay_it_any_more(
    stripe: StripeChannel, account: Account, control: Control, endpoint: Endpoint
) -> None:
    request = _pay("pm_card_authenticationRequired")
    made = await stripe.pay(account, request, _now())
    assert isinstance(made.outcome, Pending)
    await _next_facts(stripe, account, endpoint)

    await control.post("/trades/refuse", out_trade_no=request.serial)
    told = await _next_facts(stripe, account, endpoint)
    query = _query(request, made.outcome.channel_reference)
    seen = await stripe.query(account, query, _now())
    seen_again = await stripe.query(account, query, _now())
    trade = await control.trade(request.serial)

    assert isinstance(told.outcome, Unknown), "the event asks for the query that ends it"
    assert isinstance(seen.outcome, Declined)
    assert isinstance(seen_again.outcome, Declined)
    assert seen.outcome.code == "authentication_failed"
    assert (trade["status"], trade["executions"]) == ("closed", 0)


async def test_without_a_way_back_a_card_that_wants_consent_is_refused(
    stripe: StripeChannel, account: Account
) -> None:
    request = _pay("pm_card_threeDSecure2Required", return_url=None)

    answer = await stripe.pay(account, request, _now())

    assert isinstance(answer.outcome, Declined)
    assert answer.outcome.code == "authentication_required"


async def test_a_payment_that_waits_is_closed_for_good(
    stripe: StripeChannel, account: Account
) -> None:
    request = _pay("pm_card_threeDSecure2Required")
    await stripe.pay(account, request, _now())

    closed = await stripe.close(account, _query(request), _now())
    again = await stripe.close(account, _query(request), _now())
    seen = await stripe.query(account, _query(request), _now())

    for answer in (closed, again, seen):
        assert isinstance(answer.outcome, Declined)
        assert answer.outcome.code == "closed"


async def test_what_was_paid_is_not_closed(stripe: StripeChannel, account: Account) -> None:
    request = _pay()
    await stripe.pay(account, request, _now())

    closed = await stripe.close(account, _query(request), _now())
    seen = await stripe.query(account, _query(request), _now())

    assert isinstance(closed.outcome, Unknown)
    assert isinstance(seen.outcome, Approved)


async def test_a_part_of_what_is_held_is_taken_once(
    stripe: StripeChannel, account: Account, control: Control
) -> None:
    request = _pay(capture_method="manual")
    held = await stripe.pay(account, request, _now())
    assert isinstance(held.outcome, Approved)
    capture = CaptureRequest(
        payment_id=request.payment_id,
        serial=request.serial,
        method=request.method,
        subject=request.subject,
        notify_url=request.notify_url,
        channel_reference=held.outcome.channel_reference,
        money=Money(amount_minor=12_00, currency="USD"),
        authorized=request.money,
    )

    taken = await stripe.capture(account, capture, _now())
    again = await stripe.capture(account, capture, _now())
    seen = await stripe.query(account, _query(request), _now())

    assert isinstance(taken.outcome, Approved)
    assert isinstance(seen.outcome, Approved)
    assert again.outcome == taken.outcome
    assert (held.outcome.held, taken.outcome.held, seen.outcome.held) == (True, False, False)
    assert (taken.outcome.money, seen.outcome.money) == (capture.money, capture.money)
    assert (await control.trade(request.serial))["executions"] == 1


async def test_a_hold_is_released(stripe: StripeChannel, account: Account) -> None:
    request = _pay(capture_method="manual")
    await stripe.pay(account, request, _now())

    released = await stripe.void(account, _query(request), _now())
    seen = await stripe.query(account, _query(request), _now())

    assert isinstance(released.outcome, Declined)
    assert isinstance(seen.outcome, Declined)
    assert (released.outcome.code, seen.outcome.code) == ("closed", "closed")


async def test_refunds_are_given_once_each_and_never_more_than_was_paid(
    stripe: StripeChannel, account: Account
) -> None:
    request = _pay()
    paid = await stripe.pay(account, request, _now())
    assert isinstance(paid.outcome, Approved)
    reference = paid.outcome.channel_reference
    first, second = _refund(request, reference, 5_00), _refund(request, None, 14_99)

    unknown = await stripe.query_refund(account, first, _now())
    given = [await stripe.refund(account, one, _now()) for one in (first, first, second)]
    seen = await stripe.query_refund(account, first, _now())
    too_much = await stripe.refund(account, _refund(request, reference, 1), _now())

    assert isinstance(unknown.outcome, Unknown)
    assert all(isinstance(answer.outcome, Approved) for answer in given)
    assert given[0].outcome == given[1].outcome == seen.outcome
    assert isinstance(too_much.outcome, Declined)


async def test_a_refund_that_fails_later_says_so_in_an_event(
    stripe: StripeChannel, account: Account, control: Control, endpoint: Endpoint
) -> None:
    request = _pay("pm_card_refundFail")
    await stripe.pay(account, request, _now())
    await _next_facts(stripe, account, endpoint)
    refund = _refund(request, None, 19_99)

    given = await stripe.refund(account, refund, _now())
    await control.post("/stripe/settle", id=request.serial)
    told = [await _next_facts(stripe, account, endpoint)]
    while not isinstance(told[-1].outcome, Declined):
        told.append(await _next_facts(stripe, account, endpoint))
    seen = await stripe.query_refund(account, refund, _now())

    assert isinstance(given.outcome, Approved)
    assert {(facts.about, facts.serial) for facts in told} == {("refund", refund.refund_serial)}
    assert isinstance(seen.outcome, Declined)


@pytest.mark.parametrize(
    "kind",
    ["drop_before", "http_500_before", "drop_after", "http_500_after", "unknown_code"],
)
async def test_whatever_the_sandbox_does_wrong_is_unknown_and_a_repeat_pays_once(
    stripe: StripeChannel, account: Account, control: Control, kind: str
) -> None:
    request = _pay()
    fault = await control.fault(kind, request.serial)

    first = await stripe.pay(account, request, _now())
    again = await stripe.pay(account, request, _now())

    assert isinstance(first.outcome, Unknown)
    assert await control.fired(fault) == 1
    assert isinstance(again.outcome, Approved | Unknown)
    executions = (await control.trade(request.serial))["executions"]
    assert executions == 1 if isinstance(again.outcome, Approved) else executions <= 1


async def test_a_forged_webhook_is_refused(
    stripe: StripeChannel, account: Account, control: Control, endpoint: Endpoint
) -> None:
    request = _pay()
    await control.fault("bad_signature", request.serial, target="notification")
    await stripe.pay(account, request, _now())

    webhook = await endpoint.next()

    with pytest.raises(BadSignature):
        stripe.parse_callback(account, webhook.headers, webhook.body, _now())


async def test_a_webhook_with_another_amount_names_that_amount(
    stripe: StripeChannel, account: Account, control: Control, endpoint: Endpoint
) -> None:
    request = _pay()
    await control.fault("wrong_amount", request.serial, target="notification")
    await stripe.pay(account, request, _now())

    facts = await _next_facts(stripe, account, endpoint)

    assert isinstance(facts.outcome, Approved)
    assert facts.outcome.money != _PRICE
