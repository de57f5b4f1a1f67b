"""Money held first: taken once, in whole or in part, or released; and never both."""

import pytest

from models.channel import Approved, Declined, NotAttempted, PayRequest, Pending, Unknown
from models.money import Money
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop
from tests.contract.sides.base import HoldingSide, Moved, Will

PAY, QUERY, CAPTURE, VOID = Feature.PAY, Feature.QUERY, Feature.CAPTURE, Feature.VOID
PRICE = 19_99  # what every side asks, in its own currency


async def held(shop: Shop, **changes: object) -> tuple[PayRequest, Approved]:
    """An order whose money is held, and what a query says of it."""
    return await shop.paid(capture_method="manual", **changes)


def holding(shop: Shop) -> HoldingSide:
    side = shop.side
    assert hasattr(side, "capture_request"), "a channel that captures has a side that holds"
    return side  # type: ignore[return-value]  # Reason: protocols are not narrowed by hasattr


# ---- holding ----------------------------------------------------------------------------------


@scenario(PAY, QUERY, CAPTURE)
async def test_money_is_held_and_not_taken(shop: Shop) -> None:
    order, found = await held(shop)

    assert found.held
    assert found.money == order.money
    assert found.channel_reference
    assert await shop.moved(order) == Moved(held_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE)
async def test_a_payer_who_takes_a_while_is_told_of_as_held(shop: Shop) -> None:
    order, _ = await shop.waiting(capture_method="manual")

    before = await shop.query(order)
    await shop.payer_pays(order)
    _, facts = await shop.hear_paid()

    assert isinstance(before, Pending)
    assert isinstance(facts.outcome, Approved)
    assert facts.outcome.held
    assert facts.serial == order.serial
    assert facts.outcome.money == order.money


@scenario(PAY, QUERY, CAPTURE)
async def test_a_hold_the_payer_refuses_is_declined(shop: Shop) -> None:
    order, _ = await shop.waiting(capture_method="manual")

    await shop.payer_refuses(order)

    assert isinstance(await shop.query(order), Declined)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CAPTURE, Feature.SENDS, Feature.REPEAT_SAFE)
async def test_a_hold_asked_for_twice_holds_once(shop: Shop) -> None:
    order = shop.order(Will.PAYS, capture_method="manual")
    await shop.control.fault("drop_after", order.serial)

    lost = await shop.pay(order)
    again = await shop.pay(order)
    if isinstance(again, Pending):
        await shop.open_cashier(order, again)
        await shop.payer_pays(order)
    found = await shop.query(order)

    assert isinstance(lost, Unknown)
    assert isinstance(found, Approved)
    assert found.held
    assert await shop.moved(order) == Moved(held_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE)
async def test_a_method_that_holds_says_for_how_long(shop: Shop) -> None:
    assert shop.method.hold_seconds >= 24 * 3600


# ---- taking -----------------------------------------------------------------------------------


@scenario(PAY, QUERY, CAPTURE)
async def test_all_that_is_held_is_taken(shop: Shop) -> None:
    order, hold = await held(shop)

    taken = await shop.capture(shop.taking(order, reference=hold.channel_reference))
    found = await shop.query(order, reference=hold.channel_reference)

    assert isinstance(taken, Approved)
    assert isinstance(found, Approved)
    assert (taken.held, found.held) == (False, False)
    assert (taken.money, found.money) == (order.money, order.money)
    assert await shop.moved(order) == Moved(taken_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE)
async def test_a_part_is_taken_and_the_rest_is_released(shop: Shop) -> None:
    order, hold = await held(shop)
    twelve = Money(amount_minor=12_00, currency=order.money.currency)

    taken = await shop.capture(shop.taking(order, 12_00, reference=hold.channel_reference))
    found = await shop.query(order, reference=hold.channel_reference)
    more = await shop.capture(shop.taking(order, 7_99, reference=hold.channel_reference))

    assert isinstance(taken, Approved)
    assert isinstance(found, Approved)
    assert (taken.money, found.money, found.held) == (twelve, twelve, False)
    assert not isinstance(more, Approved) or more.money == twelve, "what is left was released"
    assert await shop.moved(order) == Moved(taken_minor=12_00)


@scenario(PAY, QUERY, CAPTURE)
async def test_more_than_is_held_is_not_taken(shop: Shop) -> None:
    order, hold = await held(shop)

    outcome = await shop.capture(shop.taking(order, 20_00, reference=hold.channel_reference))

    assert isinstance(outcome, Declined | NotAttempted)
    assert await shop.moved(order) == Moved(held_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE)
async def test_a_capture_asked_for_twice_takes_once(shop: Shop) -> None:
    order, hold = await held(shop)
    request = shop.taking(order, 12_00, reference=hold.channel_reference)

    first = await shop.capture(request)
    again = await shop.capture(request)

    assert isinstance(first, Approved)
    assert isinstance(again, Approved)
    assert (first.money, first.channel_reference) == (again.money, again.channel_reference)
    assert await shop.moved(order) == Moved(taken_minor=12_00)


@pytest.mark.parametrize("fault", ["drop_after", "http_500_after"])
@scenario(PAY, QUERY, CAPTURE)
async def test_a_capture_whose_answer_was_lost_is_found_and_takes_once(
    shop: Shop, fault: str
) -> None:
    order, hold = await held(shop)
    request = shop.taking(order, 12_00, reference=hold.channel_reference)
    wire = holding(shop).capture_request
    struck = await shop.control.fault(fault, order.serial, method=wire)

    lost = await shop.capture(request)
    found = await shop.query(order, reference=hold.channel_reference)
    again = await shop.capture(request)

    assert isinstance(lost, Unknown)
    assert await shop.control.fired(struck) == 1
    assert isinstance(found, Approved)
    assert (found.held, found.money) == (False, request.money)
    assert not isinstance(again, Declined | NotAttempted), "it is taken"
    assert await shop.moved(order) == Moved(taken_minor=12_00)


