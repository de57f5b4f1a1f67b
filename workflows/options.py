"""Timeouts and retries by name, each with its reason. Nothing else in `workflows/` sets any."""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy


class LocalOptions(TypedDict):
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


class ActivityOptions(TypedDict, total=False):
    start_to_close_timeout: timedelta
    schedule_to_start_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


# Our own reads and writes: idempotent, so tried until PostgreSQL is back. Local, because a step of
# its own in the task queue would cost six events and a workflow task (docs/decisions/002).
OUR_RECORDS = LocalOptions(
    start_to_close_timeout=timedelta(seconds=5),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=10)
    ),
)

# Money goes out once per serial. The channel's HTTP deadline is shorter than ours, so that the
# adapter, not Temporal, says what happened. Waiting in the queue is bounded apart from that: what
# was never handed to a worker was certainly not sent.
SEND_DEADLINE = timedelta(seconds=20)
SEND_QUEUE_TIME = timedelta(seconds=60)
SEND_ONCE = ActivityOptions(
    start_to_close_timeout=SEND_DEADLINE,
    schedule_to_start_timeout=SEND_QUEUE_TIME,
    retry_policy=RetryPolicy(maximum_attempts=1),
)

# The channel promises that the same serial moves no money twice: a lost answer is asked for again.
SEND_UNTIL_ANSWERED = ActivityOptions(
    start_to_close_timeout=SEND_DEADLINE,
    schedule_to_start_timeout=SEND_QUEUE_TIME,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        backoff_coefficient=3.0,
        maximum_attempts=3,
    ),
)

# A question moves nothing. One round; the workflow decides when to ask again.
ASK_ONCE = ActivityOptions(
    start_to_close_timeout=SEND_DEADLINE,
    schedule_to_close_timeout=timedelta(minutes=2),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3),
)


def ask_until_known(seconds: float) -> ActivityOptions:
    """After an unknown outcome, for at most `seconds`: often at first, then ever more slowly.

    Retries of one activity add no history. Alipay asks for 3 to 6 seconds between queries for about
    a minute, then a cancel (Source: opendocs.alipay.com, cancel flow, read 2026-11-20).
    """
    return ActivityOptions(
        start_to_close_timeout=SEND_DEADLINE,
        schedule_to_close_timeout=timedelta(seconds=seconds),
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=2.0,
            maximum_interval=timedelta(seconds=60),
        ),
    )


# A callback is verified, so this query is a second opinion: a channel that cancelled a paid order
# has given the money back by itself, and its "paid" is older news. After this long the callback
# counts alone.
SECOND_OPINION_WITHIN = timedelta(hours=1)

# How long to wait before each try to close a serial; after the last a person looks. The second is
# short because the usual reason is a clock a second ahead of ours. Together they are longer than
# the clocks of a channel may differ from ours: only after that does its "not there" count.
CLOSE_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (0, 2, 15, 60))
# While a person looks, the channel is asked on: evidence may still arrive by itself.
REVIEW_QUERY_EVERY = timedelta(hours=6)

# Closing moves nothing to us and may be repeated; the query after it decides.
CLOSE = ASK_ONCE

# One round of deliveries for one app: bounded by its own deadlines, so a lost worker shows soon.
DELIVER = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=60),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)
    ),
)

# Our own tables, by an activity of its own: reconciliation is no place to save events.
BOOKS = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1)
    ),
)

# A statement that is not made yet, or a channel that is away: asked for again, ever more slowly,
# without adding to the history. A million lines are 30 MB; the adapters end a download after 15
# minutes. Beyond two days somebody has to ask the channel.
STATEMENT_WITHIN = timedelta(days=2)
FETCH_STATEMENT = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=30),
    schedule_to_close_timeout=STATEMENT_WITHIN,
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(hours=1),
    ),
)

# Loading and comparing: 10 million lines take minutes. All of it is one transaction, so a worker
# that is lost has done nothing, and the next one begins again.
COMPARE_STATEMENT = ActivityOptions(
    start_to_close_timeout=timedelta(hours=2),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5)
    ),
)

# Evidence was handed to a payment's own run; whether that has booked it is looked at ever more
# slowly. Sweepers hand it over again for as long.
AWAIT_BOOKED = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(days=1),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=500),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(minutes=30),
    ),
)

# One look over what moved lately; the next comes anyway, so a lost one is not repeated for long.
LOOK_AROUND = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=5), maximum_attempts=3),
)
