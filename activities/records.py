"""Moves of a payment that are no end, written down so that the API can show them."""

from temporalio import activity

from models.steps import RecordStep
from storage import payments
from storage.database import Database


class RecordActivities:
    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def record_move(self, step: RecordStep) -> None:
        """Write one move, with the exchange that shows it. A repeat changes nothing."""
        async with self._database.transaction("record move") as connection:
            await payments.record_transition(
                connection, step.transition, attempt=step.attempt, exchange=step.exchange
            )
