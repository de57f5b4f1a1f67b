"""Paying: approved, refused, waited for, told by callback, found by query, repeated."""

from datetime import timedelta
from typing import Any

import pytest

from models.channel import Approved, Declined, NotAttempted, Pending, Unknown
from models.money import Money
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop, now
from tests.contract.sides.base import Moved, Will

PAY, QUERY = Feature.PAY, Feature.QUERY
STAYS_OPEN = frozenset({Feature.STAYS_OPEN})


@scenario(PAY, QUERY)
async def test_a_payer_who_pays_is_approved_for_exactly_the_price(shop: Shop) -> None:
    order, found = await shop.paid()

    again = await shop.query(order, reference=found.channel_reference)

    price = shop.side.price.money
    assert (found.money, found.held) == (price, False)
    assert found.channel_reference
    assert isinstance(again, Approved)
    assert (again.money, again.channel_reference) == (price, found.channel_reference)
    assert await shop.moved(order) == Moved(taken_minor=price.amount_minor)


@scenario(PAY, QUERY, Feature.PAYER_CODE)
async def test_a_code_that_pays_is_approved_at_once(shop: Shop) -> None:
    order = shop.order(Will.PAYS)

    outcome = await shop.pay(order)
    found = await shop.query(order)

    assert isinstance(outcome, Approved)
    assert isinstance(found, Approved)
    assert (outcome.money, outcome.held) == (order.money, False)
    assert outcome.channel_reference == found.channel_reference


@scenario(PAY, QUERY, Feature.PAYER_CODE)
async def test_a_code_that_cannot_pay_is_declined_with_our_word_and_the_channels(
    shop: Shop,
) -> None:
    order = shop.order(Will.REFUSES)

    outcome = await shop.pay(order)
    found = await shop.query(order)

    assert isinstance(outcome, Declined)
    assert outcome.code
    assert outcome.channel_code
    assert not isinstance(found, Approved | NotAttempted)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, Feature.CLOSE, Feature.CASHIER, Feature.STAYS_OPEN)
async def test_a_refused_payer_may_try_again_until_the_page_is_closed(shop: Shop) -> None:
    order, waiting = await shop.waiting()

    await shop.payer_refuses(order)
    refused = await shop.query(order, reference=waiting.channel_reference)
    closed = await shop.close(order, reference=waiting.channel_reference)
    found = await shop.query(order, reference=waiting.channel_reference)

    assert isinstance(refused, Pending)
    assert isinstance(closed, Declined)
    assert isinstance(found, Declined)
    assert await shop.payer_is_turned_away(order)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, without=STAYS_OPEN)
async def test_a_payer_who_refuses_is_declined(shop: Shop) -> None:
    order, _ = await shop.waiting()

    await shop.payer_refuses(order)
    found = await shop.query(order)
    again = await shop.query(order)

    assert isinstance(found, Declined)
    assert isinstance(again, Declined)
    assert found.code == again.code
    assert await shop.payer_is_turned_away(order)
    assert await shop.moved(order) == Moved()


@scenario(PAY)
async def test_a_payer_who_takes_a_while_is_told_by_callback(shop: Shop) -> None:
    order, _ = await shop.waiting()

    await shop.payer_pays(order)
    _, facts = await shop.hear_paid()

    assert isinstance(facts.outcome, Approved)
    assert (facts.serial, facts.about) == (order.serial, "payment")
    assert (facts.outcome.money, facts.outcome.held) == (order.money, False)
    assert facts.channel_event_id
    assert facts.channel_reference == facts.outcome.channel_reference


@scenario(PAY, QUERY)
async def test_a_payer_who_takes_a_while_is_found_by_query(shop: Shop) -> None:
    order, _ = await shop.waiting()

    before = await shop.query(order)
    await shop.payer_pays(order)
    after = await shop.query(order)
    _, facts = await shop.hear_paid()

    assert isinstance(before, Pending)
    assert isinstance(after, Approved)
    assert isinstance(facts.outcome, Approved)
    assert after.money == order.money
    assert after.channel_reference == facts.outcome.channel_reference


@scenario(PAY, QUERY, Feature.CASHIER, without=STAYS_OPEN)
async def test_a_cashier_nobody_has_opened_is_pending_until_it_is_too_late(shop: Shop) -> None:
    order = shop.order()
    outcome = await shop.pay(order)

    early = await shop.query(order)
    an_hour_ago = now() - timedelta(hours=1)
    late = await shop.query(order.model_copy(update={"expires_at": an_hour_ago}))

    assert isinstance(outcome, Pending)
    assert outcome.next_action is not None
    assert isinstance(early, Pending)
    assert isinstance(late, Declined)


@scenario(PAY, QUERY)
async def test_a_serial_nobody_has_sent_is_neither_success_nor_failure(shop: Shop) -> None:
    outcome = await shop.query(shop.order())

    assert isinstance(outcome, Pending | Unknown)


# ---- repeats ----------------------------------------------------------------------------------


