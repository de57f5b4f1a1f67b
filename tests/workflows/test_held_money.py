"""Money that is held first: captured whole or in part, released, run out of time, or unclear."""

from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateStage

from models.channel import Approved, Declined, Pending, Unknown
from models.money import Money
from models.payment import Cancellation, Capture, EvidenceKind, PaymentState, PaymentStatus
from tests.workflows.conftest import PRICE, Till
from workflows.payment import PaymentWorkflow

CANCEL = Cancellation(command_id="cmd_1", requested_by="key_1", reason="sold out")
GONE = Declined(code="closed", detail="released")
UNCLEAR = Unknown(detail="no answer")


def cny(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="CNY")


def held(money: Money = PRICE) -> Approved:
    return Approved(channel_reference="auth-1", money=money, held=True)


def taken(amount_minor: int) -> Approved:
    return Approved(channel_reference="trade-1", money=cny(amount_minor))


async def hold(till: Till) -> WorkflowHandle[Any, PaymentState]:
    """A payment whose money the channel holds since its first answer."""
    till.script.pay = [held()]
    handle = await till.start(till.order(capture_method="manual"))
    first = await till.initiated(handle)
    assert first.state.status is PaymentStatus.REQUIRES_CAPTURE
    return handle


async def capture(handle: WorkflowHandle[Any, PaymentState], amount_minor: int) -> None:
    command = Capture(command_id="cmd_2", requested_by="key_1", money=cny(amount_minor))
    await handle.signal(PaymentWorkflow.capture, command)


def booked(till: Till) -> list[tuple[str, int | None]]:
    states = [settlement.transition.after for settlement in till.script.settlements]
    return [(state.status.value, state.captured_minor) for state in states]