@pytest.mark.parametrize("fault", ["drop_before", "http_500_before"])
@scenario(PAY, QUERY, CAPTURE)
async def test_a_capture_that_was_lost_on_its_way_leaves_the_hold(shop: Shop, fault: str) -> None:
    order, hold = await held(shop)
    request = shop.taking(order, reference=hold.channel_reference)
    await shop.control.fault(fault, order.serial, method=holding(shop).capture_request)

    lost = await shop.capture(request)
    between = await shop.query(order, reference=hold.channel_reference)
    again = await shop.capture(request)

    assert isinstance(lost, Unknown)
    assert isinstance(between, Approved)
    assert between.held
    assert isinstance(again, Approved)
    assert await shop.moved(order) == Moved(taken_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE)
async def test_the_capture_is_told_of_after_the_hold(shop: Shop) -> None:
    order, hold = await held(shop)
    _, first = await shop.hear_paid()

    await shop.capture(shop.taking(order, 12_00, reference=hold.channel_reference))
    _, second = await shop.hear_paid()

    assert isinstance(first.outcome, Approved)
    assert isinstance(second.outcome, Approved)
    assert (first.outcome.held, second.outcome.held) == (True, False)
    assert (first.outcome.money.amount_minor, second.outcome.money.amount_minor) == (PRICE, 12_00)
    assert first.serial == second.serial == order.serial
    assert first.channel_event_id != second.channel_event_id


@scenario(PAY, QUERY, CAPTURE, Feature.REFUND)
async def test_no_more_than_was_taken_is_given_back(shop: Shop) -> None:
    order, hold = await held(shop)
    taken = await shop.capture(shop.taking(order, 12_00, reference=hold.channel_reference))
    assert isinstance(taken, Approved)
    captured = order.model_copy(update={"money": taken.money})

    too_much = await shop.refund(shop.return_of(captured, 12_01, taken.channel_reference))
    all_of_it = await shop.refund(shop.return_of(captured, 12_00, taken.channel_reference))

    assert isinstance(too_much, Declined | NotAttempted)
    assert isinstance(all_of_it, Approved)
    assert await shop.moved(order) == Moved(taken_minor=12_00, returned_minor=12_00, refunds=1)


# ---- releasing --------------------------------------------------------------------------------


@scenario(PAY, QUERY, CAPTURE, VOID)
async def test_a_hold_that_is_released_can_never_be_taken(shop: Shop) -> None:
    order, hold = await held(shop)

    released = await shop.void(order, reference=hold.channel_reference)
    found = await shop.query(order, reference=hold.channel_reference)
    taken = await shop.capture(shop.taking(order, reference=hold.channel_reference))

    assert isinstance(released, Declined)
    assert released.code == "closed"
    assert isinstance(found, Declined)
    assert found.code == "closed"
    assert isinstance(taken, Declined | Unknown)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CAPTURE, VOID)
async def test_a_release_asked_for_twice_is_the_same_release(shop: Shop) -> None:
    order, hold = await held(shop)

    first = await shop.void(order, reference=hold.channel_reference)
    again = await shop.void(order, reference=hold.channel_reference)

    assert isinstance(first, Declined)
    assert isinstance(again, Declined | Unknown)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CAPTURE, VOID)
async def test_a_release_whose_answer_was_lost_is_found_by_query(shop: Shop) -> None:
    order, hold = await held(shop)
    wire = holding(shop).void_request
    struck = await shop.control.fault("drop_after", order.serial, method=wire)

    lost = await shop.void(order, reference=hold.channel_reference)
    found = await shop.query(order, reference=hold.channel_reference)

    assert isinstance(lost, Unknown)
    assert await shop.control.fired(struck) == 1
    assert isinstance(found, Declined)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CAPTURE, VOID)
async def test_what_was_taken_is_not_released(shop: Shop) -> None:
    order, hold = await held(shop)
    await shop.capture(shop.taking(order, reference=hold.channel_reference))

    released = await shop.void(order, reference=hold.channel_reference)
    found = await shop.query(order, reference=hold.channel_reference)

    assert not isinstance(released, Declined), "it is not released"
    assert isinstance(found, Approved)
    assert not found.held
    assert await shop.moved(order) == Moved(taken_minor=PRICE)


@scenario(PAY, QUERY, CAPTURE, VOID)
async def test_a_hold_that_ran_out_is_closed_and_cannot_be_taken(shop: Shop) -> None:
    order, hold = await held(shop)

    await holding(shop).expire_hold(shop.control, order.serial)
    found = await shop.query(order, reference=hold.channel_reference)
    taken = await shop.capture(shop.taking(order, reference=hold.channel_reference))

    assert isinstance(found, Declined)
    assert isinstance(taken, Declined | Unknown)
    assert await shop.moved(order) == Moved()


@scenario(PAY, QUERY, CAPTURE, Feature.CLOSE)
async def test_a_hold_nobody_has_confirmed_is_closed_like_any_order(shop: Shop) -> None:
    order, _ = await shop.waiting(capture_method="manual")

    closed = await shop.close(order)
    found = await shop.query(order)

    assert isinstance(closed, Declined)
    assert isinstance(found, Declined)
    assert await shop.payer_is_turned_away(order)
    assert await shop.moved(order) == Moved()
