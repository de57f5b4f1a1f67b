"""How a payment may move: every move that is allowed, and that no other is."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import lifecycle, notifications
from models.channel import Approved, Declined, NotAttempted, Outcome, Pending, Redirect, Unknown
from models.errors import InvariantBroken
from models.money import Money
from models.payment import AttemptStatus, PaymentState, PaymentStatus

PRICE = Money(amount_minor=1999, currency="CNY")
ENDS = {s for s in PaymentStatus if lifecycle.is_end(s)}
OUTCOMES: list[Outcome] = [
    Approved(channel_reference="1", money=PRICE),
    Declined(code="refused", detail="no"),
    Pending(),
    Pending(next_action=Redirect(url="https://pay.example")),
    Unknown(detail="no answer"),
    NotAttempted(detail="refused"),
]


def state(status: PaymentStatus) -> PaymentState:
    return PaymentState(status=status, version=3)


def test_an_end_is_left_only_by_money_that_came_late() -> None:
    left = {
        (before, after)
        for before, after in product(ENDS, PaymentStatus)
        if before is not after and _can(before, after)
    }

    assert left == {
        (before, after)
        for before in (PaymentStatus.FAILED, PaymentStatus.CANCELED, PaymentStatus.EXPIRED)
        for after in (PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_CAPTURED)
    }


def test_nothing_goes_back_to_created() -> None:
    assert not any(
        _can(before, PaymentStatus.CREATED)
        for before in PaymentStatus
        if before is not PaymentStatus.CREATED
    )


def test_an_unknown_outcome_neither_fails_nor_succeeds() -> None:
    after = lifecycle.answered(state(PaymentStatus.REQUIRES_ACTION), Unknown(detail="no answer"))

    assert after.status is PaymentStatus.PROCESSING
    assert after.attempt_status is AttemptStatus.UNKNOWN


def test_news_without_a_next_action_keeps_the_one_the_payer_has() -> None:
    before = lifecycle.answered(lifecycle.created(), OUTCOMES[3])

    after = lifecycle.answered(before, Pending())

    assert after.next_action == before.next_action
    assert not lifecycle.differs(before, after)


def test_closed_means_canceled_or_expired_by_who_closed_it() -> None:
    before, closed = state(PaymentStatus.REQUIRES_ACTION), Declined(code="closed", detail="")

    ends = [
        lifecycle.ended(
            before, closed, ordered=PRICE, is_overdue=overdue, is_canceled=canceled
        ).status
        for overdue, canceled in [(True, False), (True, True), (False, True), (False, False)]
    ]

    assert ends == ["expired", "canceled", "canceled", "failed"]


def test_money_that_is_held_waits_and_nothing_of_it_is_captured() -> None:
    until = datetime(2026, 5, 1, tzinfo=UTC)

    after = lifecycle.held(state(PaymentStatus.REQUIRES_ACTION), until=until)

    assert (after.status, after.attempt_status) == ("requires_capture", "authorized")
    assert (after.captured_minor, after.capture_before, after.notified) == (None, until, 1)


@pytest.mark.parametrize(
    ("taken", "status"),
    [(1999, "succeeded"), (1998, "partially_captured"), (1, "partially_captured")],
)
def test_what_was_captured_decides_between_whole_and_part(taken: int, status: str) -> None:
    held = lifecycle.held(state(PaymentStatus.PROCESSING), until=datetime(2026, 5, 1, tzinfo=UTC))
    outcome = Approved(channel_reference="1", money=Money(amount_minor=taken, currency="CNY"))

    after = lifecycle.ended(held, outcome, ordered=PRICE, is_overdue=False, is_canceled=False)

    assert (after.status, after.captured_minor) == (status, taken)
    assert after.attempt_status is AttemptStatus.CHARGED


def test_a_hold_never_counts_as_money() -> None:
    hold = Approved(channel_reference="1", money=PRICE, held=True)

    with pytest.raises(InvariantBroken):
        lifecycle.answered(state(PaymentStatus.PROCESSING), hold)


def test_late_money_that_is_kept_leaves_the_status_and_tells_the_app() -> None:
    after = lifecycle.kept_late(state(PaymentStatus.EXPIRED), PRICE)

    assert (after.status, after.version, after.notified) == (PaymentStatus.EXPIRED, 4, 1)
    assert after.attempt_status is AttemptStatus.CHARGED


def test_every_status_that_counts_a_notification_has_an_event_to_send() -> None:
    counted = {
        after
        for before, after in product(PaymentStatus, PaymentStatus)
        if before is not after
        and _can(before, after)
        and lifecycle.move(state(before), after).notified
    }

    assert counted == {s for s in PaymentStatus if notifications.event_type_of(s)}


@given(st.lists(st.sampled_from(OUTCOMES), max_size=12))
def test_whatever_a_channel_says_versions_rise_by_one_and_ends_stay(said: list[Outcome]) -> None:
    now = lifecycle.created()
    for outcome in said:
        if lifecycle.is_end(now.status):
            break
        after = lifecycle.answered(now, outcome)
        assert after.version == now.version + 1
        now = after


def _can(before: PaymentStatus, after: PaymentStatus) -> bool:
    try:
        lifecycle.move(state(before), after)
    except InvariantBroken:
        return False
    return True


def test_a_move_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(InvariantBroken):
        lifecycle.answered(state(PaymentStatus.SUCCEEDED), OUTCOMES[1])
