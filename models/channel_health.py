"""How a channel account does right now: what ops look at before they turn one off."""

from datetime import date, datetime

from pydantic import Field

from models.channel import ChannelAccountStatus, Frozen
from models.reconciliation import ReconciliationStatus

# Of each account so many newest attempts are looked at: enough for a share that means something,
# and the same work on a day with a million of them.
ATTEMPTS_LOOKED_AT = 2_000
# Rejected callbacks are counted so far; an attacker may send any number.
REJECTED_COUNTED_TO = 1_000


class AttemptShares(Frozen):
    """How the attempts of the payments that were ordered in a window stand.

    At most the newest `ATTEMPTS_LOOKED_AT` of an account are looked at.
    """

    attempts: int
    succeeded: int = Field(description="charged, or held for a capture")
    declined: int = Field(description="the channel said no, or nobody paid in time")
    unknown: int = Field(description="whether money moved is not known yet")
    not_sent: int = Field(description="the channel was not reached")
    open: int = Field(description="under way, most often waiting for the payer")


class ChannelHealth(Frozen):
    """One account at one channel."""

    account_id: str
    merchant_id: str
    merchant_name: str
    app_id: str
    channel: str
    status: ChannelAccountStatus
    last_hour: AttemptShares
    last_day: AttemptShares
    day_is_whole: bool = Field(
        description="false: the day had more attempts than were looked at; the newest were"
    )
    last_attempt_at: datetime | None
    last_answer_at: datetime | None = Field(
        description="when it last answered a call with HTTP 2xx, of the newest attempts of the day"
    )
    last_callback_at: datetime | None = Field(description="the last one that verified")
    rejected_callbacks: int = Field(
        description=f"of the last day, that did not verify; at most {REJECTED_COUNTED_TO}"
    )
    last_rejected_at: datetime | None
    last_rejected_reason: str | None
    reconciled_on: date | None = Field(description="the newest business day that was run")
    reconciliation_status: ReconciliationStatus | None
    statement_on: date | None = Field(description="the newest business day with a statement")
