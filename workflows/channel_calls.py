"""What a payment asks of its channel: pay, query, close. Each gives a finding and never raises."""

from temporalio import workflow
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityHandle

from activities.channel import ChannelActivities
from models.channel import Answer, PayRequest
from models.money import Money
from models.payment import Attempt, PaymentOrder, Preparation
from models.refund import RefundOrder
from models.steps import (
    CaptureStep,
    PayStep,
    QueryStep,
    capture_of,
    method_of,
    query_of,
    refund_step,
)
from workflows import options
from workflows.findings import Finding, from_failure
from workflows.queues import channel_queue


async def send(order: PaymentOrder, attempt: Attempt, prepared: Preparation) -> Finding:
    """Ask for the money of one attempt: once, unless the method says a repeat is harmless."""
    request = PayRequest(
        payment_id=order.payment_id,
        serial=attempt.serial,
        method=method_of(order, attempt),
        money=order.money,
        subject=order.subject,
        expires_at=order.expires_at,
        notify_url=prepared.notify_url,
        return_url=prepared.return_url or order.return_url,
        payer_code=order.payer_code,
        capture_method=order.capture_method,
    )
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.pay,
            PayStep(route=attempt.route, request=request, repeat_safe=prepared.repeat_safe),
            task_queue=channel_queue(attempt.route.channel),
            summary=f"{request.method} {order.money} as {attempt.serial}",
            **(options.SEND_UNTIL_ANSWERED if prepared.repeat_safe else options.SEND_ONCE),
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=prepared.repeat_safe)
    return Finding.from_answer(answer).checked(order)


def start_query(
    order: PaymentOrder, attempt: Attempt, *, until_known_within: float | None
) -> ActivityHandle[Answer]:
    """Begin to ask where the serial stands: one round, or until it is known (in seconds)."""
    how = (
        options.ASK_ONCE
        if until_known_within is None
        else options.ask_until_known(until_known_within)
    )
    return workflow.start_activity_method(
        ChannelActivities.query,
        QueryStep(
            route=attempt.route,
            request=query_of(order, attempt),
            until_known=until_known_within is not None,
        ),
        task_queue=channel_queue(attempt.route.channel),
        summary=f"query {attempt.serial}",
        **how,
    )


async def second_opinion(order: PaymentOrder, attempt: Attempt) -> Finding:
    """Ask whether money that a callback tells of is still there."""
    within = options.SECOND_OPINION_WITHIN.total_seconds()
    try:
        answer = await start_query(order, attempt, until_known_within=within)
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=True)
    return Finding.from_query(answer).checked(order)


async def tell_to_close(order: PaymentOrder, attempt: Attempt) -> Finding:
    """Tell the channel to take no more money for the serial; the query after it decides."""
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.close,
            QueryStep(route=attempt.route, request=query_of(order, attempt)),
            task_queue=channel_queue(attempt.route.channel),
            summary=f"close {attempt.serial}",
            **options.CLOSE,
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=True)
    return Finding.from_query(answer)


async def capture(
    order: PaymentOrder, attempt: Attempt, money: Money, *, notify_url: str
) -> Finding:
    """Take `money` of what is held. Never "not sent": only the channel can say that it did not."""
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.capture,
            CaptureStep(
                route=attempt.route,
                request=capture_of(order, attempt, money, notify_url=notify_url),
            ),
            task_queue=channel_queue(attempt.route.channel),
            summary=f"capture {money} of {attempt.serial}",
            **options.SEND_ONCE,
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=True)
    return Finding.from_answer(answer).checked(order)


async def release(order: PaymentOrder, attempt: Attempt) -> Finding:
    """Give up what is held; the query after it decides."""
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.void,
            QueryStep(route=attempt.route, request=query_of(order, attempt)),
            task_queue=channel_queue(attempt.route.channel),
            summary=f"release {attempt.serial}",
            **options.CLOSE,
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=True)
    return Finding.from_answer(answer)


async def refund(order: RefundOrder) -> Finding:
    """Ask for a refund under its own number: a repeat moves nothing twice."""
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.refund,
            refund_step(order),
            task_queue=channel_queue(order.attempt.route.channel),
            summary=f"refund {order.money} as {order.refund_serial}",
            **options.SEND_ONCE,
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=False)
    return Finding.from_answer(answer).exactly(order.money)


async def query_refund(order: RefundOrder) -> Finding:
    """Ask where a refund stands."""
    try:
        answer = await workflow.execute_activity_method(
            ChannelActivities.query_refund,
            refund_step(order),
            task_queue=channel_queue(order.attempt.route.channel),
            summary=f"query refund {order.refund_serial}",
            **options.ASK_ONCE,
        )
    except ActivityError as error:
        return from_failure(error, may_have_been_sent=True)
    return Finding.from_query(answer).exactly(order.money)
