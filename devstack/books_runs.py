"""I17: whoever is open in our books has a run that works on it, and no run works on nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from storage.books import read_open_runs
from storage.books_check import CheckResult, Holds, Shown, result_of

# The sweeper starts what a crash left behind well within this.
_YOUNG = timedelta(seconds=60)
# Runs that end with their row; a reconciliation and a repair have more to do after that.
_END_WITH_THEIR_ROW = ("pay/", "refund/")
_OURS = (*_END_WITH_THEIR_ROW, "recon/", "repair/")

Row = Mapping[str, Any]


async def check_runs(client: Client, database_url: str) -> tuple[CheckResult, ...]:
    """Both directions, once nothing is under way.

    What the list of runs (which follows behind) seems to say is asked again of the run itself, and
    of the books, before it is called broken.
    """
    running = {
        run.id
        async for run in client.list_workflows('ExecutionStatus = "Running"')
        if run.id.startswith(_OURS)
    }
    rows = _by_run(database_url)
    idle = [row for name, row in rows.items() if name not in running and not _is_young(row)]
    astray = [name for name in running if name.startswith(_END_WITH_THEIR_ROW) and name not in rows]
    truly_idle = [row for row in idle if not await _is_running(client, row["workflow_id"])]
    truly_astray = [name for name in astray if await _is_running(client, name)]
    now = _by_run(database_url)
    return (
        result_of(
            "I17",
            "an open payment, refund, reconciliation or repair on which no run works",
            Holds.WHEN_QUIET,
            looked_at=len(rows),
            offenders=[_shown(row) for row in truly_idle if row["workflow_id"] in now],
        ),
        result_of(
            "I17",
            "a run of a payment or refund that is over, or is not there",
            Holds.WHEN_QUIET,
            looked_at=len(running),
            offenders=[{"workflow_id": name} for name in truly_astray if name not in now],
        ),
    )


def _by_run(database_url: str) -> dict[str, Row]:
    return {row["workflow_id"]: row for row in read_open_runs(database_url)}


def _is_young(row: Row) -> bool:
    age: timedelta = datetime.now(UTC) - row["created_at"]
    return age < _YOUNG


async def _is_running(client: Client, workflow_id: str) -> bool:
    try:
        described = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.status is WorkflowExecutionStatus.RUNNING


def _shown(row: Row) -> Shown:
    return {"id": row["id"], "status": row["status"], "created_at": str(row["created_at"])}
