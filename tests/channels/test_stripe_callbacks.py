"""Webhooks: what a proven event says."""

import json
from datetime import timedelta

import pytest

from channels.stripe.adapter import StripeChannel
from channels.stripe.callbacks import BODY_MAX_BYTES
from models.channel import Approved, CallbackFacts, Declined, Pending, Redirect, Unknown
from models.errors import BadSignature, InvalidRequest
from tests.channels.stripe_side import (
    INTENT_ID,
    NOW,
    REFUND_ID,
    REFUND_SERIAL,
    SERIAL,
    Json,
    an_account,
    event,
    intent,
    page,
    refund,
    refused_intent,
    signed,
    usd,
    waiting_for_consent,
)

EVENT_ID = "evt_3Oexample0000000000000001"
_BODY = event("payment_intent.succeeded", intent())


def parse(
    silent_stripe: StripeChannel, body: bytes, headers: dict[str, str] | None = None
) -> CallbackFacts | None:
    return silent_stripe.parse_callback(an_account(), headers or signed(body), body, NOW)


# ---- what an event says -----------------------------------------------------------------------


def test_a_paid_intent_is_approved_at_the_time_of_the_event(silent_stripe: StripeChannel) -> None:
    facts = parse(silent_stripe, event("payment_intent.succeeded", intent()))

    assert facts == CallbackFacts(
        channel_event_id=EVENT_ID,
        serial=SERIAL,
        channel_reference=INTENT_ID,
        outcome=Approved(
            channel_reference=INTENT_ID, money=usd(19_99), paid_at=NOW - timedelta(seconds=2)
        ),
    )


def test_a_paid_intent_names_what_was_received_whatever_was_asked(
    silent_stripe: StripeChannel,
) -> None:
    part = intent(capture_method="manual", amount_received=12_00)

    facts = parse(silent_stripe, event("payment_intent.succeeded", part))

    assert facts is not None
    assert isinstance(facts.outcome, Approved)
    assert facts.outcome.money == usd(12_00)
    assert not facts.outcome.held


def test_held_money_is_approved_without_a_time_of_payment(silent_stripe: StripeChannel) -> None:
    held = intent("requires_capture")

    facts = parse(silent_stripe, event("payment_intent.amount_capturable_updated", held))

    assert facts is not None
    assert facts.outcome == Approved(channel_reference=INTENT_ID, money=usd(19_99), held=True)


def test_a_card_refused_in_an_event_asks_for_the_query_that_ends_it(
    silent_stripe: StripeChannel,
) -> None:
    facts = parse(
        silent_stripe, event("payment_intent.payment_failed", refused_intent("do_not_honor"))
    )

    assert facts is not None
    assert isinstance(facts.outcome, Unknown)
    assert facts.outcome.channel_code == "card_declined do_not_honor"


def test_a_canceled_intent_is_declined(silent_stripe: StripeChannel) -> None:
    facts = parse(silent_stripe, event("payment_intent.canceled", intent("canceled")))

    assert facts is not None
    assert isinstance(facts.outcome, Declined)
    assert facts.outcome.code == "closed"


def test_an_intent_that_waits_for_consent_says_where_to_go(silent_stripe: StripeChannel) -> None:
    facts = parse(silent_stripe, event("payment_intent.requires_action", waiting_for_consent()))

    assert facts is not None
    assert isinstance(facts.outcome, Pending)
    assert isinstance(facts.outcome.next_action, Redirect)


def test_an_intent_under_way_is_pending(silent_stripe: StripeChannel) -> None:
    facts = parse(silent_stripe, event("payment_intent.processing", intent("processing")))

    assert facts is not None
    assert isinstance(facts.outcome, Pending)


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("payment_intent.succeeded", "processing", Pending),
        ("payment_intent.payment_failed", "canceled", Declined),
        ("payment_intent.succeeded", "something_new", Unknown),
    ],
)
def test_the_status_of_the_intent_counts_not_the_name_of_the_event(
    silent_stripe: StripeChannel, kind: str, status: str, outcome: type
) -> None:
    facts = parse(silent_stripe, event(kind, intent(status)))

    assert facts is not None
    assert isinstance(facts.outcome, outcome)


