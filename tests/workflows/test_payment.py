"""The course of a payment, each way it can go."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from models.channel import Declined, NotAttempted, Pending, Unknown
from models.money import Money
from models.payment import Cancellation, EvidenceKind, Failure, Initiation, PaymentStatus
from tests.workflows.conftest import Till, approved, shows_qr
from workflows.payment import PaymentWorkflow

CANCEL = Cancellation(command_id="cmd_1", requested_by="key_1", reason="changed mind")


async def test_a_payment_paid_by_callback_succeeds_with_that_callback_as_evidence(
    till: Till,
) -> None:
    handle = await till.start()
    first = await till.initiated(handle)

    await till.tell(handle, approved())
    state = await handle.result()

    assert first.state.status is PaymentStatus.REQUIRES_ACTION
    assert first.state.next_action == shows_qr().next_action or first.state.next_action
    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay"]
    assert [s.transition.evidence.kind for s in till.script.settlements] == [EvidenceKind.CALLBACK]
    assert till.script.settlements[0].transition.evidence.reference == "cb_1"
    assert till.script.settlements[0].callback_ids == ("cb_1",)


async def test_a_lost_callback_is_found_by_query_after_silence(till: Till) -> None:
    till.script.query = [approved()]
    handle = await till.start()
    await till.initiated(handle)

    await till.env.fast_forward(handle, timedelta(seconds=31))
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.QUERY


async def test_silence_is_asked_about_again_and_again_until_the_time_is_up(till: Till) -> None:
    till.script.query = [Pending(), Pending(), Pending(), approved()]
    handle = await till.start()
    await till.initiated(handle)

    await till.env.fast_forward(handle, timedelta(minutes=6))
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay", "query", "query", "query", "query"]


async def test_an_answer_that_says_paid_ends_the_payment_at_once(till: Till) -> None:
    till.script.pay = [approved()]

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.records == []
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.ANSWER


async def test_a_declined_payment_fails_with_the_channels_reason(till: Till) -> None:
    till.script.pay = [Declined(code="insufficient_funds", detail="not enough")]

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert state.failure == Failure(code="insufficient_funds", detail="not enough")


async def test_a_refusal_of_our_own_never_reaches_the_channel(till: Till) -> None:
    till.script.refusal = Failure(code="risk_refused", detail="above the limit")

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert till.script.told == []
    assert till.script.settlements[0].attempt is None


async def test_an_unknown_answer_is_settled_by_query_and_never_sent_again(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [approved()]

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.told == ["pay", "query"]
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.QUERY


async def test_the_caller_waits_for_the_query_when_the_answer_is_unknown(till: Till) -> None:
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Declined(code="refused", detail="no")]

    first = await till.pay(till.order())

    assert first.state.status is PaymentStatus.FAILED


async def test_an_unknown_answer_is_settled_by_a_callback_while_queries_fail(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Unknown(detail="still nothing")]
    handle = await till.start()

    await till.tell(handle, approved())
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert till.script.settlements[-1].transition.evidence.kind is EvidenceKind.CALLBACK


async def test_what_stays_unknown_goes_to_a_person_and_is_never_failed(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Unknown(detail="still nothing")]
    handle = await till.start()

    await till.env.fast_forward(handle, timedelta(minutes=30))
    progress = await handle.query(PaymentWorkflow.progress)

    assert progress.status is PaymentStatus.REVIEW
    assert [s.transition.after.status for s in till.script.settlements] == [PaymentStatus.REVIEW]
    till.script.query = [Pending()]
    await till.tell(handle, approved())
    assert (await handle.result()).status is PaymentStatus.SUCCEEDED
    assert till.script.settlements[-1].transition.after.notified == 2


async def test_a_callback_that_was_faster_than_the_answer_still_counts(till: Till) -> None:
    till.script.pay = [Pending()]
    order = till.order()
    handle = await till.start(order)

    await till.tell(handle, approved())
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED


async def test_the_same_news_many_times_books_once(till: Till) -> None:
    handle = await till.start()
    await till.initiated(handle)

    for callback_id in ("cb_1", "cb_1", "cb_2", "cb_1"):
        await till.tell(handle, Pending(), callback_id=callback_id)
    await till.tell(handle, approved(), callback_id="cb_3")
    await handle.result()

    assert len(till.script.settlements) == 1


async def test_money_of_another_amount_is_never_success(till: Till) -> None:
    till.script.pay = [approved(Money(amount_minor=1, currency="CNY"))]
    till.script.query = [approved(Money(amount_minor=1, currency="CNY"))]
    handle = await till.start()

    await till.env.fast_forward(handle, timedelta(minutes=30))

    assert (await handle.query(PaymentWorkflow.progress)).status is PaymentStatus.REVIEW
    assert all(
        s.transition.after.status is not PaymentStatus.SUCCEEDED for s in till.script.settlements
    )
    await handle.terminate()


async def test_a_payment_nobody_pays_is_closed_at_the_channel_and_expires(till: Till) -> None:
    order = till.order()
    till.script.query = [Pending()] * 9 + [Declined(code="closed", detail="closed")]
    handle = await till.start(order)
    await till.initiated(handle)

    await till.env.fast_forward(handle, timedelta(minutes=20))
    state = await handle.result()

    assert state.status is PaymentStatus.EXPIRED
    assert "close" in till.script.told
    assert till.script.told[-1] == "query"


async def test_a_payment_paid_while_we_close_it_succeeds(till: Till) -> None:
    till.script.close = [Unknown(detail="already paid")]
    till.script.query = [Pending()] * 9 + [approved()]
    handle = await till.start()
    await till.initiated(handle)

    await till.env.fast_forward(handle, timedelta(minutes=20))
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert "close" in till.script.told


async def test_a_cancel_closes_at_the_channel_and_answers_with_the_end(till: Till) -> None:
    till.script.close = [Declined(code="closed", detail="closed")]
    till.script.query = [Pending(), Declined(code="closed", detail="closed")]
    handle = await till.start()
    await till.initiated(handle)

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.CANCELED
    assert till.script.told == ["pay", "query", "close", "query"]


async def test_a_cancel_that_meets_a_paid_order_answers_succeeded(till: Till) -> None:
    till.script.close = [Unknown(detail="already paid")]
    till.script.query = [Pending(), approved()]
    handle = await till.start()
    await till.initiated(handle)

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.SUCCEEDED


async def test_a_cancel_of_what_was_never_opened_ends_without_the_channels_word(till: Till) -> None:
    handle = await till.start()
    await till.initiated(handle)

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.CANCELED
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.COMMAND


async def test_a_cancel_in_temporal_ui_is_a_cancel_command(till: Till) -> None:
    till.script.close = [Declined(code="closed", detail="closed")]
    handle = await till.start()
    await till.initiated(handle)

    await handle.cancel()
    state = await handle.result()

    assert state.status is PaymentStatus.CANCELED


async def test_another_account_is_tried_only_while_nothing_was_sent(till: Till) -> None:
    till.script.accounts = 2
    till.script.pay = [NotAttempted(detail="refused"), approved()]

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert [step.route.account_id for step in till.script.sent] == ["acc_1", "acc_2"]
    assert len({step.request.serial for step in till.script.sent}) == 2


async def test_no_account_left_fails_and_says_nothing_was_sent(till: Till) -> None:
    till.script.pay = [NotAttempted(detail="refused")]

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert state.failure is not None
    assert state.failure.code == "channel_unreachable"


async def test_an_order_older_than_its_start_window_never_reaches_the_channel(till: Till) -> None:
    now = till.order().created_at
    order = till.order(created_at=now - timedelta(hours=2), initiate_by=now - timedelta(hours=1))

    handle = await till.start(order)
    state = await handle.result()

    assert state.status is PaymentStatus.EXPIRED
    assert till.script.told == []


async def test_another_body_under_the_same_id_is_refused(till: Till) -> None:
    handle = await till.start()

    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(PaymentWorkflow.initiate, Initiation(fingerprint="other"))

    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == "IdempotencyConflict"
    await handle.terminate()


async def test_booking_is_tried_until_the_database_is_back(till: Till) -> None:
    till.script.pay = [approved()]
    till.script.fail_settle_times = 3

    handle = await till.start()
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert len(till.script.settlements) == 1
