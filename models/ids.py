"""Ids: a prefix that says what the thing is, and a ULID that sorts by time.

An id is made once, at the edge. What belongs to a payment is named from the payment, so that
doing a step twice names the same thing: attempt 2 of `pay_01J…` is `att_01J…02`, and the serial
number the channel sees is `01J…02`.
"""

from datetime import date

from ulid import ULID

# Longest serial: 26 characters of ULID and two digits. Alipay takes 64, WeChat Pay and UnionPay 32,
# and all three take letters and digits (channels, "order-number generator").
ATTEMPTS_MAX = 99

# Of the schedule that compares what moved lately with the channels, and of its runs.
CHECK_SCHEDULE = "check"


def new_id(prefix: str) -> str:
    """A fresh id such as `pay_01KAH3…`; only the API, a sweeper or a callback may make one."""
    return f"{prefix}_{ULID()}"


def suffix_of(identifier: str) -> str:
    """The part after the prefix: `01KAH3…` of `pay_01KAH3…`."""
    return identifier.partition("_")[2]


def attempt_id(payment_id: str, number: int) -> str:
    """The id of attempt `number` (1 to 99) of a payment."""
    return f"att_{serial(payment_id, number)}"


def serial(payment_id: str, number: int) -> str:
    """The order number the channel sees for attempt `number`: 28 letters and digits."""
    if not 1 <= number <= ATTEMPTS_MAX:
        raise ValueError(f"a payment has attempts 1 to {ATTEMPTS_MAX}, not {number}")
    return f"{suffix_of(payment_id)}{number:02d}"


def payment_workflow_id(payment_id: str) -> str:
    return f"pay/{payment_id}"


def late_workflow_id(payment_id: str, callback_id: str) -> str:
    return f"late/{payment_id}/{callback_id}"


def notification_workflow_id(app_id: str) -> str:
    return f"notify/{app_id}"


def refund_serial(refund_id: str) -> str:
    """The refund number the channel sees: 26 letters and digits."""
    return suffix_of(refund_id)


def refund_workflow_id(refund_id: str) -> str:
    return f"refund/{refund_id}"


def reconciliation_workflow_id(account_id: str, day: date) -> str:
    return f"recon/{account_id}/{day}"


def schedule_id(account_id: str) -> str:
    """Of the schedule that reconciles an account every day."""
    return f"recon/{account_id}"


def repair_workflow_id(discrepancy_id: str) -> str:
    return f"repair/{discrepancy_id}"
