"""Money that comes after the end: each policy, booked once and told once, in real books."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from temporalio.testing import ActivityEnvironment

from activities.first_delivery import FirstDelivery
from activities.ledger import LedgerActivities
from activities.webhook import WebhookSender
from models.ledger import AccountKind, LedgerAccountName
from models.payment import (
    Attempt,
    AttemptStatus,
    LateSuccess,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentStatus,
    Settlement,
)
from storage import ledger, notifications, payments
from storage.database import Database
from tests.factories import a_notification, a_transition
from tests.storage.arrange import VAULT, Shop, a_prepared_payment, a_shop


@pytest.fixture
async def books(database: Database) -> AsyncIterator[LedgerActivities]:
    async with WebhookSender() as sender:
        yield LedgerActivities(database, FirstDelivery(database, VAULT, sender))


async def _expired(database: Database) -> tuple[Shop, PaymentOrder, Attempt]:
    shop = await a_shop(database, webhook_url=None)
    order, attempt = await a_prepared_payment(database, shop)
    transition = a_transition(order, PaymentStatus.EXPIRED, attempt_status=AttemptStatus.EXPIRED)
    async with database.transaction("arrange") as connection:
        await payments.settle(
            connection,
            Settlement(order=order, attempt=attempt, transition=transition),
            ledger_transaction=None,
            notification=a_notification(order),
        )
    return shop, order, attempt


def _late(
    order: PaymentOrder, attempt: Attempt, policy: LateSuccessPolicy, callback: str = "cb_1"
) -> LateSuccess:
    return LateSuccess(
        payment_id=order.payment_id,
        attempt_id=attempt.id,
        callback_id=callback,
        policy=policy,
        money=order.money,
        channel_reference="2026112022001",
    )


async def _told(database: Database, order: PaymentOrder) -> list[tuple[int, str, str | None]]:
    async with database.transaction("look") as connection:
        sent, _ = await notifications.list_notifications(
            connection, app_id=None, object_id=order.payment_id, status=None, limit=10, cursor=None
        )
    return sorted(
        (n.sequence, n.type, json.loads(n.body).get("data", {}).get("note")) for n in sent
    )


async def _balances(database: Database, shop: Shop) -> dict[str, int]:
    names = {
        "clearing": LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=shop.account.id),
        "merchant": LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=shop.merchant.id),
        "suspense": LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=shop.account.id),
    }
    async with database.transaction("look") as connection:
        return {key: await ledger.balance(connection, name, "CNY") for key, name in names.items()}


async def test_accepted_late_money_makes_the_payment_succeed(
    database: Database, books: LedgerActivities
) -> None:
    shop, order, attempt = await _expired(database)

    state = await ActivityEnvironment().run(
        books.settle_late, _late(order, attempt, LateSuccessPolicy.ACCEPT)
    )

    assert state is not None
    assert state.status is PaymentStatus.SUCCEEDED
    # 19.99 at 60 basis points: 0.12 fee, 19.87 for the merchant.
    assert await _balances(database, shop) == {"clearing": 1999, "merchant": -1987, "suspense": 0}
    assert (await _told(database, order))[1:] == [(2, "payment.succeeded", "late_success_accepted")]


@pytest.mark.parametrize(
    ("policy", "note"),
    [
        (LateSuccessPolicy.REFUND, "late_success_to_be_refunded"),
        (LateSuccessPolicy.ASK, "late_success_awaits_decision"),
    ],
)
async def test_late_money_that_is_not_accepted_waits_in_suspense(
    database: Database, books: LedgerActivities, policy: LateSuccessPolicy, note: str
) -> None:
    shop, order, attempt = await _expired(database)

    state = await ActivityEnvironment().run(books.settle_late, _late(order, attempt, policy))

    assert state is not None
    assert state.status is PaymentStatus.EXPIRED
    assert await _balances(database, shop) == {"clearing": 1999, "merchant": 0, "suspense": -1999}
    assert (await _told(database, order))[1:] == [(2, "payment.late_success", note)]


async def test_the_same_late_money_told_twice_is_booked_and_told_once(
    database: Database, books: LedgerActivities
) -> None:
    shop, order, attempt = await _expired(database)
    policy = LateSuccessPolicy.ACCEPT

    results = await asyncio.gather(
        *(
            ActivityEnvironment().run(books.settle_late, _late(order, attempt, policy, f"cb_{n}"))
            for n in range(2)
        ),
        return_exceptions=True,
    )
    again = await ActivityEnvironment().run(
        books.settle_late, _late(order, attempt, policy, "cb_9")
    )

    assert sum(not isinstance(result, Exception) and result is not None for result in results) == 1
    assert again is None
    assert (await _balances(database, shop))["clearing"] == 1999
    assert len(await _told(database, order)) == 2
