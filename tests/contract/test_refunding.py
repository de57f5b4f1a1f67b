"""Giving back: in full, in parts, once under each number, and never more than was paid."""

import pytest

from models.channel import Approved, Declined, NotAttempted, Pending, Unknown
from models.money import Money
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop
from tests.contract.sides.base import Moved

PAY, QUERY, REFUND = Feature.PAY, Feature.QUERY, Feature.REFUND


@scenario(PAY, QUERY, REFUND)
async def test_all_of_a_payment_is_given_back(shop: Shop) -> None:
    order, paid = await shop.paid()
    request = shop.return_of(order, reference=paid.channel_reference)

    given = await shop.refund(request)
    found = await shop.query_refund(request)

    price = order.money.amount_minor
    assert isinstance(given, Approved)
    assert isinstance(found, Approved)
    assert (given.money, found.money) == (order.money, order.money)
    assert given.channel_reference == found.channel_reference
    assert await shop.moved(order) == Moved(taken_minor=price, returned_minor=price, refunds=1)


@scenario(PAY, QUERY, REFUND)
async def test_parts_are_given_back_up_to_the_whole_and_no_further(shop: Shop) -> None:
    """5.00 and 10.00 and 4.99 are all of 19.99; then not even a hundredth is left."""
    order, paid = await shop.paid()
    parts = [
        shop.return_of(order, minor, reference=paid.channel_reference)
        for minor in (5_00, 10_00, 4_99)
    ]

    given = [await shop.refund(part) for part in parts]
    found = [await shop.query_refund(part) for part in parts]
    more = await shop.refund(shop.return_of(order, 1, reference=paid.channel_reference))

    assert [outcome.money for outcome in given if isinstance(outcome, Approved)] == [
        part.money for part in parts
    ]
    assert [outcome.money for outcome in found if isinstance(outcome, Approved)] == [
        part.money for part in parts
    ]
    assert isinstance(more, Declined | Unknown)
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=19_99, refunds=3)


@scenario(PAY, QUERY, REFUND)
async def test_more_than_is_left_is_declined_and_nothing_moves(shop: Shop) -> None:
    """Of 19.99 are 14.99 left when 5.00 went back."""
    order, paid = await shop.paid()
    await shop.refund(shop.return_of(order, 5_00, reference=paid.channel_reference))

    outcome = await shop.refund(shop.return_of(order, 15_00, reference=paid.channel_reference))

    assert isinstance(outcome, Declined)
    assert outcome.code
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=5_00, refunds=1)


@scenario(PAY, QUERY, REFUND)
async def test_more_than_was_paid_is_not_given_back(shop: Shop) -> None:
    order, paid = await shop.paid()

    outcome = await shop.refund(shop.return_of(order, 20_00, reference=paid.channel_reference))

    assert isinstance(outcome, Declined | NotAttempted)
    assert await shop.moved(order) == Moved(taken_minor=19_99)


@scenario(PAY, QUERY, REFUND)
async def test_the_same_number_again_is_the_same_refund(shop: Shop) -> None:
    order, paid = await shop.paid()
    request = shop.return_of(order, 5_00, reference=paid.channel_reference)

    first = await shop.refund(request)
    again = await shop.refund(request)
    found = await shop.query_refund(request)

    assert isinstance(first, Approved)
    assert isinstance(again, Approved | Pending), "it may say no more than that it knows it"
    assert isinstance(found, Approved)
    assert (first.money, first.channel_reference) == (found.money, found.channel_reference)
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=5_00, refunds=1)


@scenario(PAY, QUERY, REFUND)
async def test_the_same_number_with_another_amount_is_no_success(shop: Shop) -> None:
    order, paid = await shop.paid()
    request = shop.return_of(order, 5_00, reference=paid.channel_reference)
    six = Money(amount_minor=6_00, currency=order.money.currency)
    await shop.refund(request)

    outcome = await shop.refund(request.model_copy(update={"money": six}))

    assert not isinstance(outcome, Approved)
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=5_00, refunds=1)


@pytest.mark.parametrize("fault", ["drop_after", "http_500_after"])
@scenario(PAY, QUERY, REFUND)
async def test_a_refund_whose_answer_was_lost_is_found_and_asked_for_again_as_one(
    shop: Shop, fault: str
) -> None:
    order, paid = await shop.paid()
    request = shop.return_of(order, 5_00, reference=paid.channel_reference)
    struck = await shop.control.fault(fault, order.serial, method=shop.side.refund_request)

    lost = await shop.refund(request)
    again = await shop.refund(request)
    found = await shop.query_refund(request)

    assert isinstance(lost, Unknown)
    assert await shop.control.fired(struck) == 1
    assert isinstance(again, Approved | Pending)
    assert isinstance(found, Approved)
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=5_00, refunds=1)


@pytest.mark.parametrize("fault", ["drop_before", "http_500_before"])
@scenario(PAY, QUERY, REFUND)
async def test_a_refund_that_was_lost_on_its_way_is_given_by_its_repeat(
    shop: Shop, fault: str
) -> None:
    order, paid = await shop.paid()
    request = shop.return_of(order, 5_00, reference=paid.channel_reference)
    await shop.control.fault(fault, order.serial, method=shop.side.refund_request)

    lost = await shop.refund(request)
    between = await shop.query_refund(request)
    again = await shop.refund(request)

    assert isinstance(lost, Unknown)
    assert isinstance(between, Unknown), "ask for it again"
    assert isinstance(again, Approved)
    assert await shop.moved(order) == Moved(taken_minor=19_99, returned_minor=5_00, refunds=1)


@scenario(PAY, QUERY, REFUND)
async def test_a_refund_nobody_asked_for_is_unknown(shop: Shop) -> None:
    order, paid = await shop.paid()

    outcome = await shop.query_refund(shop.return_of(order, reference=paid.channel_reference))

    assert isinstance(outcome, Unknown)


@scenario(PAY, REFUND)
async def test_what_was_not_paid_is_not_given_back(shop: Shop) -> None:
    order, _ = await shop.waiting()

    outcome = await shop.refund(shop.return_of(order))

    assert isinstance(outcome, Declined | Unknown | NotAttempted)
    assert await shop.moved(order) == Moved()
    await shop.payer_pays(order)
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


@scenario(PAY, QUERY, REFUND)
async def test_a_refund_finds_its_payment_without_the_channels_reference(shop: Shop) -> None:
    order, _ = await shop.paid()

    given = await shop.refund(shop.return_of(order, 5_00))

    assert isinstance(given, Approved)
    assert given.money.amount_minor == 5_00


@scenario(PAY, QUERY, REFUND, Feature.ZERO_DECIMAL)
async def test_a_currency_without_cents_is_given_back_in_whole_units(shop: Shop) -> None:
    order, paid = await shop.paid(money=Money(amount_minor=1_000, currency="JPY"))

    given = await shop.refund(shop.return_of(order, 400, reference=paid.channel_reference))

    assert isinstance(given, Approved)
    assert given.money == Money(amount_minor=400, currency="JPY")
    assert await shop.moved(order) == Moved(taken_minor=1_000, returned_minor=400, refunds=1)
