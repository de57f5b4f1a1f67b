"""A look around every few minutes; see `activities.check`."""

from temporalio import workflow

from activities.check import CheckActivities
from models.check import CheckRound
from workflows import options


@workflow.defn
class CheckWorkflow:
    """One run for each time the schedule says so."""

    @workflow.run
    async def run(self) -> CheckRound:
        return await workflow.execute_activity_method(
            CheckActivities.look_around,
            summary="compare channel, books and runs",
            **options.LOOK_AROUND,
        )
