"""The inbox on a real PostgreSQL: matched, repeated, parked, disputed, and never forgotten."""

import asyncio
from datetime import timedelta

import pytest

from models.channel import Approved, CallbackFacts, Declined, Outcome
from models.ids import new_id
from models.money import Money
from models.payment import Attempt, PaymentStatus
from models.views import CallbackMatch, KeptCallback
from storage import callbacks, payments
from storage.callbacks import ParkedCallback, UnhandledCallback
from storage.database import Database
from tests.factories import NOON, a_preparation, an_attempt, cny, usd
from tests.storage.arrange import (
    a_prepared_payment,
    a_shop,
    a_success,
    an_order_on_disk,
    settle,
)

LATER = NOON + timedelta(hours=1)


async def test_a_callback_finds_its_payment_by_serial_and_account(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)

    kept = await _keep(database, attempt)

    assert kept.match is CallbackMatch.MATCHED
    assert kept.payment_id == order.payment_id
    assert kept.expected == ""
    assert not kept.handled


async def test_a_repeated_callback_points_to_the_first(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)

    first, *repeats = await asyncio.gather(
        *(_keep(database, attempt, event_id="event-1") for _ in range(6))
    )
    kept = [first, *repeats]

    assert sorted(one.match for one in kept) == [CallbackMatch.DUPLICATE] * 5 + [
        CallbackMatch.MATCHED
    ]
    assert {one.id for one in kept} == {first.id}
    assert {one.payment_id for one in kept} == {order.payment_id}


async def test_a_repeat_says_whether_the_first_was_handled(database: Database) -> None:
    shop = await a_shop(database)
    _, attempt = await a_prepared_payment(database, shop)
    first = await _keep(database, attempt, event_id="event-1")
    async with database.transaction("test") as connection:
        await callbacks.mark_handled(connection, first.id, LATER)

    repeat = await _keep(database, attempt, event_id="event-1")

    assert repeat.handled


async def test_a_callback_on_another_account_is_not_about_our_payment(database: Database) -> None:
    mine, other = await a_shop(database), await a_shop(database)
    _, attempt = await a_prepared_payment(database, mine)
    elsewhere = attempt.model_copy(
        update={"route": attempt.route.model_copy(update={"account_id": other.account.id})}
    )

    kept = await _keep(database, elsewhere)

    assert kept.match is CallbackMatch.PARKED
    assert kept.payment_id is None


@pytest.mark.parametrize("paid", [cny(19_98), cny(20_00), usd(19_99)])
async def test_money_other_than_what_was_asked_for_is_disputed(
    database: Database, paid: Money
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)

    kept = await _keep(database, attempt, outcome=_approved(paid), event_id="event-1")
    repeat = await _keep(database, attempt, outcome=_approved(paid), event_id="event-1")

    assert kept.match is CallbackMatch.DISPUTED
    assert kept.payment_id == order.payment_id
    assert kept.expected == "19.99 CNY"
    assert (repeat.match, repeat.expected) == (CallbackMatch.DUPLICATE, "19.99 CNY")


async def test_a_declined_callback_names_no_money_and_is_matched(database: Database) -> None:
    shop = await a_shop(database)
    _, attempt = await a_prepared_payment(database, shop)
    declined = Declined(code="closed", detail="closed by the payer")

    kept = await _keep(database, attempt, outcome=declined)

    assert kept.match is CallbackMatch.MATCHED


@pytest.mark.parametrize(
    ("paid", "match"),
    [(cny(19_99), CallbackMatch.MATCHED), (cny(1), CallbackMatch.DISPUTED)],
)
async def test_a_parked_callback_is_matched_once_its_serial_is_ours(
    database: Database, paid: Money, match: CallbackMatch
) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop)
    attempt = an_attempt(order, shop.account)
    kept = await _keep(database, attempt, outcome=_approved(paid))

    async with database.transaction("test") as connection:
        parked = await callbacks.parked_callbacks(connection, limit=100)
        before = await callbacks.read_callback(connection, kept.id)
        await payments.record_preparation(connection, order, a_preparation(attempt), NOON)
        rematched = await callbacks.rematch_parked(connection, limit=100)
        after = await callbacks.read_callback(connection, kept.id)

    assert kept.match is CallbackMatch.PARKED
    assert (
        ParkedCallback(
            id=kept.id,
            channel="alipay",
            account_id=shop.account.id,
            serial=attempt.serial,
            received_at=NOON,
        )
        in parked
    )
    assert before is None
    assert rematched == 1
    assert after is not None
    assert (after.kept.match, after.kept.payment_id) == (match, order.payment_id)


async def test_what_is_not_handled_is_found_once_and_then_put_off(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    kept = await _keep(database, attempt)

    first = await _unhandled(database)
    second = await _unhandled(database)

    mine = [one for one in first if one.kept.id == kept.id]
    assert [one.event.outcome for one in mine] == [_approved(cny(19_99))]
    assert mine[0].kept.payment_id == order.payment_id
    assert mine[0].event.serial == attempt.serial
    assert mine[0].payment_status is PaymentStatus.CREATED
    assert mine[0].account_id == shop.account.id
    assert second == ()


async def test_settling_a_payment_handles_the_callbacks_it_answers(database: Database) -> None:
    shop = await a_shop(database)
    order, attempt = await a_prepared_payment(database, shop)
    kept = await _keep(database, attempt)

    await settle(database, a_success(order, attempt, callback_ids=(kept.id,)))

    async with database.transaction("test") as connection:
        after = await callbacks.read_callback(connection, kept.id)
    assert after is not None
    assert after.kept.handled
    assert after.payment_status is PaymentStatus.SUCCEEDED
    assert kept.id not in {one.kept.id for one in await _unhandled(database)}


async def test_a_rejected_message_is_kept_cut_short_and_may_come_again(database: Database) -> None:
    shop = await a_shop(database)

    async with database.transaction("test") as connection:
        for _ in range(2):
            await callbacks.keep_rejected_callback(
                connection,
                callback_id=new_id("cb"),
                channel="alipay",
                account_id=shop.account.id,
                reason="bad-signature",
                headers={"content-type": "text/plain"},
                body=b"x" * 100_000,
                received_at=NOON,
            )
        found = await connection.exec_driver_sql(
            "SELECT length(body), body_length FROM rejected_callback WHERE account_id = %s",
            (shop.account.id,),
        )

        assert [tuple(row) for row in found] == [(65_536, 100_000)] * 2


def _approved(money: Money) -> Approved:
    return Approved(channel_reference="2026-1", money=money)


async def _keep(
    database: Database,
    attempt: Attempt,
    *,
    outcome: Outcome | None = None,
    event_id: str | None = None,
) -> KeptCallback:
    facts = CallbackFacts(
        channel_event_id=event_id or new_id("event"),
        serial=attempt.serial,
        outcome=outcome or _approved(attempt.money),
        channel_reference="2026-1",
    )
    async with database.transaction("keep callback") as connection:
        return await callbacks.keep_callback(
            connection,
            callback_id=new_id("cb"),
            channel="alipay",
            account_id=attempt.route.account_id,
            facts=facts,
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=b"trade_status=TRADE_SUCCESS",
            received_at=NOON,
        )


async def _unhandled(database: Database) -> tuple[UnhandledCallback, ...]:
    async with database.transaction("test") as connection:
        return await callbacks.unhandled_callbacks(connection, received_before=LATER, limit=100)
