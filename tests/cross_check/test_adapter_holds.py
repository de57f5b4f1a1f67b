"""Money held first: our adapter talks to the sandbox, two independent writings of one protocol."""

import asyncio

import pytest

from models.channel import Approved, Declined, Pending, ShowQrCode, Unknown
from tests.cross_check.hold_till import CODE_THAT_AGREES, Till, is_closed, is_held, took, yuan
from tests.sandbox.receiver import Receiver


async def test_a_hold_from_its_code_to_a_partial_capture_and_its_refund(
    till: Till, receiver: Receiver
) -> None:
    till.notify_url = receiver.url

    made = await till.hold()
    unopened = await till.query()
    await till.control.post("/trades/open", out_trade_no=till.serial)
    opened = await till.query()
    await till.agree()
    held, news = await till.query(), till.read(await receiver.next())
    captured = await till.capture(15_00)

    assert isinstance(made, Pending)
    assert isinstance(made.next_action, ShowQrCode)
    assert unopened == Pending(detail="the payer has not opened it yet")
    assert isinstance(opened, Pending)
    assert opened.channel_reference is not None
    assert is_held(held)
    assert news is not None
    assert (news.serial, news.outcome) == (till.serial, held)
    assert isinstance(captured, Approved)
    assert (captured.money, captured.held) == (yuan(15_00), False)
    told = [till.read(await receiver.next()) for _ in range(2)]
    trade = next(facts for facts in told if facts is not None)
    assert None in told  # the rest was released, as we asked
    assert (trade.serial, trade.channel_reference) == (till.serial, captured.channel_reference)
    assert took(trade.outcome) == 15_00
    refunded = await till.refund(5_00, paid=15_00, reference=captured.channel_reference)
    assert isinstance(refunded, Approved)
    books = await till.books()
    assert (books["executions"], books["captured_minor"], books["refunded_minor"]) == (
        1,
        15_00,
        5_00,
    )


async def test_a_code_at_the_till_holds_at_once(till: Till) -> None:
    held = await till.hold(code=CODE_THAT_AGREES)

    assert is_held(held)
    assert took(await till.capture(19_99)) == 19_99


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("280115833990941919", Pending),
        ("280215833990941919", Declined),
        ("280315833990941919", Declined),
        ("280415833990941919", Unknown),
    ],
)
async def test_a_code_at_the_till_ends_as_the_sandbox_decides(
    till: Till, code: str, outcome: type
) -> None:
    assert isinstance(await till.hold(code=code), outcome)


async def test_what_was_taken_is_found_again(till: Till) -> None:
    await till.held()
    await till.capture(15_00)

    assert took(await till.query()) == 15_00
    assert took(await till.capture(15_00)) == 15_00
    assert took(await till.void()) == 15_00
    assert (await till.books())["executions"] == 1


async def test_a_capture_given_back_in_full_was_still_taken(till: Till) -> None:
    await till.held()
    captured = await till.capture(15_00)
    assert isinstance(captured, Approved)
    await till.refund(15_00, paid=15_00, reference=captured.channel_reference)

    assert took(await till.query()) == 15_00


@pytest.mark.parametrize("fault", ["drop_after", "http_500_after", "bad_signature", "unknown_code"])
async def test_a_capture_whose_answer_is_lost_is_unknown_and_repeating_it_takes_nothing_more(
    till: Till, fault: str
) -> None:
    await till.held()
    await till.control.fault(fault, till.serial, method="alipay.trade.pay")

    lost = await till.capture(15_00)
    again = await till.capture(15_00)

    assert isinstance(lost, Unknown)
    assert took(again) == 15_00
    books = await till.books()
    assert (books["executions"], books["captured_minor"], books["authorized_minor"]) == (
        1,
        15_00,
        0,
    )


async def test_a_capture_that_never_arrived_is_repeated(till: Till) -> None:
    await till.held()
    await till.control.fault("drop_before", till.serial, method="alipay.trade.pay")

    lost = await till.capture(15_00)
    still = await till.query()
    again = await till.capture(15_00)

    assert isinstance(lost, Unknown)
    assert is_held(still)
    assert took(again) == 15_00


