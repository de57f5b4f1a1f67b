"""Giving money back: once under each of our refund numbers, however often it is asked."""

import socket

import pytest

from channels.base import Refunding
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from channels.stripe.errors import REFUNDS
from models.channel import (
    Approved,
    Declined,
    NotAttempted,
    Outcome,
    Pending,
    RefundRequest,
    Unknown,
)
from models.money import Money
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, is_silent, replies
from tests.channels.stripe_side import (
    INTENT_ID,
    NOW,
    PAYMENT_ID,
    REFUND_ID,
    REFUND_SERIAL,
    SERIAL,
    a_refund,
    an_account,
    headers_of,
    in_turn,
    intent,
    invalid_request,
    lines,
    page,
    refund,
    refuses,
    says,
    usd,
)

LIST = "GET /v1/refunds"
CREATE = "POST /v1/refunds"
SEARCH = "GET /v1/payment_intents/search"

# Statuses Stripe documents for a refund, and what they are to us.
STATUSES = [
    ("succeeded", Approved),
    ("pending", Pending),
    ("requires_action", Pending),
    ("failed", Declined),
    ("canceled", Declined),
    ("something_new", Unknown),
    (None, Unknown),
]


async def give_back(
    stripe: StripeChannel,
    gateway: FaultyServer,
    *behaviours: Behaviour,
    request: RefundRequest | None = None,
) -> Outcome:
    gateway.behaviour = in_turn(*behaviours)
    return (await stripe.refund(an_account(), request or a_refund(), NOW)).outcome


async def ask(
    stripe: StripeChannel,
    gateway: FaultyServer,
    *behaviours: Behaviour,
    request: RefundRequest | None = None,
) -> Outcome:
    gateway.behaviour = in_turn(*behaviours)
    return (await stripe.query_refund(an_account(), request or a_refund(), NOW)).outcome


def test_stripe_gives_back(stripe: StripeChannel) -> None:
    assert isinstance(stripe, Refunding)


async def test_a_refund_is_looked_for_and_then_made_under_our_number(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await give_back(stripe, gateway, says(page()), says(refund()))

    assert outcome == Approved(channel_reference=REFUND_ID, money=usd(5_00))
    assert lines(gateway) == [LIST, CREATE]
    assert gateway.requests == [
        {"payment_intent": INTENT_ID, "limit": "100"},
        {
            "payment_intent": INTENT_ID,
            "amount": "500",
            "metadata[refund]": REFUND_SERIAL,
            "metadata[order]": SERIAL,
            "metadata[payment]": PAYMENT_ID,
        },
    ]
    assert headers_of(gateway.heads[1])["idempotency-key"] == f"{REFUND_SERIAL}-refund"


async def test_a_refund_that_was_made_is_never_made_again(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    older = refund(id="re_older", metadata={"refund": "another"})

    outcome = await give_back(stripe, gateway, says(page(older, refund())))

    assert isinstance(outcome, Approved)
    assert lines(gateway) == [LIST]


async def test_without_the_intents_id_it_is_searched_first(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await give_back(
        stripe,
        gateway,
        says(page(intent())),
        says(page()),
        says(refund()),
        request=a_refund(channel_reference=None),
    )

    assert isinstance(outcome, Approved)
    assert lines(gateway) == [SEARCH, LIST, CREATE]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
async def test_every_status_of_a_refund_has_its_outcome(
    stripe: StripeChannel, gateway: FaultyServer, status: str | None, kind: type
) -> None:
    said = refund(status, failure_reason="expired_or_canceled_card")

    assert isinstance(await give_back(stripe, gateway, says(page()), says(said)), kind)
    assert isinstance(await ask(stripe, gateway, says(page(said))), kind)


@pytest.mark.parametrize(("code", "meaning"), list(REFUNDS.items()))
async def test_every_listed_refusal_of_a_refund_is_declined(
    stripe: StripeChannel, gateway: FaultyServer, code: str, meaning: str
) -> None:
    outcome = await give_back(stripe, gateway, says(page()), refuses(invalid_request(code)))

    assert isinstance(outcome, Declined)
    assert outcome.code == meaning


async def test_more_than_is_left_is_declined(stripe: StripeChannel, gateway: FaultyServer) -> None:
    error = invalid_request(param="amount", message="Refund amount is greater than unrefunded")

    outcome = await give_back(stripe, gateway, says(page()), refuses(error))

    assert isinstance(outcome, Declined)
    assert outcome.code == "invalid_request"


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        is_silent,
        replies(b"", status=500),
        says(refund(amount=501)),
        says(refund(currency="eur")),
        says(refund(currency="zzz")),
        says(refund(metadata={"refund": "another"})),
        says(refund(metadata=None)),
        refuses({"type": "idempotency_error", "message": "another amount"}),
        refuses(invalid_request("lock_timeout"), 429),
        refuses(invalid_request("idempotency_key_in_use"), 409),
        refuses(invalid_request("resource_missing"), 404),
        refuses(invalid_request("brand_new")),
    ],
)
async def test_a_refund_without_a_clear_answer_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await give_back(stripe, gateway, says(page()), behaviour), Unknown)


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        replies(b"", status=500),
        refuses(invalid_request(), 401),
        says(page(refund(metadata={}), has_more=True)),
    ],
)
async def test_while_it_may_exist_unseen_no_refund_is_made(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await give_back(stripe, gateway, behaviour), Unknown)
    assert set(lines(gateway)) == {LIST}


async def test_a_refund_of_a_payment_that_is_not_found_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    request = a_refund(channel_reference=None)

    assert isinstance(await give_back(stripe, gateway, says(page()), request=request), Unknown)
    assert isinstance(await ask(stripe, gateway, says(page()), request=request), Unknown)
    assert lines(gateway) == [SEARCH, SEARCH]


async def test_an_amount_stripe_cannot_write_is_not_sent(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    request = a_refund(money=Money(amount_minor=1_234, currency="KWD"))

    assert isinstance(await give_back(stripe, gateway, request=request), NotAttempted)
    assert gateway.heads == []


async def test_a_refund_that_never_left_is_not_attempted_and_a_question_is_unknown(
    http: ChannelHttp,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        stripe = StripeChannel(http, api_url=f"http://127.0.0.1:{unused.getsockname()[1]}")

        made = await stripe.refund(an_account(), a_refund(), NOW)
        asked = await stripe.query_refund(an_account(), a_refund(), NOW)

    assert isinstance(made.outcome, NotAttempted)
    assert isinstance(asked.outcome, Unknown)


async def test_a_number_stripe_does_not_know_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    assert isinstance(await ask(stripe, gateway, says(page())), Unknown)


@pytest.mark.parametrize("behaviour", [hangs_up, refuses(invalid_request(), 404)])
async def test_a_question_without_an_answer_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await ask(stripe, gateway, behaviour), Unknown)
