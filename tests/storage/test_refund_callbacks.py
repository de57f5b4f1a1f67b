"""Callbacks about refunds: matched by our refund number, repeated, parked, disputed, handled."""

from datetime import timedelta

import pytest

from models.channel import Approved, CallbackFacts
from models.ids import new_id
from models.money import Money
from models.payment import Attempt, PaymentOrder, PaymentStatus
from models.refund import RefundOrder, RefundStatus
from models.views import CallbackMatch, KeptCallback, TimelineKind
from storage import callbacks, refunds
from storage.callbacks import UnhandledCallback
from storage.database import Database
from storage.explain import timeline
from tests.factories import (
    NOON,
    a_refund_move,
    a_refund_notification,
    a_refund_posting,
    an_exchange,
    cny,
    usd,
)
from tests.storage.arrange import a_paid_payment, a_refund, a_shop

LATER = NOON + timedelta(hours=1)


async def test_a_callback_finds_its_refund_and_the_payment_of_that(database: Database) -> None:
    order, attempt, refund = await _refunding(database)

    kept = await _keep(database, attempt, refund)

    assert kept.match is CallbackMatch.MATCHED
    assert (kept.refund_id, kept.payment_id) == (refund.refund_id, order.payment_id)


async def test_a_repeat_points_to_the_first_and_its_refund(database: Database) -> None:
    order, attempt, refund = await _refunding(database)

    first = await _keep(database, attempt, refund, event_id="event-1")
    again = await _keep(database, attempt, refund, event_id="event-1")

    assert again.match is CallbackMatch.DUPLICATE
    assert (again.id, again.refund_id) == (first.id, refund.refund_id)
    assert again.payment_id == order.payment_id


@pytest.mark.parametrize("given_back", [cny(4_99), cny(19_99), usd(5_00)])
async def test_another_amount_than_the_refunds_is_disputed(
    database: Database, given_back: Money
) -> None:
    _, attempt, refund = await _refunding(database)

    kept = await _keep(database, attempt, refund, money=given_back)

    assert kept.match is CallbackMatch.DISPUTED
    assert (kept.refund_id, kept.expected) == (refund.refund_id, "5.00 CNY")


async def test_numbers_of_payments_and_refunds_are_not_mixed_up(database: Database) -> None:
    _, attempt, refund = await _refunding(database)
    other = await a_shop(database)
    elsewhere = attempt.model_copy(
        update={"route": attempt.route.model_copy(update={"account_id": other.account.id})}
    )
    as_payment = CallbackFacts(
        channel_event_id=new_id("event"),
        serial=refund.refund_serial,
        outcome=Approved(channel_reference="1", money=refund.money),
    )
    as_refund = as_payment.model_copy(
        update={"channel_event_id": new_id("event"), "serial": attempt.serial, "about": "refund"}
    )

    kept = [
        await _keep_facts(database, attempt, as_payment),
        await _keep_facts(database, attempt, as_refund),
        await _keep(database, elsewhere, refund),
    ]

    assert [one.match for one in kept] == [CallbackMatch.PARKED] * 3
    assert [one.refund_id for one in kept] == [None] * 3


@pytest.mark.parametrize(
    ("given_back", "match"),
    [(cny(5_00), CallbackMatch.MATCHED), (cny(1), CallbackMatch.DISPUTED)],
)
async def test_a_parked_callback_is_matched_once_its_refund_is_ours(
    database: Database, given_back: Money, match: CallbackMatch
) -> None:
    shop = await a_shop(database)
    order, attempt = await a_paid_payment(database, shop)
    refund_id = new_id("ref")
    facts = CallbackFacts(
        channel_event_id=new_id("event"),
        serial=refund_id.removeprefix("ref_"),
        outcome=Approved(channel_reference="1", money=given_back),
        about="refund",
    )
    kept = await _keep_facts(database, attempt, facts)

    async with database.transaction("test") as connection:
        await refunds.record_refund(
            connection,
            refund_id=refund_id,
            app_id=None,
            payment_id=order.payment_id,
            refund_no="R-1",
            money=cny(5_00),
            reason="",
            requested_by="somebody",
            fingerprint="f",
            now=NOON,
        )
        rematched = await callbacks.rematch_parked(connection, limit=100)
        after = await callbacks.read_callback(connection, kept.id)

    assert (kept.match, rematched) == (CallbackMatch.PARKED, 1)
    assert after is not None
    assert (after.kept.match, after.kept.refund_id) == (match, refund_id)