@scenario(PAY, QUERY, Feature.REPEAT_SAFE)
async def test_the_same_serial_again_moves_no_money_twice(shop: Shop) -> None:
    order = shop.order(Will.WAITS)

    first = await shop.pay(order)
    again = await shop.pay(order)
    await shop.open_cashier(order, again)
    await shop.payer_pays(order)
    after = await shop.pay(order)
    found = await shop.query(order)

    assert isinstance(first, Pending)
    assert isinstance(again, Pending)
    assert not isinstance(after, Declined | NotAttempted), "it is paid"
    assert isinstance(found, Approved)
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


@scenario(PAY, QUERY, Feature.SENDS)
async def test_the_same_serial_with_another_amount_is_never_a_success(shop: Shop) -> None:
    order, _ = await shop.paid()
    dearer = Money(amount_minor=order.money.amount_minor + 100, currency=order.money.currency)

    outcome = await shop.pay(order.model_copy(update={"money": dearer}))
    found = await shop.query(order.model_copy(update={"money": dearer}))

    assert not isinstance(outcome, Approved)
    assert isinstance(found, Unknown), "the channel names another amount than we ask about"
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


# ---- amounts and what cannot be asked ---------------------------------------------------------


@pytest.mark.parametrize("which", ["smallest", "largest"])
@scenario(PAY, QUERY)
async def test_the_smallest_and_the_largest_amount_are_paid(shop: Shop, which: str) -> None:
    money: Money = getattr(shop.side, which)
    bounds = shop.channel.capabilities

    order, found = await shop.paid(money=money)

    declared = {"smallest": bounds.amount_min_minor, "largest": bounds.amount_max_minor}
    assert money.amount_minor == declared[which]
    assert found.money == money
    assert await shop.moved(order) == Moved(taken_minor=money.amount_minor)


@pytest.mark.parametrize("by", [-1, 1])
@scenario(PAY)
async def test_an_amount_beyond_the_bounds_moves_nothing(shop: Shop, by: int) -> None:
    edge = shop.side.smallest if by < 0 else shop.side.largest
    money = Money(amount_minor=edge.amount_minor + by, currency=edge.currency)

    order = shop.order(money=money)
    outcome = await shop.pay(order)

    assert isinstance(outcome, NotAttempted | Declined)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, Feature.ZERO_DECIMAL)
async def test_a_currency_without_cents_is_paid_in_whole_units(shop: Shop) -> None:
    order, found = await shop.paid(money=Money(amount_minor=1_000, currency="JPY"))

    assert found.money == Money(amount_minor=1_000, currency="JPY")
    assert await shop.moved(order) == Moved(taken_minor=1_000)


@scenario(PAY, Feature.PAYER_CODE)
async def test_an_order_without_the_payers_code_is_not_sent(shop: Shop) -> None:
    outcome = await shop.pay(shop.order(payer_code=None))

    assert isinstance(outcome, NotAttempted)
    assert shop.answers[-1].exchange is None


@pytest.mark.parametrize(
    "changes",
    [{"method": "barter"}, {"money": Money(amount_minor=19_99, currency="UGX")}],
    ids=["method", "currency"],
)
@scenario(PAY)
async def test_what_the_channel_does_not_offer_is_not_sent(
    shop: Shop, changes: dict[str, Any]
) -> None:
    outcome = await shop.pay(shop.order(**changes))

    assert isinstance(outcome, NotAttempted)
    assert shop.answers[-1].exchange is None


@scenario(PAY, without=frozenset({Feature.CAPTURE}))
async def test_a_method_that_holds_no_money_is_not_asked_to(shop: Shop) -> None:
    outcome = await shop.pay(shop.order(capture_method="manual"))

    assert isinstance(outcome, NotAttempted)
    assert shop.answers[-1].exchange is None


@scenario(PAY, QUERY)
async def test_an_order_may_wait_as_long_as_the_channel_declares(shop: Shop) -> None:
    longest = timedelta(seconds=shop.channel.capabilities.expiry_max_seconds)

    order, found = await shop.paid(expires_at=now() + longest - timedelta(minutes=1))

    assert found.money == order.money


@scenario(PAY, QUERY, Feature.PAYER_PRESENT)
async def test_a_payer_at_the_till_confirms_within_the_minute(shop: Shop) -> None:
    order, outcome = await shop.waiting(expires_at=now() + timedelta(minutes=1))

    await shop.payer_pays(order)
    found = await shop.query(order)

    assert outcome.next_action is not None
    assert isinstance(found, Approved)


@scenario(PAY, Feature.PAYER_PRESENT)
async def test_a_payer_who_has_left_the_till_is_not_charged(shop: Shop) -> None:
    order = shop.order(Will.PAYS, expires_at=now() - timedelta(minutes=1))

    outcome = await shop.pay(order)

    assert isinstance(outcome, Declined | NotAttempted)
    assert await shop.moved(order) == Moved()
