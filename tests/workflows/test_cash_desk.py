"""Payments whose payer chooses the method: each way a choice can go."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import (
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError

from models.channel import (
    Approved,
    Confirm,
    Declined,
    NotAttempted,
    Pending,
    Redirect,
    Unknown,
)
from models.payment import (
    AttemptStatus,
    Cancellation,
    Choice,
    EvidenceKind,
    Failure,
    PaymentState,
    PaymentStatus,
)
from tests.workflows.conftest import DESK, PRICE, Till, approved, shows_qr
from workflows.payment import PaymentWorkflow

REFUSED = Declined(code="insufficient_funds", detail="not enough")
OPENED = Pending(channel_reference="2026112022001")
CLOSED = Declined(code="closed", detail="closed on request")
Handle = WorkflowHandle[Any, PaymentState]


async def at_the_desk(till: Till) -> Handle:
    till.script.accounts = 9
    handle = await till.start(till.order(method=None, checkout_token="token"))
    await till.initiated(handle)
    return handle


async def is_too_late(handle: Handle, method: str, number: int = 1) -> bool:
    """Whether a choice is refused."""
    try:
        await choose(handle, method, number)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        return isinstance(cause, ApplicationError) and cause.type == "ChoiceTooLate"
    return False


async def choose(handle: Handle, method: str, number: int = 1) -> PaymentState:
    return await handle.execute_update(PaymentWorkflow.choose, Choice(method=method, number=number))


async def test_without_a_method_the_payer_is_sent_to_the_desk_and_no_channel_hears_of_it(
    till: Till,
) -> None:
    handle = await till.start(till.order(method=None, checkout_token="token"))
    first = await till.initiated(handle)

    assert first.state.status is PaymentStatus.REQUIRES_ACTION
    assert first.state.next_action == Redirect(url=DESK)
    assert till.script.told == []

    await handle.execute_update(PaymentWorkflow.cancel, _cancel())


async def test_a_chosen_method_is_sent_with_the_desk_as_the_way_back_and_paid(till: Till) -> None:
    handle = await at_the_desk(till)

    chosen = await choose(handle, "alipay_page")
    await till.tell(handle, approved())
    state = await handle.result()

    assert chosen.next_action is not None
    assert chosen.next_action.type == "qr_code"
    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.sent[0].request.method == "alipay_page"
    assert till.script.settlements[0].order.method == "alipay_page"


async def test_after_a_refusal_the_payer_chooses_again_under_a_new_serial(till: Till) -> None:
    till.script.pay = [REFUSED, shows_qr()]
    handle = await at_the_desk(till)

    refused = await choose(handle, "card")
    again = await choose(handle, "alipay_qr", 2)
    await till.tell(handle, approved(), number=2)
    state = await handle.result()

    assert refused.status is PaymentStatus.REQUIRES_ACTION
    assert refused.next_action == Redirect(url=DESK)
    assert refused.failure == Failure(code="insufficient_funds", detail="not enough")
    assert refused.attempt_status is AttemptStatus.FAILED
    assert again.next_action is not None
    assert again.next_action.type == "qr_code"
    assert again.failure is None
    assert state.status is PaymentStatus.SUCCEEDED
    serials = [step.request.serial for step in till.script.sent]
    assert [serial[-2:] for serial in serials] == ["01", "02"]
    settled = till.script.settlements[-1].attempt
    assert settled is not None
    assert (settled.number, settled.method) == (2, "alipay_qr")


async def test_another_choice_closes_the_first_at_its_channel_before_it_is_sent(till: Till) -> None:
    till.script.pay = [shows_qr(), Pending(next_action=Confirm(instructions="look at your phone"))]
    till.script.query = [OPENED]
    till.script.close = [CLOSED]
    handle = await at_the_desk(till)
    await choose(handle, "alipay_qr")

    second = await choose(handle, "wallet", 2)

    assert till.script.told == ["pay", "close", "query", "pay"]
    assert second.next_action == Confirm(instructions="look at your phone")
    closed = [step for step in till.script.records if step.attempt and step.attempt.number == 1]
    assert closed[-1].attempt is not None
    assert closed[-1].attempt.status is AttemptStatus.VOIDED
    await till.tell(handle, approved(), number=2)
    assert (await handle.result()).status is PaymentStatus.SUCCEEDED


async def test_a_first_attempt_that_cannot_be_closed_is_stayed_with(till: Till) -> None:
    till.script.query = [OPENED]
    till.script.close = [Unknown(detail="no answer")]
    handle = await at_the_desk(till)
    first = await choose(handle, "alipay_qr")

    second = await choose(handle, "wallet", 2)
    third = await choose(handle, "wallet", 2)

    assert second.next_action == third.next_action == first.next_action
    assert till.script.told == ["pay", "close", "query", "close", "query"]
    await till.tell(handle, approved())
    assert (await handle.result()).status is PaymentStatus.SUCCEEDED


async def test_a_payer_who_paid_while_choosing_again_has_paid(till: Till) -> None:
    till.script.query = [approved()]
    till.script.close = [Unknown(detail="paid already")]
    handle = await at_the_desk(till)
    await choose(handle, "alipay_qr")

    second = await choose(handle, "wallet", 2)

    assert second.status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay", "close", "query"]
    assert (await handle.result()).status is PaymentStatus.SUCCEEDED


async def test_a_code_that_was_never_opened_and_is_paid_later_settles_the_payment(
    till: Till,
) -> None:
    till.script.query = [Pending(), Pending(), approved()]
    till.script.close = [Unknown(detail="no such trade")]
    handle = await at_the_desk(till)
    await choose(handle, "alipay_qr")
    await choose(handle, "wallet", 2)

    await till.tell(handle, approved(), number=1)
    state = await handle.result()

    assert till.script.told == ["pay", "close", "query", "pay", "close", "query", "query"]
    assert state.status is PaymentStatus.SUCCEEDED
    settled = till.script.settlements[-1]
    assert settled.attempt is not None
    assert (settled.attempt.number, settled.attempt.method) == (1, "alipay_qr")
    assert settled.order.method == "alipay_qr"


async def test_a_former_code_that_is_paid_while_the_payer_chooses_settles_the_payment(
    till: Till,
) -> None:
    till.script.pay = [shows_qr(), REFUSED]
    till.script.query = [Pending(), approved()]
    till.script.close = [Unknown(detail="no such trade")]
    handle = await at_the_desk(till)
    await choose(handle, "alipay_qr")
    await choose(handle, "card", 2)

    await till.tell(handle, approved(), number=1)
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.settlements[-1].callback_ids == ("cb_1",)


async def test_two_tabs_that_choose_the_same_make_one_attempt(till: Till) -> None:
    handle = await at_the_desk(till)

    first, other = await asyncio.gather(choose(handle, "alipay_qr"), choose(handle, "alipay_qr"))

    assert first.next_action == other.next_action
    assert await is_too_late(handle, "alipay_qr")
    assert till.script.told == ["pay"]
    await till.tell(handle, approved())
    await handle.result()


async def test_nothing_is_chosen_while_it_is_unknown_whether_money_moved(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Unknown(detail="no answer")]
    handle = await at_the_desk(till)
    noted = asyncio.Event()

    async def note() -> None:
        noted.set()

    till.script.meanwhile["record_move"] = note
    begun = await handle.start_update(
        PaymentWorkflow.choose,
        Choice(method="alipay_qr", number=1),
        wait_for_stage=WorkflowUpdateStage.ACCEPTED,
    )
    await noted.wait()

    assert await is_too_late(handle, "wallet", 2)
    assert till.script.told.count("pay") == 1
    await till.tell(handle, approved())
    assert (await begun.result()).status is PaymentStatus.SUCCEEDED
    await handle.result()


async def test_a_method_that_no_account_takes_now_leaves_the_payer_the_others(till: Till) -> None:
    handle = await at_the_desk(till)
    till.script.accounts = 0

    refused = await choose(handle, "card")
    till.script.accounts = 9
    again = await choose(handle, "alipay_qr")

    assert refused.failure == Failure(code="no_route", detail="none left")
    assert refused.next_action == Redirect(url=DESK)
    assert again.next_action is not None
    assert again.next_action.type == "qr_code"
    await till.tell(handle, approved())
    await handle.result()


async def test_a_channel_that_is_not_reached_leads_back_to_the_desk(till: Till) -> None:
    till.script.pay = [NotAttempted(detail="down")]
    handle = await at_the_desk(till)
    till.script.accounts = 1

    back = await choose(handle, "card")

    assert back.failure == Failure(code="channel_unreachable", detail="down")
    assert back.attempt_status is AttemptStatus.NOT_SENT
    await handle.execute_update(PaymentWorkflow.cancel, _cancel())


async def test_a_desk_that_nobody_uses_expires(till: Till) -> None:
    handle = await at_the_desk(till)

    await till.env.fast_forward(handle, timedelta(minutes=16))
    state = await handle.result()

    assert state.status is PaymentStatus.EXPIRED
    assert state.attempt_status is None
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.TIMER
    assert till.script.told == []


async def test_a_chosen_attempt_is_closed_when_time_is_up(till: Till) -> None:
    till.script.query = [OPENED]
    till.script.close = [Declined(code="expired", detail="time is up")]
    handle = await at_the_desk(till)
    await choose(handle, "alipay_qr")

    await till.env.fast_forward(handle, timedelta(minutes=16))
    state = await handle.result()

    assert state.status is PaymentStatus.EXPIRED
    assert state.attempt_status is AttemptStatus.EXPIRED
    assert "close" in till.script.told


async def test_the_app_may_cancel_while_the_payer_chooses(till: Till) -> None:
    handle = await at_the_desk(till)

    state = await handle.execute_update(PaymentWorkflow.cancel, _cancel())

    assert state.status is PaymentStatus.CANCELED
    assert state.attempt_status is None
    assert till.script.told == []


async def test_a_choice_after_the_end_changes_nothing(till: Till) -> None:
    till.script.pay = [approved()]
    handle = await at_the_desk(till)

    paid = await choose(handle, "alipay_qr")

    assert paid.status is PaymentStatus.SUCCEEDED
    assert (await handle.result()).status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay"]


async def test_nine_refusals_are_the_end(till: Till) -> None:
    till.script.pay = [REFUSED]
    handle = await at_the_desk(till)

    states = [await choose(handle, "card", number) for number in range(1, 10)]

    assert [state.status for state in states[:8]] == [PaymentStatus.REQUIRES_ACTION] * 8
    assert states[8].status is PaymentStatus.FAILED
    assert (await handle.result()).failure == Failure(
        code="insufficient_funds", detail="not enough"
    )


async def test_an_order_that_our_rules_refuse_never_opens_the_desk(till: Till) -> None:
    till.script.refusal = Failure(code="risk_refused", detail="above the limit")
    handle = await till.start(till.order(method=None, checkout_token="token"))

    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert state.next_action is None


async def test_money_of_another_amount_is_not_this_payments(till: Till) -> None:
    other = Approved(channel_reference="1", money=PRICE.model_copy(update={"amount_minor": 1}))
    till.script.pay = [other]
    till.script.query = [approved()]
    handle = await at_the_desk(till)

    state = await choose(handle, "alipay_qr")

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay", "query"]
    await handle.result()


def _cancel() -> Cancellation:
    return Cancellation(command_id="cmd_1", requested_by="key_1")