async def test_money_that_is_held_is_told_to_the_app_and_captured_whole(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [taken(1999)]

    await capture(handle, 1999)
    state = await handle.result()

    assert booked(till) == [("requires_capture", None), ("succeeded", 1999)]
    assert (state.captured_minor, state.notified) == (1999, 2)
    assert state.capture_before is not None


async def test_a_part_is_captured_and_the_rest_let_go(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [taken(1500)]

    await capture(handle, 1500)
    await handle.result()

    assert booked(till)[-1] == ("partially_captured", 1500)
    assert till.script.captures[0].request.channel_reference == "auth-1"
    assert till.script.captures[0].request.authorized == PRICE


async def test_a_hold_told_by_callback_is_captured_too(till: Till) -> None:
    handle = await till.start(till.order(capture_method="manual"))
    await till.initiated(handle)
    till.script.capture = [taken(1999)]

    await till.tell(handle, held())
    await capture(handle, 1999)
    await handle.result()

    assert [status for status, _ in booked(till)] == ["requires_capture", "succeeded"]


async def test_a_capture_whose_answer_is_lost_is_asked_for_again_under_the_same_number(
    till: Till,
) -> None:
    handle = await hold(till)
    till.script.capture = [UNCLEAR, UNCLEAR, taken(1500)]

    await capture(handle, 1500)
    await till.env.fast_forward(handle, timedelta(minutes=1))
    state = await handle.result()

    assert state.captured_minor == 1500
    assert {step.request.serial for step in till.script.captures} == {
        till.script.sent[0].request.serial
    }
    assert {step.request.money for step in till.script.captures} == {cny(1500)}
    assert till.script.records[0].transition.after.status is PaymentStatus.PROCESSING


async def test_a_lost_capture_is_settled_by_the_callback_about_it(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [UNCLEAR]

    await capture(handle, 1500)
    await till.tell(handle, taken(1500), callback_id="cb_2")
    state = await handle.result()

    assert state.status is PaymentStatus.PARTIALLY_CAPTURED
    evidence = till.script.settlements[-1].transition.evidence
    assert evidence.kind in (EvidenceKind.CALLBACK, EvidenceKind.QUERY)


async def test_a_callback_of_another_amount_than_was_asked_for_is_asked_about(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [UNCLEAR]
    till.script.query = [taken(700)]

    await capture(handle, 1500)
    await till.tell(handle, taken(1400), callback_id="cb_2")
    state = await handle.result()

    assert state.captured_minor == 700


async def test_a_refused_capture_leaves_the_hold_for_another_try(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [Declined(code="refused", detail="not now"), taken(1000)]
    till.script.query = [held()]

    await capture(handle, 1999)
    await capture_until_taken(till, handle, 1000)
    state = await handle.result()

    assert state.captured_minor == 1000


async def capture_until_taken(
    till: Till, handle: WorkflowHandle[Any, PaymentState], amount_minor: int
) -> None:
    """The second command counts once the first was refused."""
    while len(till.script.captures) < 2:
        await capture(handle, amount_minor)


async def test_a_capture_of_a_hold_that_is_gone_is_an_end_without_money(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [Declined(code="expired", detail="the hold is over")]
    till.script.query = [GONE]

    await capture(handle, 1999)
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert state.captured_minor is None


async def test_a_cancel_releases_what_is_held(till: Till) -> None:
    handle = await hold(till)
    till.script.void = [GONE]
    till.script.query = [GONE]

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.CANCELED
    assert till.script.told == ["pay", "void", "query"]


async def test_a_release_that_meets_a_capture_at_the_channel_books_the_capture(till: Till) -> None:
    handle = await hold(till)
    till.script.void = [UNCLEAR]
    till.script.query = [taken(1999)]

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert (state.status, state.captured_minor) == (PaymentStatus.SUCCEEDED, 1999)


async def test_a_hold_nobody_captures_is_released_and_expires(till: Till) -> None:
    handle = await hold(till)
    till.script.void = [GONE]
    till.script.query = [GONE]

    await till.env.fast_forward(handle, timedelta(days=7, minutes=1))
    state = await handle.result()

    assert state.status is PaymentStatus.EXPIRED
    assert till.script.told == ["pay", "void", "query"]


async def test_a_release_the_channel_does_not_confirm_goes_on_and_to_a_person(till: Till) -> None:
    handle = await hold(till)
    till.script.void = [UNCLEAR] * 8 + [GONE]
    till.script.query = [held()] * 8 + [GONE]

    await handle.start_update(
        PaymentWorkflow.cancel, CANCEL, wait_for_stage=WorkflowUpdateStage.ACCEPTED
    )
    await till.env.fast_forward(handle, timedelta(days=1))
    state = await handle.result()

    assert [status for status, _ in booked(till)] == ["requires_capture", "review", "canceled"]
    assert state.status is PaymentStatus.CANCELED


async def test_a_capture_after_a_cancel_comes_too_late(till: Till) -> None:
    handle = await hold(till)
    till.script.void = [GONE]
    till.script.query = [GONE]
    till.script.meanwhile["void"] = lambda: capture(handle, 1999)

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.CANCELED
    assert till.script.captures == []


async def test_a_cancel_after_a_capture_answers_with_the_capture(till: Till) -> None:
    handle = await hold(till)
    till.script.capture = [taken(1999)]

    await capture(handle, 1999)
    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.SUCCEEDED
    assert "void" not in till.script.told


async def test_a_hold_released_by_the_channel_itself_fails(till: Till) -> None:
    handle = await hold(till)

    await till.tell(handle, GONE, callback_id="cb_2")
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert state.failure is not None
    assert state.failure.code == "closed"


async def test_a_hold_of_another_amount_is_no_hold(till: Till) -> None:
    till.script.pay = [held(cny(1))]
    till.script.query = [UNCLEAR, held()]

    handle = await till.start(till.order(capture_method="manual"))
    await till.env.fast_forward(handle, timedelta(seconds=30))
    first = await till.initiated(handle)

    assert first.state.status is PaymentStatus.REQUIRES_CAPTURE
    assert till.script.records[0].transition.after.status is PaymentStatus.PROCESSING
    await handle.terminate("the test is over")


async def test_money_held_for_an_automatic_payment_is_not_taken_for_money(till: Till) -> None:
    till.script.pay = [held()]
    till.script.query = [Pending(), taken(1999)]

    handle = await till.start()
    await till.env.fast_forward(handle, timedelta(minutes=2))
    state = await handle.result()

    assert state.captured_minor == 1999
    assert till.script.records[0].transition.after.status is PaymentStatus.PROCESSING