async def test_an_unhandled_callback_names_its_refund_until_a_move_answers_it(
    database: Database,
) -> None:
    _, attempt, refund = await _refunding(database)
    kept = await _keep(database, attempt, refund)

    (found,) = [one for one in await _unhandled(database) if one.kept.id == kept.id]
    move = a_refund_move(refund, RefundStatus.SUCCEEDED, callback_ids=(kept.id,))
    async with database.statement("test") as connection:
        await refunds.make_refund_move(
            connection, move, ledger_transaction=None, notification=None, decided_by=None
        )
        after = await callbacks.read_callback(connection, kept.id)

    assert (found.kept.refund_id, found.event.serial) == (refund.refund_id, refund.refund_serial)
    assert found.payment_status is PaymentStatus.SUCCEEDED
    assert after is not None
    assert after.kept.handled


async def test_a_callback_that_came_after_its_move_is_handled_by_the_repeat(
    database: Database,
) -> None:
    _, attempt, refund = await _refunding(database)
    first = a_refund_move(refund, RefundStatus.SUCCEEDED)
    kept = await _keep(database, attempt, refund)

    async with database.transaction("test") as connection:
        for move in (first, first.model_copy(update={"callback_ids": (kept.id,)})):
            await refunds.make_refund_move(
                connection, move, ledger_transaction=None, notification=None, decided_by=None
            )
        after = await callbacks.read_callback(connection, kept.id)

    assert after is not None
    assert after.kept.handled


async def test_the_story_of_a_payment_tells_its_refunds(database: Database) -> None:
    order, attempt, refund = await _refunding(database)
    kept = await _keep(database, attempt, refund)
    move = a_refund_move(
        refund,
        RefundStatus.SUCCEEDED,
        exchange=an_exchange("refund", started_at=NOON),
        callback_ids=(kept.id,),
    )
    async with database.transaction("test") as connection:
        await refunds.make_refund_move(
            connection,
            move,
            ledger_transaction=a_refund_posting(refund),
            notification=a_refund_notification(refund),
            decided_by=None,
        )

        entries = await timeline(connection, order.payment_id)

    assert [(entry.kind, entry.summary) for entry in entries if "refund" in str(entry)] == [
        (TimelineKind.REFUND, "refund R-1: 5.00 CNY from merchant"),
        (TimelineKind.EXCHANGE, f"refund of {refund.refund_serial}: HTTP 200"),
        (TimelineKind.LEDGER, "refund.accepted booked"),
        (TimelineKind.STATUS, "refund R-1: pending -> succeeded (answer)"),
        (TimelineKind.NOTIFICATION, "refund.succeeded due after 0 tries"),
    ]
    callback = f"callback approved for {refund.refund_serial} (matched)"
    assert callback in [entry.summary for entry in entries]


async def _refunding(database: Database) -> tuple[PaymentOrder, Attempt, RefundOrder]:
    """A paid payment of 19.99 of which 5.00 are asked back."""
    shop = await a_shop(database)
    order, attempt = await a_paid_payment(database, shop)
    recorded = await a_refund(database, order, cny(5_00), refund_no="R-1")
    return order, attempt, recorded.order


async def _keep(
    database: Database,
    attempt: Attempt,
    refund: RefundOrder,
    *,
    money: Money | None = None,
    event_id: str | None = None,
) -> KeptCallback:
    facts = CallbackFacts(
        channel_event_id=event_id or new_id("event"),
        serial=refund.refund_serial,
        outcome=Approved(channel_reference="2026-1", money=money or refund.money),
        about="refund",
    )
    return await _keep_facts(database, attempt, facts)


async def _keep_facts(database: Database, attempt: Attempt, facts: CallbackFacts) -> KeptCallback:
    async with database.transaction("keep callback") as connection:
        return await callbacks.keep_callback(
            connection,
            callback_id=new_id("cb"),
            channel="alipay",
            account_id=attempt.route.account_id,
            facts=facts,
            headers={},
            body=b"",
            received_at=NOON,
        )


async def _unhandled(database: Database) -> tuple[UnhandledCallback, ...]:
    async with database.transaction("test") as connection:
        return await callbacks.unhandled_callbacks(connection, received_before=LATER, limit=100)
