"""What `query` and `close` do: find the intent, say where it stands, end it for good."""

import socket

import pytest

from channels.http import ChannelHttp
from channels.stripe.adapter import StripeChannel
from models.channel import Approved, Declined, Outcome, Pending, QueryRequest, Redirect, Unknown
from models.money import Money
from tests.channels.faulty_server import Behaviour, FaultyServer, hangs_up, is_silent, replies
from tests.channels.stripe_side import (
    INTENT_ID,
    NOW,
    SERIAL,
    a_query,
    an_account,
    card_error,
    in_turn,
    intent,
    invalid_request,
    lines,
    page,
    refused_intent,
    refuses,
    says,
    usd,
    waiting_for_consent,
)

READ = f"GET /v1/payment_intents/{INTENT_ID}"
SEARCH = "GET /v1/payment_intents/search"
CANCEL = f"POST /v1/payment_intents/{INTENT_ID}/cancel"


async def query(
    stripe: StripeChannel,
    gateway: FaultyServer,
    *behaviours: Behaviour,
    request: QueryRequest | None = None,
) -> Outcome:
    gateway.behaviour = in_turn(*behaviours)
    return (await stripe.query(an_account(), request or a_query(), NOW)).outcome


async def close(
    stripe: StripeChannel,
    gateway: FaultyServer,
    *behaviours: Behaviour,
    request: QueryRequest | None = None,
) -> Outcome:
    gateway.behaviour = in_turn(*behaviours)
    return (await stripe.close(an_account(), request or a_query(), NOW)).outcome


# ---- where it stands --------------------------------------------------------------------------


