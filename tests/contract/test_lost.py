"""Answers that never come, or make no sense: Unknown, and settled by a question or a repeat."""

import time
from collections.abc import Callable

import pytest

from channels.http import ChannelHttp
from channels.registry import ChannelRegistry
from models.channel import Approved, Declined, NotAttempted, Pending, Unknown
from tests.contract.conftest import SLACK_SECONDS
from tests.contract.features import Feature, scenario
from tests.contract.shop import Shop
from tests.contract.sides.base import Moved, Will

PAY, QUERY, SENDS = Feature.PAY, Feature.QUERY, Feature.SENDS
AFTER = pytest.mark.parametrize("fault", ["drop_after", "http_500_after"])
BEFORE = pytest.mark.parametrize("fault", ["drop_before", "http_500_before"])


@AFTER
@scenario(PAY, QUERY, SENDS, Feature.PAYER_CODE)
async def test_a_payment_whose_answer_was_lost_is_unknown_and_found_by_query(
    shop: Shop, fault: str
) -> None:
    order = shop.order(Will.PAYS)
    struck = await shop.control.fault(fault, order.serial)

    outcome = await shop.pay(order)
    found = await shop.query(order)

    assert isinstance(outcome, Unknown)
    assert await shop.control.fired(struck) == 1
    assert isinstance(found, Approved)
    assert found.money == order.money
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


@AFTER
@scenario(PAY, QUERY, SENDS, Feature.REPEAT_SAFE)
async def test_a_lost_answer_may_be_asked_for_again_and_money_moves_once(
    shop: Shop, fault: str
) -> None:
    order = shop.order(Will.PAYS)
    await shop.control.fault(fault, order.serial)

    lost = await shop.pay(order)
    between = await shop.query(order)
    again = await shop.pay(order)
    waiting = next((told for told in (again, between) if isinstance(told, Pending)), None)
    if waiting is not None:
        await shop.open_cashier(order, waiting)
        await shop.payer_pays(order)
    found = await shop.query(order)

    assert isinstance(lost, Unknown)
    assert not isinstance(between, Declined | NotAttempted), "it can still be paid"
    assert not isinstance(again, Declined | NotAttempted)
    assert isinstance(found, Approved)
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


@BEFORE
@scenario(PAY, QUERY, SENDS)
async def test_an_order_that_was_lost_on_its_way_is_unknown_and_moves_nothing(
    shop: Shop, fault: str
) -> None:
    order = shop.order(Will.PAYS)
    await shop.control.fault(fault, order.serial)

    outcome = await shop.pay(order)
    found = await shop.query(order)

    assert isinstance(outcome, Unknown), "nobody knows that it was lost before it was read"
    assert isinstance(found, Pending | Unknown)
    assert await shop.moved(order) == Moved()


@BEFORE
@scenario(PAY, QUERY, SENDS, Feature.REPEAT_SAFE)
async def test_an_order_that_was_lost_on_its_way_is_paid_by_its_repeat(
    shop: Shop, fault: str
) -> None:
    order = shop.order(Will.WAITS)
    await shop.control.fault(fault, order.serial)

    await shop.pay(order)
    again = await shop.pay(order)
    await shop.open_cashier(order, again)
    await shop.payer_pays(order)
    found = await shop.query(order)

    assert isinstance(again, Pending)
    assert isinstance(found, Approved)
    assert await shop.moved(order) == Moved(taken_minor=order.money.amount_minor)


@pytest.mark.parametrize("executes", [True, False])
@scenario(PAY, SENDS)
async def test_a_word_the_channel_never_used_before_is_unknown(shop: Shop, executes: bool) -> None:
    order = shop.order(Will.PAYS)
    await shop.control.fault("unknown_code", order.serial, executes=executes)

    assert isinstance(await shop.pay(order), Unknown)


@scenario(PAY, QUERY, SENDS)
async def test_a_channel_that_hangs_is_unknown_within_the_deadline(
    shop: Shop, hasty_http: ChannelHttp, make_registry: Callable[[ChannelHttp], ChannelRegistry]
) -> None:
    order = shop.order(Will.PAYS)
    await shop.control.fault("delay", order.serial, seconds=9)
    patient, shop.channel = shop.channel, make_registry(hasty_http).get(shop.case.channel)

    started = time.monotonic()
    outcome = await shop.pay(order)
    took = time.monotonic() - started
    shop.channel = patient
    found = await shop.query(order)

    assert isinstance(outcome, Unknown)
    assert took < hasty_http.total_timeout.total_seconds() + SLACK_SECONDS
    assert not isinstance(found, Declined | NotAttempted)


@pytest.mark.parametrize("fault", ["drop_after", "http_500_before", "unknown_code"])
@scenario(PAY, QUERY)
async def test_a_question_that_is_not_answered_says_nothing_and_may_be_asked_again(
    shop: Shop, fault: str
) -> None:
    order, _ = await shop.paid()
    await shop.control.fault(fault, order.serial, times=2)  # a lost GET is sent twice

    unanswered = await shop.query(order)
    await shop.control.delete("/faults")
    answered = await shop.query(order)

    assert isinstance(unanswered, Unknown)
    assert isinstance(answered, Approved)
