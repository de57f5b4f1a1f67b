"""Callbacks: only the channel's own bytes about our own account count, however often they come."""

import random

import pytest

from channels.base import Account
from models.channel import Approved, CallbackFacts, Declined
from models.errors import BadSignature, InvalidRequest
from tests.contract.features import Feature, scenario
from tests.contract.inbox import Delivery
from tests.contract.shop import Shop, now
from tests.sandbox.merchant import a_number

PAY, QUERY = Feature.PAY, Feature.QUERY

SEED = 20261121
SPOILED = 40  # bodies tried with one byte changed


async def paid_delivery(shop: Shop) -> tuple[str, Delivery, CallbackFacts]:
    """The callback that says an order is paid, with the order's serial."""
    order, _ = await shop.paid()
    delivery, facts = await shop.hear_paid()
    assert facts.serial == order.serial
    return order.serial, delivery, facts


# ---- what proves nothing ----------------------------------------------------------------------


@scenario(PAY)
async def test_a_callback_with_a_forged_signature_is_refused(shop: Shop) -> None:
    order, _ = await shop.waiting(notify_url=shop.inbox.url)
    await shop.control.fault("bad_signature", order.serial, target="notification")
    await shop.payer_pays(order)

    refused = 0
    while not refused:
        delivery = await shop.inbox.next()
        try:
            facts = shop.parse(delivery)
        except BadSignature:
            refused += 1
        else:
            assert facts is None or not isinstance(facts.outcome, Approved)


@scenario(PAY)
async def test_a_callback_about_another_serial_than_was_signed_is_refused(shop: Shop) -> None:
    serial, delivery, _ = await paid_delivery(shop)
    forged = delivery.body.replace(serial.encode(), a_number().encode())

    assert forged != delivery.body
    with pytest.raises(BadSignature):
        shop.parse(Delivery(delivery.headers, forged))


@scenario(PAY)
async def test_a_body_with_any_letter_changed_is_refused(shop: Shop) -> None:
    _, delivery, facts = await paid_delivery(shop)
    chance = random.Random(SEED)
    letters = [at for at, byte in enumerate(delivery.body) if chr(byte).isalpha()]

    for at in chance.sample(letters, SPOILED):
        other = b"Q" if delivery.body[at : at + 1] != b"Q" else b"Z"
        spoiled = delivery.body[:at] + other + delivery.body[at + 1 :]
        try:
            said = shop.parse(Delivery(delivery.headers, spoiled))
        except (BadSignature, InvalidRequest):
            continue
        # Two spellings of one base64 signature or one %-code are the same message.
        assert said == facts, f"seed {SEED}, byte {at} changed: {spoiled!r}"


@scenario(PAY, once=True)
async def test_nothing_signed_is_nothing(shop: Shop) -> None:
    _, delivery, _ = await paid_delivery(shop)
    plain = {"content-type": delivery.headers["content-type"]}

    for headers, body in (
        (plain, b""),
        (plain, b"\xff\xfe\x00"),
        (plain, b"{}"),
        (plain, b"[" * 50_000),
        (plain, b"a=" * 30_000),
        (plain, b"x" * 200_000),
        (delivery.headers, b""),
        (delivery.headers, b"\x00" + delivery.body),
        (delivery.headers, delivery.body + delivery.body),
    ):
        with pytest.raises((BadSignature, InvalidRequest)):
            shop.parse(Delivery(headers, body))


@scenario(PAY)
async def test_a_genuine_callback_of_another_account_is_refused(
    shop: Shop, stranger: Account
) -> None:
    _, delivery, _ = await paid_delivery(shop)

    with pytest.raises(BadSignature):
        shop.channel.parse_callback(stranger, delivery.headers, delivery.body, now())


@scenario(PAY)
async def test_a_callback_that_names_another_amount_is_never_a_success_for_ours(
    shop: Shop,
) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("wrong_amount", order.serial, target="notification", times=9)
    await shop.payer_pays(order)

    _, facts = await shop.hear(_names_money_or_fails)

    assert not isinstance(facts.outcome, Declined)
    if isinstance(facts.outcome, Approved):
        assert facts.outcome.money != order.money


def _names_money_or_fails(facts: CallbackFacts) -> bool:
    return facts.outcome.kind in {"approved", "unknown", "declined"}


# ---- repeated, late, in any order -------------------------------------------------------------


@scenario(PAY)
async def test_a_callback_sent_again_has_the_same_event_id(shop: Shop) -> None:
    serial, _, facts = await paid_delivery(shop)
    await shop.control.post("/quiesce")

    await shop.control.post("/notifications/resend", out_trade_no=serial)
    _, again = await shop.hear_paid()

    assert again == facts


@scenario(PAY)
async def test_copies_that_come_at_once_are_one_event(shop: Shop) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("duplicate", order.serial, copies=3, times=9)
    await shop.payer_pays(order)

    heard = [(await shop.hear_paid())[1] for _ in range(3)]

    assert heard[0] == heard[1] == heard[2]


@scenario(PAY, QUERY)
async def test_older_news_that_comes_later_changes_nothing(shop: Shop) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("reorder", order.serial)
    await shop.payer_pays(order)

    _, paid = await shop.hear_paid()
    _, older = await shop.hear(lambda facts: not isinstance(facts.outcome, Approved))
    found = await shop.query(order)

    assert older.serial == paid.serial
    assert older.channel_event_id != paid.channel_event_id
    assert not isinstance(older.outcome, Declined), "it waited then, which is no end"
    assert isinstance(found, Approved)


@scenario(PAY, QUERY)
async def test_money_that_was_never_told_of_is_found_by_query(shop: Shop) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("lose", order.serial, times=9)

    await shop.payer_pays(order)
    found = await shop.query(order)

    assert isinstance(found, Approved)


# ---- acknowledgements -------------------------------------------------------------------------


@scenario(PAY)
async def test_a_callback_that_is_not_accepted_comes_again_until_it_is(shop: Shop) -> None:
    order, _ = await shop.waiting()
    while True:  # what was told before the payment is not what this is about
        told = (await shop.control.trade(order.serial))["notifications"]
        if told == (await shop.control.trade(order.serial))["acknowledged"]:
            break
        await shop.inbox.next()
    shop.inbox.accepts = [False, False]

    await shop.payer_pays(order)
    heard = [(await shop.hear_paid())[1] for _ in range(3)]
    quiet = await shop.control.post("/quiesce", within_seconds=60)
    trade = await shop.control.trade(order.serial)

    assert heard[0] == heard[1] == heard[2]
    assert quiet["idle"], "nothing is to be sent any more"
    assert trade["acknowledged"] == trade["notifications"]


@scenario(PAY, once=True)
async def test_yes_and_no_are_different_answers(shop: Shop) -> None:
    yes, no = (shop.channel.acknowledgement(accepted=accepted) for accepted in (True, False))

    assert (yes.status_code, yes.body) != (no.status_code, no.body)
    assert yes.status_code < 300
