"""What a payment knows about an attempt, and from where."""

from typing import Self

from temporalio.exceptions import ActivityError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from models.channel import (
    Answer,
    Approved,
    ChannelEvent,
    Declined,
    Exchange,
    Frozen,
    NotAttempted,
    Outcome,
    Pending,
    Unknown,
)
from models.payment import Attempt, Cancellation, Evidence, EvidenceKind, PaymentState


class Finding(Frozen):
    """An outcome, the evidence for it, and the exchange that shows it (None for a callback)."""

    outcome: Outcome
    evidence: Evidence
    exchange: Exchange | None = None

    @classmethod
    def not_sent(cls, detail: str) -> Self:
        return cls(
            outcome=NotAttempted(detail=detail), evidence=Evidence(kind=EvidenceKind.VERDICT)
        )

    @classmethod
    def unknown(cls, detail: str) -> Self:
        return cls(outcome=Unknown(detail=detail), evidence=Evidence(kind=EvidenceKind.QUERY))

    @classmethod
    def from_answer(cls, answer: Answer) -> Self:
        return cls(
            outcome=answer.outcome,
            evidence=Evidence(kind=EvidenceKind.ANSWER),
            exchange=answer.exchange,
        )

    @classmethod
    def from_query(cls, answer: Answer) -> Self:
        return cls(
            outcome=answer.outcome,
            evidence=Evidence(kind=EvidenceKind.QUERY),
            exchange=answer.exchange,
        )

    @classmethod
    def canceled_unopened(cls, cancellation: Cancellation) -> Self:
        """The payer never opened it, and the app wants no more of it.

        Some channels cannot close what was never opened; money that comes all the same is a late
        success, and the app's policy says what happens to it.
        """
        return cls(
            outcome=Declined(code="closed", detail="the payer had not opened it"),
            evidence=Evidence(
                kind=EvidenceKind.COMMAND,
                reference=cancellation.command_id,
                detail=cancellation.reason,
            ),
        )

    def applied_to(self, attempt: Attempt, after: PaymentState) -> Attempt:
        """The attempt as it stands after this finding."""
        outcome = self.outcome
        told = outcome.channel_reference if isinstance(outcome, Approved | Pending) else None
        return attempt.model_copy(
            update={
                "status": after.attempt_status or attempt.status,
                "channel_reference": told or attempt.channel_reference,
            }
        )


def from_event(event: ChannelEvent) -> Finding:
    return Finding(
        outcome=event.outcome,
        evidence=Evidence(kind=EvidenceKind.CALLBACK, reference=event.callback_id),
    )


def from_failure(error: ActivityError, *, may_have_been_sent: bool) -> Finding:
    """What a failed channel activity means: unknown, unless it certainly never started to send."""
    cause = error.cause
    never_started = (
        isinstance(cause, TemporalTimeout) and cause.type == TimeoutType.SCHEDULE_TO_START
    )
    if never_started and not may_have_been_sent:
        return Finding.not_sent("the channel's queue was not served in time")
    return Finding.unknown(str(cause))