@pytest.mark.parametrize(
    ("kind", "status", "outcome"),
    [
        ("refund.updated", "succeeded", Approved),
        ("charge.refund.updated", "succeeded", Approved),
        ("refund.created", "pending", Pending),
        ("refund.failed", "failed", Declined),
        ("refund.updated", "canceled", Declined),
    ],
)
def test_news_of_a_refund_is_told_under_its_own_number(
    silent_stripe: StripeChannel, kind: str, status: str, outcome: type
) -> None:
    facts = parse(silent_stripe, event(kind, refund(status)))

    assert facts is not None
    assert (facts.about, facts.serial) == ("refund", REFUND_SERIAL)
    assert facts.channel_reference == REFUND_ID
    assert isinstance(facts.outcome, outcome)


def test_a_refunded_charge_is_told_under_the_newest_refunds_number(
    silent_stripe: StripeChannel,
) -> None:
    charge = {"object": "charge", "id": "ch_1", "refunds": page(refund())}

    facts = parse(silent_stripe, event("charge.refunded", charge))

    assert facts is not None
    assert (facts.about, facts.serial) == ("refund", REFUND_SERIAL)


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("customer.created", {"object": "customer"}),
        ("charge.succeeded", {"object": "charge"}),
        ("payment_intent.created", intent("requires_confirmation")),
        ("payment_intent.succeeded", intent(metadata={})),
        ("payment_intent.succeeded", intent(metadata={"order_id": "17"})),
        ("refund.updated", refund(metadata={})),
        ("refund.updated", refund(metadata=None)),
        ("charge.refunded", {"object": "charge", "id": "ch_1"}),
        ("charge.refunded", {"object": "charge", "id": "ch_1", "refunds": None}),
        ("charge.refunded", {"object": "charge", "id": "ch_1", "refunds": page()}),
    ],
)
def test_an_event_about_nothing_of_ours_is_taken_and_says_nothing(
    silent_stripe: StripeChannel, kind: str, about: Json
) -> None:
    assert parse(silent_stripe, event(kind, about)) is None


# ---- genuine, but not for this account, or not readable ----------------------------------------


def test_an_event_of_the_other_mode_is_refused(silent_stripe: StripeChannel) -> None:
    live = event("payment_intent.succeeded", intent(livemode=True), livemode=True)

    with pytest.raises(BadSignature):
        parse(silent_stripe, live)
    with pytest.raises(BadSignature):
        silent_stripe.parse_callback(an_account(mode="live"), signed(_BODY), _BODY, NOW)
    assert (
        silent_stripe.parse_callback(an_account(mode="live"), signed(live), live, NOW) is not None
    )


def test_an_event_of_a_connected_account_is_refused(silent_stripe: StripeChannel) -> None:
    body = event("payment_intent.succeeded", intent(), account="acct_another")

    with pytest.raises(BadSignature):
        parse(silent_stripe, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"{}",
        b"[" * 50_000,
        event("payment_intent.succeeded", {"object": "charge"}),
        event("payment_intent.succeeded", intent(amount="1999")),
        event("payment_intent.succeeded", intent(amount=19.99)),
        event("payment_intent.succeeded", intent(metadata={"order": 17})),
        event("payment_intent.succeeded", intent(), id="../1"),
        event("payment_intent.succeeded", intent(), livemode="false"),
        event("refund.updated", intent()),
        json.dumps({"id": EVENT_ID, "type": "payment_intent.succeeded"}).encode(),
    ],
)
def test_a_signed_event_that_cannot_be_read_is_an_invalid_request(
    silent_stripe: StripeChannel, body: bytes
) -> None:
    with pytest.raises(InvalidRequest):
        parse(silent_stripe, body)


def test_an_event_longer_than_any_is_not_even_checked(silent_stripe: StripeChannel) -> None:
    with pytest.raises(InvalidRequest):
        parse(silent_stripe, b" " * (BODY_MAX_BYTES + 1))


def test_it_is_acknowledged_with_a_status_alone(silent_stripe: StripeChannel) -> None:
    got, again = (
        silent_stripe.acknowledgement(accepted=True),
        silent_stripe.acknowledgement(accepted=False),
    )

    assert (got.status_code, got.body) == (200, "ok")
    assert again.status_code == 400
