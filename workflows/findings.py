"""What a payment knows about an attempt, and from where."""

from typing import Self

from temporalio.exceptions import ActivityError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeout

from domain import lifecycle
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
from models.money import Money
from models.payment import (
    Attempt,
    Cancellation,
    Evidence,
    EvidenceKind,
    PaymentOrder,
    PaymentState,
)


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
    def from_rule(cls, detail: str) -> Self:
        """Our own rules let it pass; nothing was asked of anybody yet."""
        return cls(
            outcome=Pending(detail=detail),
            evidence=Evidence(kind=EvidenceKind.VERDICT, detail=detail),
        )

    @classmethod
    def decided(cls, command_id: str, reason: str) -> Self:
        """A person decided."""
        return cls(
            outcome=Pending(),
            evidence=Evidence(kind=EvidenceKind.COMMAND, reference=command_id, detail=reason),
        )

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

    def wanted(self, cancellation: Cancellation) -> Evidence:
        """What shows that it is closed, with why somebody wanted that."""
        said = filter(None, (self.evidence.detail, cancellation.reason))
        return self.evidence.model_copy(update={"detail": "; ".join(said)})

    def for_another(self) -> Self:
        """It was closed, or never opened, because the payer chose another method.

        Some channels cannot close what was never opened, so its serial stays watched.
        """
        detail = "the payer chose another method"
        return self.model_copy(
            update={
                "outcome": Declined(code=lifecycle.SWITCHED, detail=detail),
                "evidence": Evidence(kind=EvidenceKind.COMMAND, reference="payer", detail=detail),
            }
        )

    @property
    def is_final(self) -> bool:
        """Whether it ends the attempt."""
        return not isinstance(self.outcome, Pending | Unknown)

    @property
    def is_unopened(self) -> bool:
        """Whether the channel has no trade yet: one that was opened has a reference."""
        return isinstance(self.outcome, Pending) and self.outcome.channel_reference is None

    @property
    def is_unknown_callback(self) -> bool:
        """Whether a callback came that does not say what happened."""
        return isinstance(self.outcome, Unknown) and self.evidence.kind is EvidenceKind.CALLBACK

    @property
    def is_held(self) -> bool:
        """Whether the money is set aside for us, and not taken."""
        return isinstance(self.outcome, Approved) and self.outcome.held

    def checked(self, order: PaymentOrder) -> Self:
        """Money of another amount is not this payment's: a person has to look at it."""
        outcome = self.outcome
        if not isinstance(outcome, Approved) or _fits(outcome, order):
            return self
        did = "holds" if outcome.held else "took"
        detail = f"the channel {did} {outcome.money}, the order is {order.money}"
        return self.model_copy(update={"outcome": Unknown(detail=detail)})

    def exactly(self, money: Money) -> Self:
        """A refund of another amount is not the one that was asked for."""
        outcome = self.outcome
        if not isinstance(outcome, Approved) or outcome.money == money:
            return self
        detail = f"the channel gave back {outcome.money}, the refund is {money}"
        return self.model_copy(update={"outcome": Unknown(detail=detail)})

    def applied_to(self, attempt: Attempt, after: PaymentState) -> Attempt:
        """The attempt as it stands after this finding."""
        named = self.named_on(attempt)
        return named.model_copy(update={"status": after.attempt_status or attempt.status})

    def named_on(self, attempt: Attempt) -> Attempt:
        """The attempt with the channel's own reference, once the channel has told it."""
        outcome = self.outcome
        told = outcome.channel_reference if isinstance(outcome, Approved | Pending) else None
        return attempt.model_copy(update={"channel_reference": told or attempt.channel_reference})


def _fits(approved: Approved, order: PaymentOrder) -> bool:
    """All of an order is taken or held; less only of an order that was to be held first."""
    if approved.money == order.money:
        return not approved.held or order.capture_method == "manual"
    return (
        order.capture_method == "manual"
        and not approved.held
        and approved.money.currency == order.money.currency
        and 0 < approved.money.amount_minor < order.money.amount_minor
    )


def from_event(event: ChannelEvent) -> Finding:
    return Finding(
        outcome=event.outcome,
        evidence=Evidence(kind=EvidenceKind(event.source), reference=event.callback_id),
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
