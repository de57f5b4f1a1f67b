"""What `pay` sends, and what every answer to it means for the money."""

import pytest

from channels.stripe.adapter import StripeChannel
from models.channel import (
    Approved,
    Declined,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    Redirect,
    Unknown,
)
from models.errors import ChannelMisconfigured
from models.money import Money
from tests.channels import alipay_side
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
)
from tests.channels.stripe_side import (
    CARD_TOKEN,
    INTENT_ID,
    NOW,
    PAYMENT_ID,
    SERIAL,
    a_pay_request,
    an_account,
    card_error,
    headers_of,
    intent,
    refused_intent,
    refuses,
    says,
    usd,
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


# ---- what is sent -----------------------------------------------------------------------------


async def test_a_payment_is_one_confirmed_intent_under_our_serial(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    await outcome_of(stripe, gateway, says(intent()))

    assert gateway.heads[0].startswith("POST /v1/payment_intents HTTP/1.1")
    headers = headers_of(gateway.heads[0])
    assert headers["authorization"] == "Bearer sk_test_example"
    assert headers["stripe-version"] == "2023-08-16"
    assert headers["idempotency-key"] == f"{SERIAL}-pay"
    assert gateway.requests == [
        {
            "amount": "1999",
            "currency": "usd",
            "payment_method": CARD_TOKEN,
            "payment_method_types[0]": "card",
            "confirm": "true",
            "capture_method": "automatic",
            "description": "Two coffees & 一块蛋糕",
            "metadata[order]": SERIAL,
            "metadata[payment]": PAYMENT_ID,
            "return_url": "https://shop.example/done?a=1&b=2",
        }
    ]


async def test_a_repeat_is_the_same_request_to_the_byte(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    await outcome_of(stripe, gateway, says(intent()))
    await outcome_of(stripe, gateway, says(intent()))

    assert gateway.heads[0] == gateway.heads[1]
    assert gateway.requests[0] == gateway.requests[1]


async def test_without_a_way_back_a_card_that_wants_consent_is_to_be_refused(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    await outcome_of(stripe, gateway, says(intent()), a_pay_request(return_url=None))

    assert gateway.requests[0]["error_on_requires_action"] == "true"
    assert "return_url" not in gateway.requests[0]


@pytest.mark.parametrize(
    ("money", "amount", "currency"),
    [
        (Money(amount_minor=500, currency="JPY"), "500", "jpy"),
        (Money(amount_minor=5_120, currency="KWD"), "5120", "kwd"),
        (Money(amount_minor=5_00, currency="ISK"), "50000", "isk"),
        (Money(amount_minor=12_34, currency="CNY"), "1234", "cny"),
    ],
)
async def test_amounts_are_in_the_unit_stripe_counts_the_currency_in(
    stripe: StripeChannel, gateway: FaultyServer, money: Money, amount: str, currency: str
) -> None:
    paid = intent(amount=int(amount), currency=currency)

    outcome = await outcome_of(stripe, gateway, says(paid), a_pay_request(money=money))

    assert gateway.requests[0]["amount"] == amount
    assert gateway.requests[0]["currency"] == currency
    assert isinstance(outcome, Approved)
    assert outcome.money == money


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "stripe_sepa"},
        {"payer_code": None},
        {"payer_code": "285015833990941919"},
        {"payer_code": "pm_1&confirm=false"},
        {"money": Money(amount_minor=5_123, currency="KWD")},
        {"money": Money(amount_minor=49, currency="USD")},
        {"money": Money(amount_minor=29, currency="GBP")},
        {"money": Money(amount_minor=100_000_000, currency="USD")},
        {"money": Money(amount_minor=1_000_000, currency="ISK")},
        {"money": Money(amount_minor=1_000, currency="MGA")},
    ],
)
async def test_what_stripe_cannot_take_is_not_sent(
    stripe: StripeChannel, gateway: FaultyServer, changes: dict[str, object]
) -> None:
    answer = await stripe.pay(an_account(), a_pay_request(**changes), NOW)

    assert isinstance(answer.outcome, NotAttempted)
    assert answer.exchange is None
    assert gateway.heads == []


async def test_parameters_of_another_channel_are_misconfigured(stripe: StripeChannel) -> None:
    with pytest.raises(ChannelMisconfigured):
        await stripe.pay(alipay_side.an_account(), a_pay_request(), NOW)


# ---- answers with an intent -------------------------------------------------------------------


async def test_a_succeeded_intent_is_approved(stripe: StripeChannel, gateway: FaultyServer) -> None:
    outcome = await outcome_of(stripe, gateway, says(intent("succeeded")))

    assert outcome == Approved(channel_reference=INTENT_ID, money=usd(19_99), paid_at=NOW)


async def test_held_money_is_approved_for_a_manual_payment_alone(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    held = intent("requires_capture")

    manual = await outcome_of(stripe, gateway, says(held), a_pay_request(capture_method="manual"))
    automatic = await outcome_of(stripe, gateway, says(held))

    assert gateway.requests[0]["capture_method"] == "manual"
    assert isinstance(manual, Approved)
    assert manual.money == usd(19_99)
    assert manual.held
    assert isinstance(automatic, Unknown)


async def test_a_card_that_wants_consent_sends_its_holder_to_the_bank(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await outcome_of(stripe, gateway, says(waiting_for_consent()))

    assert isinstance(outcome, Pending)
    assert outcome.channel_reference == INTENT_ID
    assert outcome.next_action == Redirect(
        url="https://hooks.stripe.example/redirect/1?client_secret=src_secret"
    )


@pytest.mark.parametrize("status", ["processing", "requires_confirmation"])
async def test_an_intent_under_way_is_pending(
    stripe: StripeChannel, gateway: FaultyServer, status: str
) -> None:
    outcome = await outcome_of(stripe, gateway, says(intent(status)))

    assert isinstance(outcome, Pending)
    assert outcome.channel_reference == INTENT_ID
    assert outcome.next_action is None


async def test_a_canceled_intent_is_closed(stripe: StripeChannel, gateway: FaultyServer) -> None:
    outcome = await outcome_of(stripe, gateway, says(intent("canceled")))

    assert isinstance(outcome, Declined)
    assert outcome.code == "closed"


async def test_a_refused_card_in_an_answer_that_is_no_error_is_declined_too(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    outcome = await outcome_of(stripe, gateway, says(refused_intent("insufficient_funds")))

    assert isinstance(outcome, Declined)
    assert outcome.code == "insufficient_funds"


@pytest.mark.parametrize(
    "said",
    [
        intent(metadata={"order": "another"}),
        intent(metadata={}),
        intent(amount=2000),
        intent(amount_received=1998),
        intent(amount_received=0),
        intent(currency="eur"),
        intent(currency="zzz"),
        intent(livemode=True),
        intent("requires_payment_method"),
        intent("something_new"),
        intent(object="setup_intent"),
        intent(amount="1999"),
        intent(amount=19.99),
        intent(amount=True),
        intent(amount=-1999),
        intent(id="pi_1/../../refunds"),
        intent(metadata=None),
        {"object": "payment_intent"},
        {},
    ],
)
async def test_an_answer_about_anything_else_is_unknown(
    stripe: StripeChannel, gateway: FaultyServer, said: dict[str, object]
) -> None:
    assert isinstance(await outcome_of(stripe, gateway, says(said)), Unknown)


# ---- what is kept -----------------------------------------------------------------------------


async def test_the_record_shows_the_exchange_without_keys_card_or_payer(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = refuses(card_error("fraudulent", payment_intent=refused_intent()), 402)

    exchange = (await stripe.pay(an_account(), a_pay_request(), NOW)).exchange

    assert exchange is not None
    assert (exchange.operation, exchange.http_status) == ("pay", 402)
    kept = f"{exchange.request}\n{exchange.response}"
    for private in (
        "sk_test_example", CARD_TOKEN[:12], "_secret_notours", "Jane", "jane@", "0002", "Xt5E",
    ):  # fmt: skip
        assert private not in kept.replace(f"metadata[payment]={PAYMENT_ID}", "")
    assert f"Idempotency-Key={SERIAL}-pay" in exchange.request
    assert f"metadata[order]={SERIAL}" in exchange.request
    assert "fraudulent" in (exchange.response or "")


async def test_the_record_hides_the_secret_in_an_address(
    stripe: StripeChannel, gateway: FaultyServer
) -> None:
    gateway.behaviour = says(waiting_for_consent())

    exchange = (await stripe.pay(an_account(), a_pay_request(), NOW)).exchange

    assert exchange is not None
    assert "src_secret" not in (exchange.response or "")
