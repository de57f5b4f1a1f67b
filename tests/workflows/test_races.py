"""News that crosses what we do: what a payment makes of it, and that nothing is lost."""

from datetime import timedelta

from channels.alipay.adapter import CLOCK_MARGIN
from models.channel import Declined, NotAttempted, Pending, Unknown
from models.payment import Cancellation, EvidenceKind, PaymentStatus
from tests.workflows.conftest import Till, approved
from workflows.options import CLOSE_PAUSES
from workflows.payment import PaymentWorkflow

CANCEL = Cancellation(command_id="cmd_1", requested_by="key_1", reason="changed mind")
CLOSED = Declined(code="closed", detail="closed")


async def test_the_last_pause_before_a_person_looks_ends_with_a_question(till: Till) -> None:
    silences, tries = 8, len(CLOSE_PAUSES)
    till.script.query = [
        *[Pending()] * (silences + tries),
        Declined(code="expired", detail="never opened"),
    ]
    handle = await till.start()
    await till.initiated(handle)

    await till.env.fast_forward(handle, timedelta(minutes=20))

    assert (await handle.result()).status is PaymentStatus.EXPIRED


def test_closing_is_tried_for_longer_than_clocks_may_differ() -> None:
    assert sum(CLOSE_PAUSES, timedelta(0)) > CLOCK_MARGIN


async def test_a_trade_the_payer_opened_is_not_canceled_without_the_channels_word(
    till: Till,
) -> None:
    till.script.close = [Unknown(detail="busy"), CLOSED]
    till.script.query = [*[Pending(channel_reference="2026112022001")] * 2, CLOSED]
    handle = await till.start()
    await till.initiated(handle)

    await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert till.script.told.count("close") == 2
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.QUERY


async def test_paid_is_older_news_than_a_cancel_that_gave_the_money_back(till: Till) -> None:
    till.script.query = [Pending(channel_reference="2026112022001"), CLOSED]
    till.script.close = [CLOSED.model_copy(update={"channel_code": "refund"})]
    handle = await till.start()
    await till.initiated(handle)
    till.script.meanwhile["close"] = lambda: till.tell(handle, approved())

    await handle.execute_update(PaymentWorkflow.cancel, CANCEL)
    state = await handle.result()

    assert state.status is PaymentStatus.CANCELED
    assert till.script.settlements[0].callback_ids == ()


async def test_paid_news_while_an_end_without_money_is_booked_is_left_for_a_late_run(
    till: Till,
) -> None:
    till.script.pay = [Declined(code="insufficient_funds", detail="not enough")]
    order = till.order()
    handle = till.handle_of(order)
    till.script.meanwhile["settle"] = lambda: till.tell(handle, approved())

    await till.start(order)
    state = await handle.result()

    assert state.status is PaymentStatus.FAILED
    assert {s.transition.after.status for s in till.script.settlements} == {PaymentStatus.FAILED}
    assert till.script.settlements[0].callback_ids == ()


async def test_a_callback_we_do_not_understand_does_not_end_the_asking(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [*[Unknown(detail="busy")] * 3, approved()]
    handle = await till.start()

    await till.tell(handle, Unknown(detail="unlisted trade_status"))
    state = await handle.result()

    assert state.status is PaymentStatus.SUCCEEDED
    assert "close" not in till.script.told


async def test_news_of_another_attempt_is_not_counted_as_handled(till: Till) -> None:
    till.script.accounts = 2
    till.script.pay = [NotAttempted(detail="refused"), Pending()]
    handle = await till.start()
    await till.initiated(handle)

    await till.tell(handle, approved(), callback_id="cb_first", number=1)
    await till.tell(handle, approved(), callback_id="cb_second", number=2)
    await handle.result()

    assert till.script.settlements[0].callback_ids == ("cb_second",)


async def test_what_was_canceled_before_it_was_sent_is_never_sent(till: Till) -> None:
    order = till.order()

    state = await till.cancel_unstarted(order, CANCEL)

    assert state.status is PaymentStatus.CANCELED
    assert till.script.told == []
    assert till.script.settlements[0].transition.evidence.kind is EvidenceKind.COMMAND


async def test_a_person_may_take_weeks(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Unknown(detail="still nothing")]
    handle = await till.start()

    for _ in range(8):
        await till.env.fast_forward(handle, timedelta(hours=7))
    nested = (await handle.query("__stack_trace")).count("_close")

    assert nested <= 1
    await handle.terminate()


async def test_a_cancel_during_review_is_tried_at_once(till: Till) -> None:
    till.script.repeat_safe = False
    till.script.pay = [Unknown(detail="no answer")]
    till.script.query = [Unknown(detail="still nothing")]
    handle = await till.start()
    await till.env.fast_forward(handle, timedelta(minutes=30))
    till.script.query = [CLOSED]
    till.script.close = [CLOSED]

    state = await handle.execute_update(PaymentWorkflow.cancel, CANCEL)

    assert state.status is PaymentStatus.CANCELED