async def test_a_known_intent_is_read_by_its_id_alone(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await query(stripe, gateway, says(intent()))

    assert outcome == Approved(channel_reference=INTENT_ID, money=usd(19_99))
    assert lines(gateway) == [READ]
    assert "idempotency-key" not in gateway.heads[0].lower()


async def test_a_payment_held_is_approved_and_names_what_is_held(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await query(stripe, gateway, says(intent("requires_capture")))

    assert outcome == Approved(channel_reference=INTENT_ID, money=usd(19_99), held=True)


async def test_a_capture_of_nothing_or_of_more_than_was_held_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    emptied = intent(capture_method="manual", amount_received=0)
    over = intent(capture_method="manual", amount_received=20_00)

    assert isinstance(await query(stripe, gateway, says(emptied)), Unknown)
    assert isinstance(await query(stripe, gateway, says(over)), Unknown)


async def test_after_a_part_was_captured_the_answer_names_that_part(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    partly = intent(capture_method="manual", amount_received=12_00)

    outcome = await query(stripe, gateway, says(partly))

    assert outcome == Approved(channel_reference=INTENT_ID, money=usd(12_00))


@pytest.mark.parametrize("status", ["processing", "requires_confirmation"])
async def test_an_intent_under_way_is_pending(
    stripe: StripeChannel, gateway: FaultyServer, status: str
) -> None:
    assert isinstance(await query(stripe, gateway, says(intent(status))), Pending)


async def test_an_intent_that_waits_for_consent_says_where_to_go(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await query(stripe, gateway, says(waiting_for_consent()))

    assert isinstance(outcome, Pending)
    assert isinstance(outcome.next_action, Redirect)


async def test_a_canceled_intent_is_closed_with_stripes_reason(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    expired = intent("canceled", cancellation_reason="automatic")

    outcome = await query(stripe, gateway, says(expired))

    assert isinstance(outcome, Declined)
    assert (outcome.code, outcome.channel_code) == ("closed", "canceled automatic")


@pytest.mark.parametrize(
    "said",
    [
        intent(metadata={"order": "another"}),
        intent(amount=2000),
        intent(currency="eur"),
        intent(livemode=True),
        intent("requires_capture", capture_method="automatic"),
        intent("requires_capture", amount_capturable=1),
        intent("something_new"),
        refused_intent(metadata={"order": "another"}),
    ],
)
async def test_an_answer_that_is_not_our_payment_is_unknown_and_ends_nothing(
    stripe: StripeChannel, gateway: FaultyServer, said: dict[str, object]
) -> None:
    assert isinstance(await query(stripe, gateway, says(said)), Unknown)
    assert lines(gateway) == [READ]


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        is_silent,
        replies(b"<html>"),
        replies(b"", status=500),
        refuses(invalid_request("resource_missing", param="intent"), 404),
        refuses(invalid_request(), 401),
        refuses(invalid_request("rate_limit"), 429),
        refuses(card_error("insufficient_funds"), 402),
    ],
)
async def test_a_query_that_fails_says_nothing(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await query(stripe, gateway, behaviour), Unknown)


async def test_a_query_that_never_left_says_nothing(http: ChannelHttp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        answer = await StripeChannel(http, api_url=url).query(an_account(), a_query(), NOW)

    assert isinstance(answer.outcome, Unknown)


# ---- an intent whose id we were not told ------------------------------------------------------


async def test_an_intent_is_searched_by_our_serial_then_read_as_it_stands_now(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    remembered, now = waiting_for_consent(), intent("succeeded")

    outcome = await query(
        stripe,
        gateway,
        says(page(remembered)),
        says(now),
        request=a_query(channel_reference=None),
    )

    assert isinstance(outcome, Approved)
    assert lines(gateway) == [SEARCH, READ]
    assert gateway.requests[0] == {"query": f"metadata['order']:'{SERIAL}'", "limit": "2"}


@pytest.mark.parametrize("reference", ["", "ch_1", "pi_1/../refunds", "pi_1?a=b"])
async def test_what_is_no_intent_id_is_never_put_in_a_path(
    stripe: StripeChannel, gateway: FaultyServer, reference: str
) -> None:
    await query(stripe, gateway, says(page()), request=a_query(channel_reference=reference))

    assert lines(gateway) == [SEARCH]


@pytest.mark.parametrize(
    "found",
    [
        page(),
        page(intent(metadata={"order": "another"})),
        page(intent(), intent(id="pi_another")),
    ],
)
async def test_a_search_without_exactly_one_find_is_unknown_even_long_after_the_end(
    stripe: StripeChannel, gateway: FaultyServer, found: dict[str, object]
) -> None:
    request = a_query(channel_reference=None, expires_at=NOW.replace(year=2020))

    assert isinstance(await query(stripe, gateway, says(found), request=request), Unknown)
    assert lines(gateway) == [SEARCH]


@pytest.mark.parametrize("behaviour", [hangs_up, refuses(invalid_request(), 400)])
async def test_a_search_that_fails_says_nothing(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    request = a_query(channel_reference=None)

    assert isinstance(await query(stripe, gateway, behaviour, request=request), Unknown)


# ---- a card refused at the bank's page --------------------------------------------------------


async def test_an_intent_whose_card_was_refused_is_ended_and_then_declined(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await query(
        stripe,
        gateway,
        says(refused_intent("insufficient_funds")),
        says(intent("canceled", cancellation_reason="abandoned")),
    )

    assert isinstance(outcome, Declined)
    assert outcome.code == "insufficient_funds"
    assert lines(gateway) == [READ, CANCEL]


async def test_consent_refused_at_the_bank_is_a_failed_authentication(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    error = invalid_request("payment_intent_authentication_failure")
    refused = intent("requires_payment_method", last_payment_error=error)

    outcome = await query(stripe, gateway, says(refused), says(intent("canceled")))

    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_failed"


async def test_asked_again_an_intent_ended_that_way_still_says_why(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    ended = intent("canceled", last_payment_error=card_error("insufficient_funds"))

    outcome = await query(stripe, gateway, says(ended))

    assert isinstance(outcome, Declined)
    assert outcome.code == "insufficient_funds"


@pytest.mark.parametrize(
    "cannot",
    [
        hangs_up,
        refuses(invalid_request("lock_timeout"), 429),
        refuses(
            invalid_request("payment_intent_unexpected_state", payment_intent=intent("succeeded"))
        ),
        refuses(
            invalid_request("payment_intent_unexpected_state", payment_intent=intent("processing"))
        ),
        says(intent("processing")),
        says(intent("canceled", metadata={"order": "another"})),
    ],
)
async def test_while_it_cannot_be_ended_a_refused_card_is_not_yet_final(
    stripe: StripeChannel, gateway: FaultyServer, cannot: Behaviour
) -> None:
    outcome = await query(stripe, gateway, says(refused_intent()), cannot)

    assert isinstance(outcome, Unknown)


# ---- close ------------------------------------------------------------------------------------


async def test_closing_cancels_the_intent(stripe: StripeChannel, gateway: FaultyServer) -> None:
    outcome = await close(stripe, gateway, says(intent("canceled")))

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"
    assert lines(gateway) == [CANCEL]
    assert gateway.requests == [{"cancellation_reason": "requested_by_customer"}]


async def test_a_cancel_carries_no_key_since_an_old_refusal_would_come_back(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    await close(stripe, gateway, says(intent("canceled")))

    assert "idempotency-key" not in gateway.heads[0].lower()


async def test_closing_what_is_closed_is_closed(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    error = invalid_request("payment_intent_unexpected_state", payment_intent=intent("canceled"))

    outcome = await close(stripe, gateway, refuses(error))

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"


async def test_an_intent_of_unknown_id_is_searched_and_closed(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await close(
        stripe,
        gateway,
        says(page(waiting_for_consent())),
        says(intent("canceled")),
        request=a_query(channel_reference=None),
    )

    assert isinstance(outcome, Declined)
    assert lines(gateway) == [SEARCH, CANCEL]


async def test_an_intent_that_cannot_be_found_cannot_be_closed(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    request = a_query(channel_reference=None)

    assert isinstance(await close(stripe, gateway, says(page()), request=request), Unknown)


@pytest.mark.parametrize(
    "behaviour",
    [
        hangs_up,
        is_silent,
        replies(b"", status=502),
        says(intent("succeeded")),
        says(intent("canceled", amount=2000)),
        refuses(invalid_request("payment_intent_unexpected_state")),
        refuses(
            invalid_request("payment_intent_unexpected_state", payment_intent=intent("succeeded"))
        ),
        refuses(
            invalid_request(
                "payment_intent_unexpected_state",
                payment_intent=intent("canceled", metadata={"order": "another"}),
            )
        ),
        refuses(invalid_request("resource_missing", param="intent"), 404),
        refuses(invalid_request(), 401),
    ],
)
async def test_closing_without_a_clear_answer_is_unknown_and_never_approved(
    stripe: StripeChannel, gateway: FaultyServer, behaviour: Behaviour
) -> None:
    assert isinstance(await close(stripe, gateway, behaviour), Unknown)


async def test_yen_and_dinars_are_compared_in_their_own_minor_units(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    dinars = Money(amount_minor=5_120, currency="KWD")
    said = intent(amount=5_120, currency="kwd")

    right = await query(stripe, gateway, says(said), request=a_query(money=dinars))
    wrong = await query(
        stripe,
        gateway,
        says(said),
        request=a_query(money=Money(amount_minor=512, currency="KWD")),
    )

    assert isinstance(right, Approved)
    assert right.money == dinars
    assert isinstance(wrong, Unknown)
