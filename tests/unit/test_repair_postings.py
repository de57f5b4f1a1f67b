"""What repairs and a channel's fees write into the books, each amount by hand."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.repair_postings import channel_fee_transaction, fees_of, repair_transaction
from models.errors import InvariantBroken
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyStatus,
    DiscrepancyView,
    LineKind,
    MatchingRules,
    ReconciliationOrder,
    RepairAction,
    RunResult,
    SideTotals,
)
from models.reconciliation_steps import FeesStep

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
CLEARING, MORE, LESS = "1101:acc_1", "2401:acc_1", "1201:acc_1"
LOSS, GAIN = "5102", "4102"


@pytest.mark.parametrize(
    ("kind", "line", "ours", "action", "debit", "credit", "amount"),
    [
        # The channel has more than we: it owes it, and we do not know to whom it belongs.
        (LineKind.PAYMENT, 700, None, RepairAction.SUSPENSE, CLEARING, MORE, 700),
        (LineKind.PAYMENT, 2099, 1999, RepairAction.SUSPENSE, CLEARING, MORE, 100),
        (LineKind.REFUND, None, 500, RepairAction.SUSPENSE, CLEARING, MORE, 500),
        (LineKind.PAYMENT, 700, None, RepairAction.WRITE_OFF, CLEARING, GAIN, 700),
        # It has less: that is missing.
        (LineKind.PAYMENT, None, 1999, RepairAction.SUSPENSE, LESS, CLEARING, 1999),
        (LineKind.PAYMENT, 1899, 1999, RepairAction.SUSPENSE, LESS, CLEARING, 100),
        (LineKind.REFUND, 500, None, RepairAction.SUSPENSE, LESS, CLEARING, 500),
        (LineKind.PAYMENT, 1899, 1999, RepairAction.WRITE_OFF, LOSS, CLEARING, 100),
    ],
)
def test_a_repair_moves_the_difference(  # noqa: PLR0917  # one row of the table
    kind: LineKind,
    line: int | None,
    ours: int | None,
    action: RepairAction,
    debit: str,
    credit: str,
    amount: int,
) -> None:
    found = _found(kind=kind, line_minor=line, ours_minor=ours)

    booked = repair_transaction(found, action, at=NOW)

    assert booked is not None
    (posting,) = booked.postings
    assert (str(posting.debit), str(posting.credit)) == (debit, credit)
    assert (posting.amount_minor, posting.currency) == (amount, "CNY")
    assert (booked.event_type, booked.event_id) == (f"repair.{action}", found.id)


@pytest.mark.parametrize("action", [RepairAction.BOOK, RepairAction.DISMISS])
def test_what_its_own_run_books_and_what_is_dismissed_moves_nothing(action: RepairAction) -> None:
    assert repair_transaction(_found(line_minor=700), action, at=NOW) is None


def test_amounts_in_two_currencies_have_no_difference() -> None:
    found = _found(class_=DiscrepancyClass.CURRENCY_DIFF, line_minor=700, ours_minor=700)

    with pytest.raises(InvariantBroken):
        repair_transaction(found, RepairAction.SUSPENSE, at=NOW)


def test_nothing_is_never_booked() -> None:
    with pytest.raises(InvariantBroken):
        repair_transaction(_found(line_minor=7, ours_minor=7), RepairAction.SUSPENSE, at=NOW)


def test_what_a_channel_took_is_a_cost_and_what_it_gave_back_lowers_it() -> None:
    result = _result(("payment", "CNY", 15), ("refund", "CNY", -3), ("payment", "USD", -2))

    booked = channel_fee_transaction(_step(result), {})

    assert fees_of(result) == {"CNY": 12, "USD": -2}
    assert booked is not None
    assert [(str(p.debit), str(p.credit), p.amount_minor) for p in booked.postings] == [
        ("5101:acc_1", CLEARING, 12),
        (CLEARING, "5101:acc_1", 2),
    ]
    assert booked.event_id == "acc_1:2026-11-20"


@pytest.mark.parametrize(
    ("fees", "booked", "moved"),
    [(12, {"CNY": 12}, None), (20, {"CNY": 12}, 8), (0, {"CNY": 12}, -12), (0, {}, None)],
)
def test_of_fees_that_are_booked_only_the_difference_moves(
    fees: int, booked: dict[str, int], moved: int | None
) -> None:
    transaction = channel_fee_transaction(_step(_result(("payment", "CNY", fees))), booked)

    if moved is None:
        assert transaction is None
        return
    assert transaction is not None
    (posting,) = transaction.postings
    is_more = str(posting.debit).startswith("5101")
    assert (posting.amount_minor if is_more else -posting.amount_minor) == moved
    assert transaction.event_id == "acc_1:2026-11-20:3"


def _found(**changes: Any) -> DiscrepancyView:
    values: dict[str, Any] = {
        "id": "dis_1",
        "reconciliation_id": "rec_1",
        "account_id": "acc_1",
        "app_id": "app_1",
        "channel": "bank",
        "business_day": date(2026, 11, 20),
        "class_": DiscrepancyClass.AMOUNT_DIFF,
        "kind": LineKind.PAYMENT,
        "serial": "01",
        "refund_serial": "",
        "channel_reference": "r",
        "payment_id": None,
        "refund_id": None,
        "currency": "CNY",
        "line_minor": None,
        "ours_minor": None,
        "fee_minor": None,
        "occurred_at": NOW,
        "detail": "",
        "status": DiscrepancyStatus.OPEN,
        "version": 1,
        "resolution": None,
        "action": None,
        "reason": None,
        "proposed_by": None,
        "decided_by": None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return DiscrepancyView(**(values | changes))


def _result(*sides: tuple[str, str, int]) -> RunResult:
    totals = tuple(
        SideTotals(kind=LineKind(kind), currency=currency, fees_minor=fees)
        for kind, currency, fees in sides
    )
    return RunResult(
        lines=1, matched=1, totals=totals, classes={}, rules=MatchingRules(), seconds=0.1
    )


def _step(result: RunResult) -> FeesStep:
    order = ReconciliationOrder(
        reconciliation_id="rec_1",
        account_id="acc_1",
        app_id="app_1",
        channel="bank",
        business_day=date(2026, 11, 20),
        timezone="UTC",
        requested_by="key_1",
    )
    return FeesStep(order=order, run=3, result=result, at=NOW)