async def test_more_than_is_held_is_declined_and_the_hold_stands(till: Till) -> None:
    await till.held()

    refused = await till.capture(20_00)
    beyond = await till.capture(20_00, authorized=25_00)

    for outcome in (refused, beyond):
        assert isinstance(outcome, Declined)
        assert outcome.code == "capture_amount_invalid"
    assert is_held(await till.query())


async def test_a_release_gives_all_of_it_up(till: Till, receiver: Receiver) -> None:
    till.notify_url = receiver.url
    await till.held()
    await receiver.next()

    released = await till.void()
    news = till.read(await receiver.next())

    assert is_closed(released)
    assert is_closed(await till.query())
    assert is_closed(await till.void())
    assert is_closed(await till.capture(15_00))
    assert news is not None
    assert is_closed(news.outcome)
    books = await till.books()
    assert (books["status"], books["executions"]) == ("released", 0)


async def test_a_release_whose_answer_is_lost_is_found(till: Till) -> None:
    await till.held()
    await till.control.fault("drop_after", till.serial, method="alipay.fund.auth.order.unfreeze")

    lost = await till.void()

    assert isinstance(lost, Unknown)
    assert is_closed(await till.void())
    assert (await till.books())["status"] == "released"


async def test_an_order_nobody_agreed_to_is_closed(till: Till) -> None:
    await till.hold()
    await till.control.post("/trades/open", out_trade_no=till.serial)

    closed = await till.close()

    assert is_closed(closed)
    assert is_closed(await till.query())


async def test_an_order_nobody_agreed_to_is_given_up_by_a_release_too(till: Till) -> None:
    await till.hold()
    await till.control.post("/trades/open", out_trade_no=till.serial)

    assert is_closed(await till.void())
    assert is_closed(await till.query())


async def test_closing_what_was_not_opened_says_that_it_was_not(till: Till) -> None:
    await till.hold()

    assert await till.close() == Pending(detail="the payer has not opened it yet")


async def test_a_hold_that_ran_out_is_gone(till: Till, receiver: Receiver) -> None:
    till.notify_url = receiver.url
    await till.held()
    await receiver.next()

    await till.control.post("/alipay/holds/expire", out_trade_no=till.serial)
    news = till.read(await receiver.next())

    assert news is not None
    assert is_closed(news.outcome)
    assert is_closed(await till.query())
    assert is_closed(await till.capture(15_00))


@pytest.mark.parametrize(
    "fault", ["drop_after", "http_500_after", "bad_signature", "unknown_code", "drop_before"]
)
async def test_whatever_goes_wrong_with_a_freeze_is_unknown(till: Till, fault: str) -> None:
    await till.control.fault(fault, till.serial)

    assert isinstance(await till.hold(), Unknown)
    assert isinstance(await till.hold(), Pending)


async def test_a_hold_of_another_amount_than_ours_is_unknown(till: Till) -> None:
    await till.held()
    await till.control.fault("wrong_amount", till.serial, target="answer")

    assert isinstance(await till.query(), Unknown)


async def test_questions_that_cross_with_a_capture_say_held_or_taken_and_nothing_else(
    till: Till,
) -> None:
    await till.held()

    answers = await asyncio.gather(
        *(till.query() for _ in range(8)), till.capture(15_00), *(till.query() for _ in range(8))
    )

    assert all(is_held(answer) or took(answer) == 15_00 for answer in answers)
    assert took(await till.query()) == 15_00


async def test_a_capture_that_crosses_with_a_release_takes_all_it_says_or_nothing(
    till: Till,
) -> None:
    await till.held()

    captured, released = await asyncio.gather(till.capture(15_00), till.void())
    found = await till.query()

    books = await till.books()
    assert is_closed(found) != (took(found) == 15_00)
    assert books["executions"] == (0 if is_closed(found) else 1)
    assert not (took(captured) and is_closed(released))
    assert took(captured) in {None, took(found)}
