"""Capturing and releasing what a manual payment holds."""

import socket

import pytest

from channels.base import Capturing
from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from channels.stripe.errors import CAPTURES
from models.channel import (
    Approved,
    CaptureRequest,
    Declined,
    NotAttempted,
    Outcome,
    Pending,
    Unknown,
)
from models.money import Money
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, is_silent, replies
from tests.channels.stripe_side import (
    INTENT_ID,
    NOW,
    SERIAL,
    a_capture,
    a_query,
    an_account,
    headers_of,
    in_turn,
    intent,
    invalid_request,
    lines,
    page,
    refuses,
    says,
    usd,
)

UNEXPECTED = "payment_intent_unexpected_state"


def taken(amount: int = 19_99) -> dict[str, object]:
    return intent(capture_method="manual", amount_received=amount)


async def capture(
    stripe: StripeChannel,
    gateway: FaultyServer,
    *behaviours: Behaviour,
    request: CaptureRequest | None = None,
) -> Outcome:
    gateway.behaviour = in_turn(*behaviours)
    return (await stripe.capture(an_account(), request or a_capture(), NOW)).outcome


def test_stripe_holds_money(stripe: StripeChannel) -> None:
    assert isinstance(stripe, Capturing)


async def test_a_capture_takes_what_was_asked_under_a_key_of_its_own(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await capture(
        stripe, gateway, says(taken(12_00)), request=a_capture(money=usd(12_00))
    )

    assert outcome == Approved(channel_reference=INTENT_ID, money=usd(12_00))
    assert lines(gateway) == [f"POST /v1/payment_intents/{INTENT_ID}/capture"]
    assert gateway.requests == [{"amount_to_capture": "1200"}]
    assert headers_of(gateway.heads[0])["idempotency-key"] == f"{SERIAL}-capture"


async def test_a_capture_finds_its_intent_by_our_serial(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    held = intent("requires_capture")

    outcome = await capture(
        stripe,
        gateway,
        says(page(held)),
        says(taken()),
        request=a_capture(channel_reference=None),
    )

    assert isinstance(outcome, Approved)


async def test_a_capture_under_way_is_pending(stripe: StripeChannel, gateway: FaultyServer) -> None:
    processing = intent("processing", capture_method="manual")

    assert isinstance(await capture(stripe, gateway, says(processing)), Pending)


@pytest.mark.parametrize("code", [UNEXPECTED, "charge_already_captured"])
async def test_a_second_capture_finds_what_the_first_one_took(
    stripe: StripeChannel, gateway: FaultyServer, code: str
) -> None:
    same = await capture(stripe, gateway, refuses(invalid_request(code, payment_intent=taken())))
    other = await capture(
        stripe, gateway, refuses(invalid_request(code, payment_intent=taken(12_00)))
    )

    assert isinstance(same, Approved)
    assert isinstance(other, Unknown)


async def test_a_capture_of_a_hold_that_was_released_is_declined(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    released = intent("canceled", capture_method="manual", cancellation_reason="automatic")

    outcome = await capture(
        stripe, gateway, refuses(invalid_request(UNEXPECTED, payment_intent=released))
    )

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"


@pytest.mark.parametrize(("code", "meaning"), list(CAPTURES.items()))
async def test_every_listed_refusal_of_a_capture_is_declined(
    stripe: StripeChannel, gateway: FaultyServer, code: str, meaning: str
) -> None:
    outcome = await capture(stripe, gateway, refuses(invalid_request(code)))

    assert isinstance(outcome, Declined)
    assert outcome.code == meaning


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        is_silent,
        replies(b"", status=500),
        says(intent("requires_capture")),
        says(taken(12_00)),
        says(intent(capture_method="manual", metadata={"order": "another"})),
        refuses(invalid_request(UNEXPECTED)),
        refuses(invalid_request("brand_new")),
        refuses(invalid_request("lock_timeout"), 429),
        refuses({"type": "idempotency_error", "message": "another amount"}),
    ],
)
async def test_a_capture_without_a_clear_answer_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await capture(stripe, gateway, behaviour), Unknown)


@pytest.mark.parametrize(
    "changes",
    [
        {"money": usd(20_00)},
        {"money": usd(0)},
        {"money": Money(amount_minor=19_99, currency="EUR")},
        {
            "money": Money(amount_minor=5_123, currency="KWD"),
            "authorized": Money(amount_minor=6_000, currency="KWD"),
        },
    ],
)
async def test_a_capture_of_what_is_not_held_is_not_sent(
    stripe: StripeChannel, gateway: FaultyServer, changes: dict[str, object]
) -> None:
    outcome = await capture(stripe, gateway, request=a_capture(**changes))

    assert isinstance(outcome, NotAttempted)
    assert gateway.heads == []


async def test_a_capture_that_never_left_is_not_attempted(http: ChannelHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        stripe = StripeChannel(http, api_url=f"http://127.0.0.1:{unused.getsockname()[1]}")

        known = await stripe.capture(an_account(), a_capture(), NOW)
        searched = await stripe.capture(an_account(), a_capture(channel_reference=None), NOW)

    assert isinstance(known.outcome, NotAttempted)
    assert isinstance(searched.outcome, NotAttempted)


async def test_a_released_hold_is_closed(stripe: StripeChannel, gateway: FaultyServer) -> None:
    gateway.behaviour = says(intent("canceled", capture_method="manual"))

    answer = await stripe.void(an_account(), a_query(), NOW)

    assert isinstance(answer.outcome, Declined)
    assert answer.outcome.code == "closed"
    assert lines(gateway) == [f"POST /v1/payment_intents/{INTENT_ID}/cancel"]
    assert answer.exchange is not None
    assert answer.exchange.operation == "void"


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        says(intent("requires_capture")),
        refuses(invalid_request(UNEXPECTED, payment_intent=taken())),
    ],
)
async def test_a_hold_that_may_still_stand_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    gateway.behaviour = behaviour

    assert isinstance((await stripe.void(an_account(), a_query(), NOW)).outcome, Unknown)
