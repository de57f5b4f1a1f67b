"""A move is one statement: there is no transaction around it to take it back."""

import pytest

from models.errors import InvariantBroken
from models.payment import PaymentStatus
from storage import payments
from storage.database import Database
from tests.factories import a_transition, an_attempt
from tests.storage.arrange import a_shop, an_order_on_disk


async def test_a_move_that_is_refused_leaves_nothing(
    database: Database,
) -> None:
    shop = await a_shop(database)
    order = await an_order_on_disk(database, shop)
    move = a_transition(order, PaymentStatus.PROCESSING)

    with pytest.raises(InvariantBroken, match="not on disk"):
        async with database.statement("test") as connection:
            await payments.record_transition(
                connection, move, attempt=an_attempt(order, shop.account), exchange=None
            )

    async with database.transaction("test") as connection:
        recorded = await payments.read_order(connection, order.payment_id)
    assert recorded is not None
    assert recorded.state.status is PaymentStatus.CREATED
