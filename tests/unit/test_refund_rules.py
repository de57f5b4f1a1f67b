"""How a refund may move, and what each move writes into the books."""

from datetime import UTC, datetime
from itertools import product

import pytest

from domain import refund_lifecycle as lifecycle
from domain.notifications import refund_event
from domain.refund_postings import refund_transaction
from models.channel import Approved, Declined, NotAttempted, Outcome, Pending, Unknown
from models.errors import InvariantBroken
from models.money import Money
from models.payment import Evidence, EvidenceKind
from models.refund import (
    RefundFunding,
    RefundMove,
    RefundOrder,
    RefundState,
    RefundStatus,
    RefundTransition,
)
from tests.factories import an_attempt, an_order, cny

BACK = Money(amount_minor=500, currency="CNY")


def refund(
    *, needs_approval: bool = False, funding: RefundFunding = RefundFunding.MERCHANT
) -> RefundOrder:
    payment = an_order(money=cny(19_99))
    return RefundOrder(
        refund_id="ref_01",
        refund_serial="01",
        payment_id=payment.payment_id,
        app_id=payment.app_id,
        merchant_id="mer_1",
        refund_no="R-1",
        money=BACK,
        paid=payment.money,
        method=payment.method,
        attempt=an_attempt(payment),
        funding=funding,
        reason="",
        requested_by="key_1",
        needs_approval=needs_approval,
        fingerprint="f",
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def move(order: RefundOrder, before: RefundState, after: RefundState) -> RefundMove:
    transition = RefundTransition(
        refund_id=order.refund_id,
        before=before,
        after=after,
        evidence=Evidence(kind=EvidenceKind.QUERY),
        at=order.created_at,
    )
    return RefundMove(order=order, transition=transition)


def booked(order: RefundOrder, before: RefundState, after: RefundState) -> list[tuple[str, str]]:
    transaction = refund_transaction(move(order, before, after))
    if transaction is None:
        return []
    account = order.attempt.route.account_id
    return [
        (str(p.debit).replace(account, "acc"), str(p.credit).replace(account, "acc"))
        for p in transaction.postings
    ]


def test_accepting_sets_the_merchants_money_aside() -> None:
    order = refund()
    before = lifecycle.created(order)

    assert booked(order, before, lifecycle.accepted(before)) == [("2101:mer_1", "2301:acc")]


def test_late_money_goes_back_out_of_suspense() -> None:
    order = refund(funding=RefundFunding.SUSPENSE)
    before = lifecycle.created(order)

    assert booked(order, before, lifecycle.accepted(before)) == [("2401:acc", "2301:acc")]


def test_success_takes_it_off_what_the_channel_owes() -> None:
    order = refund()
    before = lifecycle.accepted(lifecycle.created(order))
    after = lifecycle.answered(before, Approved(channel_reference="1", money=BACK))

    assert booked(order, before, after) == [("2301:acc", "1101:acc")]


def test_failure_gives_it_back_to_the_merchant() -> None:
    order = refund()
    before = lifecycle.accepted(lifecycle.created(order))
    after = lifecycle.answered(before, Declined(code="refused", detail="no"))

    assert booked(order, before, after) == [("2301:acc", "2101:mer_1")]


@pytest.mark.parametrize(
    "outcome", [Pending(), Unknown(detail="?"), NotAttempted(detail="refused")], ids=str
)
def test_nothing_else_moves_money(outcome: Pending | Unknown | NotAttempted) -> None:
    order = refund()
    before = lifecycle.accepted(lifecycle.created(order))

    assert booked(order, before, lifecycle.answered(before, outcome)) == []


def test_a_rejected_refund_books_nothing_and_is_told() -> None:
    order = refund(needs_approval=True)
    before = lifecycle.created(order)
    after = lifecycle.rejected(before, "no")

    event = refund_event(move(order, before, after))

    assert booked(order, before, after) == []
    assert event is not None
    assert (event.type, event.sequence, event.object_id) == ("refund.rejected", 1, "ref_01")


def test_an_end_is_never_left() -> None:
    ends = [status for status in RefundStatus if lifecycle.is_end(status)]
    outcomes: list[Outcome] = [
        Approved(channel_reference="1", money=BACK),
        Unknown(detail="?"),
        Pending(),
    ]

    for end, outcome in product(ends, outcomes):
        if end is RefundStatus.SUCCEEDED and isinstance(outcome, Approved):
            continue  # the same word again is no move
        with pytest.raises(InvariantBroken):
            lifecycle.answered(RefundState(status=end, version=3), outcome)
