"""Recorded payments run again through today's workflow code, step by step the same.

A change that breaks one of these breaks payments under way. Put it behind a patch, or, when no such
payment can be open any more, record anew with `make histories`.
"""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from engine.client import data_converter
from engine.sandbox import sandbox_runner
from tests.workflows.conftest import HISTORIES, KEYS
from workflows.late_success import LateSuccessWorkflow
from workflows.notification import NotificationWorkflow
from workflows.payment import PaymentWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.repair import RepairWorkflow

RECORDED = sorted(HISTORIES.glob("*.json"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_a_recorded_run_replays(file: Path) -> None:
    history = _history(file)
    replayer = Replayer(
        workflows=[
            PaymentWorkflow,
            LateSuccessWorkflow,
            NotificationWorkflow,
            ReconciliationWorkflow,
            RepairWorkflow,
        ],
        workflow_runner=sandbox_runner(),
        data_converter=data_converter(KEYS),
    )

    replayed = await replayer.replay_workflow(history)

    assert replayed.replay_failure is None


def test_every_way_a_payment_ends_is_recorded() -> None:
    recorded = " ".join(file.stem for file in RECORDED)

    for way in ("paid_by_callback", "found_by_query", "declined", "expires", "cancel", "person"):
        assert way in recorded


def test_every_way_a_reconciled_day_ends_is_recorded() -> None:
    recorded = " ".join(file.stem for file in RECORDED)

    for way in ("a_day_is_fetched", "upload", "missing", "repairs_by_evidence", "second_person"):
        assert way in recorded


def _history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"pay/{file.stem}", json.loads(file.read_text()))
