"""Reconciliations and discrepancies as the API shows them."""

from datetime import date, datetime
from typing import Literal

from pydantic import ConfigDict, Field

from api.answers import Answer, Links
from models.reconciliation import DiscrepancyMove, DiscrepancyView, ReconciliationView
from models.reconciliation_steps import repairs_of


class StatementAnswer(Answer):
    """The statement of the last good run, as it is kept."""

    source: str = Field(description="fetched, uploaded, or empty: the channel says nothing moved")
    sha256: str
    bytes: int


class SideAnswer(Answer):
    """One kind and currency. `statement` is always `ours` plus `difference`."""

    kind: str
    currency: str
    statement_count: int
    statement: int = Field(description="in minor units")
    fees: int = Field(description="what the channel took; below zero, gave back")
    ours_count: int
    ours: int = Field(description="in minor units")
    difference: int = Field(description="what the discrepancies add up to")


class ResultAnswer(Answer):
    """What the last good run found. `classes` counts what did not match."""

    lines: int
    matched: int
    totals: tuple[SideAnswer, ...]
    classes: dict[str, int]
    rule_version: str
    seconds: float


class FailureAnswer(Answer):
    """Why the last run has no result. Nothing of it was loaded."""

    code: str
    detail: str


class ReconciliationAnswer(Answer):
    """One channel account and one business day, by the channel's clock."""

    id: str
    object: Literal["reconciliation"] = "reconciliation"
    app_id: str
    account_id: str
    channel: str
    business_day: date
    timezone: str
    status: str
    runs: int
    statement: StatementAnswer | None
    result: ResultAnswer | None
    unresolved: int = Field(description="discrepancies of the day that are not resolved")
    failure: FailureAnswer | None
    requested_by: str
    signed_off_by: str | None
    signed_off_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    links: Links


class ReconciliationList(Answer):
    object: Literal["list"] = "list"
    items: tuple[ReconciliationAnswer, ...]
    next_cursor: str | None


class DiscrepancyAnswer(Answer):
    """One line that does not agree, or is not there. Amounts are null where there is nothing."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True
    )

    id: str
    object: Literal["discrepancy"] = "discrepancy"
    reconciliation_id: str
    app_id: str
    account_id: str
    channel: str
    business_day: date
    class_: str = Field(alias="class")
    kind: str
    serial: str
    refund_serial: str
    channel_reference: str
    payment_id: str | None
    refund_id: str | None
    currency: str
    statement_amount: int | None = Field(description="in minor units")
    our_amount: int | None = Field(description="in minor units")
    fee: int | None
    occurred_at: datetime
    detail: str
    status: str
    resolution: str | None
    repairs: tuple[str, ...] = Field(description="what may be proposed now")
    action: str | None
    reason: str | None
    proposed_by: str | None
    decided_by: str | None
    created_at: datetime
    updated_at: datetime
    links: Links


class MoveAnswer(Answer):
    """One move. `by` is the reconciliation that saw it, or the key of who said it."""

    version: int
    from_status: str | None
    to_status: str
    by: str
    detail: str
    at: datetime


class EffectEntry(Answer):
    """One side of what would be booked."""

    account: str = Field(examples=["2401:acc_01KAH3W3F0Q7V2H8T0M4X5N6P7"])
    amount: int = Field(description="in minor units; debit above zero, credit below")


class EffectAnswer(Answer):
    """What a repair writes into the books; no entries where it writes nothing by itself."""

    action: str
    currency: str
    entries: tuple[EffectEntry, ...]


class DiscrepancyDetail(DiscrepancyAnswer):
    """A discrepancy with everything that was said and done about it."""

    history: tuple[MoveAnswer, ...]
    effects: tuple[EffectAnswer, ...] = Field(
        description="what each repair that may be proposed, or was, books"
    )


class DiscrepancyList(Answer):
    object: Literal["list"] = "list"
    items: tuple[DiscrepancyAnswer, ...]
    next_cursor: str | None


def reconciliation_answer(view: ReconciliationView, *, run_url: str | None) -> ReconciliationAnswer:
    plain = view.model_dump(exclude={"statement", "result", "failure_code", "failure_detail"})
    failure = (
        FailureAnswer(code=view.failure_code, detail=view.failure_detail or "")
        if view.failure_code
        else None
    )
    return ReconciliationAnswer(
        **plain,
        statement=StatementAnswer(**view.statement.model_dump()) if view.statement else None,
        result=_result_answer(view),
        failure=failure,
        links=Links(run=run_url),
    )


def discrepancy_answer(view: DiscrepancyView, *, run_url: str | None) -> DiscrepancyAnswer:
    plain = view.model_dump(exclude={"line_minor", "ours_minor", "fee_minor", "version"})
    return DiscrepancyAnswer(
        **plain,
        statement_amount=view.line_minor,
        our_amount=view.ours_minor,
        fee=view.fee_minor,
        repairs=tuple(sorted(repairs_of(view))),
        links=Links(run=run_url),
    )


def discrepancy_detail(
    view: DiscrepancyView,
    history: tuple[DiscrepancyMove, ...],
    effects: tuple[EffectAnswer, ...],
    *,
    run_url: str | None,
) -> DiscrepancyDetail:
    shown = discrepancy_answer(view, run_url=run_url).model_dump(by_alias=True)
    moves = tuple(MoveAnswer(**move.model_dump()) for move in history)
    return DiscrepancyDetail.model_validate(shown | {"history": moves, "effects": effects})


def _result_answer(view: ReconciliationView) -> ResultAnswer | None:
    result = view.result
    if result is None:
        return None
    return ResultAnswer(
        lines=result.lines,
        matched=result.matched,
        totals=tuple(
            SideAnswer(
                kind=side.kind,
                currency=side.currency,
                statement_count=side.statement_count,
                statement=side.statement_minor,
                fees=side.fees_minor,
                ours_count=side.ours_count,
                ours=side.ours_minor,
                difference=side.difference_minor,
            )
            for side in result.totals
        ),
        classes={str(name): count for name, count in result.classes.items()},
        rule_version=result.rules.version,
        seconds=result.seconds,
    )
