"""The books: what is acknowledged stays, history is only added to."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from sandbox.books import Books, EventKind, Order, TradeFilter, TradeStatus
from sandbox.desk import Reason, Refused, TradeDesk
from tests.sandbox.conftest import START, Clock
from tests.sandbox.merchant import Answered, Merchant, a_number, merchant_key, public_pem
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver


def an_order(desk: TradeDesk, **changes: object) -> Order:
    order = Order(
        trade_no=desk.new_trade_no(),
        app_id="2021000000000001",
        out_trade_no=a_number(),
        code=desk.new_code(),
        method="alipay.trade.precreate",
        amount_minor=19_99,
        subject="Tea",
        notify_url=None,
        return_url=None,
        created_at=START,
        expires_at=START + timedelta(minutes=15),
    )
    return order.model_copy(update=changes)


def test_a_waiting_trade_closes_by_itself_at_its_time(desk: TradeDesk, clock: Clock) -> None:
    trade = desk.open(desk.submit(an_order(desk)))

    clock.now = trade.expires_at
    seen = desk.visible(trade)

    assert seen is not None
    assert (seen.status, seen.closed_at) == (TradeStatus.CLOSED, trade.expires_at)


def test_a_code_nobody_opened_dies_unseen(desk: TradeDesk, clock: Clock) -> None:
    trade = desk.submit(an_order(desk))
    clock.now = trade.expires_at

    with pytest.raises(Refused) as refused:
        desk.pay(trade)

    assert refused.value.reason is Reason.ALREADY_CLOSED
    assert desk.visible(trade) is None


def test_a_payment_that_crossed_with_the_end_may_still_be_taken(
    desk: TradeDesk, clock: Clock
) -> None:
    trade = desk.open(desk.submit(an_order(desk)))
    clock.now = trade.expires_at

    paid = desk.pay(trade, even_if_closed=True)

    assert (paid.status, paid.executions) == (TradeStatus.PAID, 1)


def test_events_are_never_changed_nor_removed(books: Books, desk: TradeDesk) -> None:
    desk.pay(desk.submit(an_order(desk)))

    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        books.connection.execute("UPDATE trade_event SET amount_minor = 1")
    with pytest.raises(sqlite3.IntegrityError, match="never removed"):
        books.connection.execute("DELETE FROM trade_event")


def test_the_database_itself_refuses_a_second_execution(books: Books, desk: TradeDesk) -> None:
    paid = desk.pay(desk.submit(an_order(desk)))

    with pytest.raises(sqlite3.IntegrityError):
        books.append(paid, EventKind.PAID, START, 19_99)

    assert books.money_moved(EventKind.PAID) == (1, 19_99)


def test_what_the_events_say_is_what_the_trades_show(books: Books, desk: TradeDesk) -> None:
    desk.pay(desk.submit(an_order(desk)))
    desk.refuse(desk.submit(an_order(desk)))
    desk.refund_all(desk.pay(desk.submit(an_order(desk))))
    order = an_order(desk)
    desk.submit(order)
    desk.submit(order)
    shown = books.list_trades(TradeFilter())

    books.rebuild()

    assert books.list_trades(TradeFilter()) == shown
    assert [trade.status.value for trade in shown] == ["paid", "closed", "refunded", "prepared"]
    assert [trade.requests for trade in shown] == [1, 1, 1, 2]


def test_a_step_that_fails_leaves_nothing_behind(books: Books, desk: TradeDesk) -> None:
    def fails() -> None:
        with books.transaction():
            desk.pay(desk.submit(an_order(desk)))
            raise LookupError

    with pytest.raises(LookupError):
        fails()

    assert books.list_trades(TradeFilter()) == ()


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[SandboxProcess]:
    """A sandbox of its own that may be killed. Retries take their real time."""
    process = SandboxProcess(tmp_path).start()
    yield process
    process.kill()


async def test_what_was_answered_survives_being_killed(
    mortal: SandboxProcess, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    control = Control(mortal.base_url, browser)
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    merchant = Merchant(registered, browser, receiver.url)
    numbers = [a_number() for _ in range(40)]
    calls = [asyncio.create_task(merchant.pay(n, "285015833990941919")) for n in numbers]
    await next(iter(asyncio.as_completed(calls)))

    mortal.kill()
    results = await asyncio.gather(*calls, return_exceptions=True)
    mortal.start()
    after = {n: (await merchant.query(n)).content.get("trade_status") for n in numbers}
    totals = await control.get("/totals")

    answered = {n for n, r in zip(numbers, results, strict=True) if isinstance(r, Answered)}
    paid = {n for n, status in after.items() if status == "TRADE_SUCCESS"}
    assert answered
    assert answered <= paid
    assert (totals["executions"], totals["paid_minor"]) == (len(paid), len(paid) * 19_99)


async def test_a_held_notification_and_the_standing_payer_survive_being_killed(
    mortal: SandboxProcess, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    control = Control(mortal.base_url, browser)
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    merchant = Merchant(registered, browser, receiver.url)
    held, open_still = a_number(), a_number()
    await control.fault("hold", held)
    await merchant.pay(held, "285015833990941919")
    await merchant.precreate(open_still)
    await control.put("/auto-pay", enabled=True)

    mortal.kill()
    mortal.start()
    await control.post("/notifications/release")
    told = {(await receiver.next())["out_trade_no"] for _ in range(2)}

    assert told == {held, open_still}
