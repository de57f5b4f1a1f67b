"""What every refusal of a payment, and every lost answer, means for the money."""

import socket

import pytest

from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from channels.stripe.errors import DECLINES, REQUESTS
from models.channel import (
    Declined,
    NotAttempted,
    Outcome,
    PayRequest,
    Unknown,
)
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
    hangs_up,
    is_silent,
    replies,
    resets,
)
from tests.channels.stripe_side import (
    NOW,
    a_pay_request,
    an_account,
    card_error,
    intent,
    invalid_request,
    refused_intent,
    refuses,
    waiting_for_consent,
)


async def outcome_of(
    stripe: StripeChannel,
    gateway: FaultyServer,
    behaviour: Behaviour,
    request: PayRequest | None = None,
) -> Outcome:
    gateway.behaviour = behaviour
    return (await stripe.pay(an_account(), request or a_pay_request(), NOW)).outcome


# ---- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("decline_code", "meaning"), list(DECLINES.items()))
async def test_every_documented_decline_is_declined_with_our_code(
    stripe: StripeChannel, gateway: FaultyServer, decline_code: str, meaning: str
) -> None:
    error = card_error(decline_code, payment_intent=refused_intent(decline_code))

    outcome = await outcome_of(stripe, gateway, refuses(error, 402))

    assert isinstance(outcome, Declined)
    assert outcome.code == meaning
    assert outcome.channel_code == f"card_declined {decline_code}"


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("expired_card", "expired_card"),
        ("incorrect_cvc", "card_details_wrong"),
        ("processing_error", "refused"),
        ("authentication_required", "authentication_required"),
        ("card_declined", "refused"),
    ],
)
async def test_a_decline_without_the_issuers_reason_is_read_from_its_code(
    stripe: StripeChannel, gateway: FaultyServer, code: str, ours: str
) -> None:
    error = card_error(code=code, payment_intent=refused_intent())

    outcome = await outcome_of(stripe, gateway, refuses(error, 402))

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.channel_code) == (ours, code)


async def test_a_decline_code_we_do_not_list_is_a_refusal_of_a_card_alone(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    of_a_card = await outcome_of(stripe, gateway, refuses(card_error("brand_new", "new"), 402))
    of_something = await outcome_of(
        stripe, gateway, refuses(card_error("brand_new", "new", type="api_error"), 402)
    )

    assert isinstance(of_a_card, Declined)
    assert (of_a_card.code, of_a_card.channel_code) == ("refused", "new brand_new")
    assert isinstance(of_something, Unknown)


@pytest.mark.parametrize(
    "about",
    [
        intent("succeeded"),
        intent("processing"),
        waiting_for_consent(),
        refused_intent(metadata={"order": "another"}),
        refused_intent(amount=2000),
        refused_intent(livemode=True),
    ],
)
async def test_a_decline_with_an_intent_that_says_otherwise_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, about: dict[str, object]
) -> None:
    error = card_error("insufficient_funds", payment_intent=about)

    assert isinstance(await outcome_of(stripe, gateway, refuses(error, 402)), Unknown)


@pytest.mark.parametrize(("code", "meaning"), list(REQUESTS.items()))
async def test_every_listed_invalid_request_is_declined_with_our_code(
    stripe: StripeChannel, gateway: FaultyServer, code: str, meaning: str
) -> None:
    outcome = await outcome_of(stripe, gateway, refuses(invalid_request(code)))

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.channel_code) == (meaning, code)


@pytest.mark.parametrize(
    ("error", "status", "ours"),
    [
        (invalid_request(), 400, "invalid_request"),
        (invalid_request(param="amount"), 400, "invalid_request"),
        (
            invalid_request("resource_missing", param="payment_method"),
            400,
            "payer_code_invalid",
        ),
        (
            invalid_request("resource_missing", param="payment_method"),
            404,
            "payer_code_invalid",
        ),
    ],
)
async def test_a_request_refused_for_what_is_in_it_made_nothing(
    stripe: StripeChannel,
    gateway: FaultyServer,
    error: dict[str, object],
    status: int,
    ours: str,
) -> None:
    outcome = await outcome_of(stripe, gateway, refuses(error, status))

    assert isinstance(outcome, Declined)
    assert outcome.code == ours


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"type": "idempotency_error", "message": "Keys for idempotent requests…"}, 400),
        (invalid_request("idempotency_key_in_use"), 409),
        (invalid_request("lock_timeout"), 429),
        (invalid_request("rate_limit"), 429),
        (card_error("insufficient_funds"), 429),
        (invalid_request("payment_intent_unexpected_state"), 400),
        (invalid_request("brand_new"), 400),
        (invalid_request("parameter_missing", payment_intent=intent("succeeded")), 400),
        (invalid_request("resource_missing", param="customer"), 404),
        (invalid_request("resource_missing"), 404),
        (invalid_request(), 402),
        ({"type": "api_error", "message": "Sorry."}, 400),
        (invalid_request(), 418),
        (invalid_request("parameter_missing"), 500),
        (card_error("insufficient_funds"), 500),
        (card_error("insufficient_funds"), 503),
        (card_error("insufficient_funds"), 302),
        (card_error("insufficient_funds"), 201),
    ],
)
async def test_a_refusal_that_settles_nothing_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, error: dict[str, object], status: int
) -> None:
    assert isinstance(await outcome_of(stripe, gateway, refuses(error, status)), Unknown)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_stripe_does_not_take_means_that_nothing_was_attempted(
    stripe: StripeChannel, gateway: FaultyServer, status: int
) -> None:
    error = invalid_request(message="Invalid API Key provided: sk_test_exa***ple")

    outcome = await outcome_of(stripe, gateway, refuses(error, status))

    assert isinstance(outcome, NotAttempted)
    assert outcome.channel_code == f"HTTP {status}"
    assert "sk_test" not in outcome.detail


# ---- faults on the way ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        resets,
        is_silent,
        replies(b""),
        replies(b"not json"),
        replies(b"[]"),
        replies(b"\xff\xfe"),
        replies(b'{"error": "declined"}', status=402),
        replies(b"{}", status=402),
        replies(b"[" * 100_000),
        replies(b'{"object": "payment_intent"', announced=10_000),
    ],
)
async def test_a_lost_or_unreadable_answer_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await outcome_of(stripe, gateway, behaviour), Unknown)


async def test_a_request_that_never_left_is_not_attempted(http: ChannelHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        answer = await StripeChannel(http, api_url=url).pay(an_account(), a_pay_request(), NOW)

    assert isinstance(answer.outcome, NotAttempted)
    assert answer.exchange is None
