"""What our own records say and get told, apart from the ends (`activities.ledger`)."""

from temporalio import activity

from models.errors import InvariantBroken
from models.payment import LateSuccess
from models.steps import LateCase, RecordStep
from storage import payments
from storage.database import Database


class RecordActivities:
    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def record_move(self, step: RecordStep) -> None:
        """Write one move, with the exchange that shows it. A repeat changes nothing."""
        async with self._database.statement("record move") as connection:
            await payments.record_transition(
                connection, step.transition, attempt=step.attempt, exchange=step.exchange
            )

    @activity.defn
    async def read_late_case(self, late: LateSuccess) -> LateCase:
        """The order and attempt that late money belongs to."""
        async with self._database.transaction("read late payment") as connection:
            recorded = await payments.read_order(connection, late.payment_id)
            attempt = await payments.read_attempt(connection, late.attempt_id)
        if recorded is None or attempt is None:
            raise InvariantBroken(f"late money names {late.payment_id}, which is not here")
        return LateCase(order=recorded.order, attempt=attempt)
