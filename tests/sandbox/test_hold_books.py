"""The books of holds: what is captured and what is released are never more than was frozen."""

import random
import sqlite3
from datetime import timedelta

import pytest

from sandbox.alipay.hold_books import Hold, HoldBooks, HoldEventKind, HoldOrder, HoldStatus
from sandbox.alipay.hold_desk import HoldDesk, Mode
from sandbox.books import Books, TradeFilter
from sandbox.desk import Reason, Refused, TradeDesk
from tests.sandbox.conftest import START, Clock
from tests.sandbox.merchant import a_number
from tests.sandbox.test_books import an_order

_ROUNDS = 300


@pytest.fixture
def holds(books: Books) -> HoldBooks:
    return HoldBooks(books)


@pytest.fixture
def hold_desk(holds: HoldBooks, desk: TradeDesk, clock: Clock) -> HoldDesk:
    return HoldDesk(holds, desk, clock, lambda _, __: None)


def a_hold_order(desk: TradeDesk, **changes: object) -> HoldOrder:
    order = HoldOrder(
        auth_no=desk.new_trade_no(),
        app_id="2021000000000001",
        out_order_no=a_number(),
        out_request_no="F1",
        code=desk.new_code(),
        method="alipay.fund.auth.order.voucher.create",
        amount_minor=19_99,
        title="Deposit",
        notify_url=None,
        created_at=START,
        expires_at=START + timedelta(minutes=15),
    )
    return order.model_copy(update=changes)


@pytest.fixture
def held(hold_desk: HoldDesk, desk: TradeDesk) -> Hold:
    return hold_desk.freeze(hold_desk.submit(a_hold_order(desk)))


def test_an_order_nobody_agreed_to_in_time_closes_by_itself(
    hold_desk: HoldDesk, desk: TradeDesk, clock: Clock
) -> None:
    waiting = hold_desk.open(hold_desk.submit(a_hold_order(desk)))

    clock.now = waiting.expires_at
    seen = hold_desk.visible(waiting)

    assert seen is not None
    assert (seen.status, seen.closed_at) == (HoldStatus.CLOSED, waiting.expires_at)
    with pytest.raises(Refused) as refused:
        hold_desk.freeze(waiting)
    assert refused.value.reason is Reason.ALREADY_CLOSED


def test_agreeing_may_cross_with_the_end(
    hold_desk: HoldDesk, desk: TradeDesk, clock: Clock
) -> None:
    waiting = hold_desk.open(hold_desk.submit(a_hold_order(desk)))
    clock.now = waiting.expires_at

    frozen = hold_desk.freeze(waiting, even_if_closed=True)

    assert (frozen.status, frozen.rest_minor) == (HoldStatus.HELD, 19_99)


def test_an_order_that_is_let_expire_cannot_be_agreed_to(
    hold_desk: HoldDesk, desk: TradeDesk
) -> None:
    prepared = hold_desk.submit(a_hold_order(desk))

    ended = hold_desk.expire(prepared)

    assert ended.status is HoldStatus.CLOSED
    assert hold_desk.expire(ended) == ended


def test_events_are_never_changed_nor_removed(books: Books, held: Hold) -> None:
    assert held.status is HoldStatus.HELD
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        books.connection.execute("UPDATE hold_event SET amount_minor = 1")
    with pytest.raises(sqlite3.IntegrityError, match="never removed"):
        books.connection.execute("DELETE FROM hold_event")


@pytest.mark.parametrize("kind", [HoldEventKind.CAPTURED, HoldEventKind.RELEASED])
def test_the_database_itself_refuses_more_than_was_frozen(
    holds: HoldBooks, held: Hold, kind: HoldEventKind
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        holds.append(held, kind, START, 20_00, "X1")

    assert [event.kind for event in holds.events(held.auth_no)][-1] is HoldEventKind.FROZEN


def test_the_database_itself_refuses_a_second_freeze(holds: HoldBooks, held: Hold) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        holds.append(held, HoldEventKind.FROZEN, START, 19_99)


def test_a_capture_that_fails_leaves_neither_trade_nor_movement(
    books: Books, holds: HoldBooks, hold_desk: HoldDesk, desk: TradeDesk, held: Hold
) -> None:
    order = an_order(desk, amount_minor=20_00)

    with pytest.raises(Refused):
        hold_desk.capture(held, order, Mode.COMPLETE)

    assert books.find_trade(order.app_id, order.out_trade_no) is None
    assert holds.totals() == {"frozen": 19_99, "captured": 0, "released": 0}


def test_whatever_is_asked_for_never_more_is_moved_than_was_frozen(
    books: Books, holds: HoldBooks, hold_desk: HoldDesk, desk: TradeDesk, held: Hold
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    hold = held

    for number in range(_ROUNDS):
        amount = chance.randrange(1, 50)
        try:
            if chance.random() < 0.5:
                order = an_order(desk, amount_minor=amount)
                hold_desk.capture(hold, order, Mode.NOT_COMPLETE)
            else:
                hold_desk.release(hold, amount, f"U{number}")
        except Refused:
            pass
        hold = holds.find_by_auth_no(held.auth_no) or held

    sums = holds.totals()
    taken = sum(trade.amount_minor for trade in books.list_trades(TradeFilter()))
    assert sums["captured"] == taken == hold.captured_minor, f"seed {seed}"
    assert sums["captured"] + sums["released"] + hold.rest_minor == 19_99, f"seed {seed}"
    assert hold.rest_minor < 50, f"seed {seed}"
