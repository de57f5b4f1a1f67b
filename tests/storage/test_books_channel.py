"""Our books beside the channel's: equal ones break nothing, each difference has a name."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from devstack.books_channel import compare
from storage.books import OurBooks
from tests.factories import NOON

Changed = Mapping[str, Any]

ATTEMPT: Changed = {
    "serial": "A01",
    "channel": "alipay",
    "attempt_status": "charged",
    "created_at": NOON,
    "amount_minor": 50_00,
    "currency": "CNY",
    "payment_id": "pay_a",
    "status": "succeeded",
    "captured_minor": 50_00,
}
REFUND: Changed = {
    "refund_serial": "R1",
    "refund_id": "ref_1",
    "status": "succeeded",
    "amount_minor": 20_00,
    "currency": "CNY",
    "created_at": NOON,
    "serial": "A01",
    "channel": "alipay",
}
THEIR_REFUND: Changed = {"serial": "R1", "amount_minor": 20_00, "executions": 1}
TRADE: Changed = {
    "out_trade_no": "A01",
    "provider": "alipay",
    "amount_minor": 50_00,
    "currency": "CNY",
    "status": "paid",
    "created_at": (NOON + timedelta(seconds=1)).isoformat(),
    "executions": 1,
    "refunded_minor": 20_00,
    "refund_list": [THEIR_REFUND],
}


def broken(
    *,
    attempt: Changed | None = None,
    refund: Changed | None = None,
    trade: Changed | None = None,
    more: tuple[Changed, ...] = (),
    owed: int = 30_00,
    quiet: bool = True,
) -> dict[str, str]:
    """What is broken once something differs from the books above, with the rows as text."""
    ours = OurBooks(
        attempts=(dict(ATTEMPT) | dict(attempt or {}),),
        refunds=(dict(REFUND) | dict(refund or {}),),
        clearing_minor={"CNY": owed},
    )
    results = compare([dict(TRADE) | dict(trade or {}), *more], ours, quiet=quiet)
    return {result.name: str(result.rows) for result in results if not result.is_clean}


def test_equal_books_break_nothing() -> None:
    assert broken() == {}


def test_money_taken_twice_for_one_serial() -> None:
    assert "A01" in broken(trade={"executions": 2})["I1"]


@pytest.mark.parametrize("trade", [{"amount_minor": 50_01}, {"currency": "USD"}])
def test_another_amount_at_the_channel(trade: Changed) -> None:
    assert "A01" in broken(trade=trade)["I2"]


def test_more_taken_than_was_ordered() -> None:
    assert "A01" in broken(trade={"captured_minor": 50_01})["I2"]


def test_a_number_that_we_never_wrote_down() -> None:
    stranger = {**TRADE, "out_trade_no": "A01R2", "executions": 0, "refund_list": []}

    assert broken(more=({**stranger, "refunded_minor": 0},)).keys() == {"I4"}


def test_a_number_that_was_written_down_after_the_channel_had_heard_it() -> None:
    early = (NOON - timedelta(minutes=1)).isoformat()

    assert broken(trade={"created_at": early}).keys() == {"I4"}


def test_a_refund_that_we_never_wrote_down() -> None:
    theirs = [THEIR_REFUND, {"serial": "R9", "amount_minor": 1, "executions": 1}]

    assert "R9" in broken(trade={"refund_list": theirs})["I4"]


def test_money_given_back_of_another_serial() -> None:
    assert "R1" in broken(refund={"serial": "A00"})["I6"]


@pytest.mark.parametrize("theirs", [{"executions": 2}, {"amount_minor": 20_01}])
def test_a_refund_made_twice_or_of_another_amount(theirs: Changed) -> None:
    assert "R1" in broken(trade={"refund_list": [{**THEIR_REFUND, **theirs}]})["I7"]


def test_money_that_we_did_not_book() -> None:
    unknown = {"attempt_status": "failed", "status": "failed", "captured_minor": 0}

    assert "A01" in broken(attempt=unknown, refund={"status": "failed"}, owed=0)["I13"]


def test_a_refund_that_we_did_not_book() -> None:
    assert "R1" in broken(refund={"status": "failed"})["I13"]


def test_a_success_that_the_channel_knows_nothing_of() -> None:
    assert "A01" in broken(trade={"executions": 0})["I14"]


def test_a_refund_that_the_channel_knows_nothing_of() -> None:
    unpaid_back = {"refund_list": [], "refunded_minor": 0}

    assert broken(trade=unpaid_back).keys() == {"I14", "I25"}


def test_a_refund_on_its_way_at_the_channel_has_not_arrived() -> None:
    pending = [{**THEIR_REFUND, "status": "pending"}]

    assert broken(refund={"status": "pending"}, trade={"refund_list": pending}, owed=50_00) == {}


def test_what_we_are_owed_is_what_the_channel_holds() -> None:
    assert "3000" in broken(owed=30_01)["I25"]


def test_two_serials_of_a_payment_that_both_kept_money() -> None:
    second = {**ATTEMPT, "serial": "A02"}
    ours = OurBooks(
        attempts=(dict(ATTEMPT), second), refunds=(dict(REFUND),), clearing_minor={"CNY": 80_00}
    )
    trades = [TRADE, {**TRADE, "out_trade_no": "A02", "refund_list": [], "refunded_minor": 0}]

    results = [one for one in compare(trades, ours, quiet=True) if not one.is_clean]

    assert [one.name for one in results] == ["I1"]
    assert "A01 A02" in str(results[0].rows)


def test_while_the_house_is_busy_only_what_holds_at_every_instant_counts() -> None:
    assert broken(attempt={"attempt_status": "pending"}, owed=0, quiet=False) == {}
