"""Closing: a serial ends for good, or had been paid; never both."""

from models.channel import Approved, Declined, Unknown
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop
from tests.contract.sides.base import Moved

PAY, QUERY, CLOSE = Feature.PAY, Feature.QUERY, Feature.CLOSE


@scenario(PAY, QUERY, CLOSE)
async def test_an_order_that_is_closed_can_never_be_paid(shop: Shop) -> None:
    order, _ = await shop.waiting()

    closed = await shop.close(order)
    found = await shop.query(order)

    assert isinstance(closed, Declined)
    assert closed.code == "closed"
    assert isinstance(found, Declined)
    assert await shop.payer_is_turned_away(order)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CLOSE)
async def test_what_is_closed_may_be_closed_again(shop: Shop) -> None:
    order, _ = await shop.waiting()

    await shop.close(order)
    again = await shop.close(order)
    found = await shop.query(order)

    assert isinstance(again, Declined | Unknown)
    assert isinstance(found, Declined)


@scenario(PAY, QUERY, CLOSE)
async def test_a_close_that_meets_money_is_no_success_and_the_query_tells_the_truth(
    shop: Shop,
) -> None:
    """A channel whose close gives paid money back says closed, and then nothing is kept."""
    order, _ = await shop.waiting()
    await shop.payer_pays(order)

    closed = await shop.close(order)
    found = await shop.query(order)
    moved = await shop.moved(order)

    assert not isinstance(closed, Approved)
    assert moved.taken_minor == order.money.amount_minor
    if moved.returned_minor == moved.taken_minor:
        assert isinstance(found, Declined)
    else:
        assert not isinstance(closed, Declined)
        assert isinstance(found, Approved)
        assert moved.returned_minor == 0


@scenario(PAY, QUERY, CLOSE)
async def test_a_close_whose_answer_was_lost_is_unknown_and_may_be_repeated(shop: Shop) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("drop_after", order.serial)

    lost = await shop.close(order)
    found = await shop.query(order)
    again = await shop.close(order)

    assert isinstance(lost, Unknown)
    assert isinstance(found, Declined)
    assert isinstance(again, Declined | Unknown)


@scenario(PAY, QUERY, CLOSE)
async def test_a_close_that_was_lost_on_its_way_leaves_the_order_open(shop: Shop) -> None:
    order, _ = await shop.waiting()
    await shop.control.fault("drop_before", order.serial)

    lost = await shop.close(order)
    await shop.payer_pays(order)
    found = await shop.query(order)

    assert isinstance(lost, Unknown)
    assert isinstance(found, Approved)


@scenario(CLOSE, PAY)
async def test_closing_what_nobody_has_sent_moves_nothing(shop: Shop) -> None:
    order = shop.order()

    outcome = await shop.close(order)

    assert not isinstance(outcome, Approved)
    assert await shop.moved(order) == Moved()
