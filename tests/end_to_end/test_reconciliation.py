"""A day of Alipay against its own bill, on the whole stack: through the API and the command line.

The sandbox gives out today's bill and plants differences in it. All sums were worked out by hand.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from devstack.api_client import Access, ApiClient, ApiProblem
from devstack.database_setup import make_key
from devstack.reach import temporal_client
from devstack.receiver import Receiver
from devstack.reconciling import ReconciledDay, reconciled
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack
from models.merchant import Role
from settings import Settings
from workflows.check import CheckWorkflow
from workflows.queues import RECONCILIATION

pytestmark = pytest.mark.stack

_PROJECT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def bills(sandbox: SandboxControl) -> AsyncIterator[None]:
    """Today's bill is out, at 0.6 percent; what is planted in it does not outlive the test."""
    await sandbox.bill_settings(fee_bps=60, same_day=True)
    yield
    await sandbox.clear_plants()
    await sandbox.bill_settings(fee_bps=60, same_day=False)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def finance(stack: Stack) -> Access:
    return await _person(stack, Role.FINANCE)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def ops(stack: Stack) -> Access:
    return await _person(stack, Role.OPS)


async def test_a_day_with_planted_differences_is_found_repaired_and_signed_off(
    stack: Stack,
    shop: Shop,
    sandbox: SandboxControl,
    receiver: Receiver,
    finance: Access,
    ops: Access,
) -> None:
    first = await _paid(shop, sandbox, receiver, 19_99)
    await _paid(shop, sandbox, receiver, 5_00)
    refund = await shop.refund(first["id"], 3_00)
    await asyncio.wait_for(receiver.wait_for(refund["id"]), timeout=30)
    unheard = await _paid_unheard(shop, sandbox, 7_00)
    await sandbox.plant("extra_row", number="T-NOBODY-KNOWS", amount_minor=1_23)

    result = await reconciled(finance, shop.account_id, _today())
    told = await asyncio.wait_for(
        receiver.wait_for(unheard["id"], lambda one: one.sequence == 2), timeout=30
    )

    assert (result.day["status"], result.day["unresolved"]) == ("discrepancies", 1)
    sides = {side["kind"]: side for side in result.day["result"]["totals"]}
    # 19.99 + 5.00 + 7.00 + 1.23 on the bill; 19.99 + 5.00 in our books when it was compared.
    assert (sides["payment"]["statement_count"], sides["payment"]["statement"]) == (4, 33_22)
    assert (sides["payment"]["ours_count"], sides["payment"]["ours"]) == (2, 24_99)
    assert sides["payment"]["difference"] == 8_23
    assert (sides["refund"]["statement"], sides["refund"]["ours"]) == (3_00, 3_00)
    # 0.6 % of 19.99, 5.00 and 7.00, each half-even: 0.12 + 0.03 + 0.04.
    assert sides["payment"]["fees"] == 19
    found = _by_class(result)
    assert (found["status_diff"]["payment_id"], found["status_diff"]["resolution"]) == (
        unheard["id"],
        "booked",
    )
    assert told.type == "payment.succeeded"
    assert _decided_by(await shop.explain(unheard["id"])) == "statement"

    strange = f"/v1/discrepancies/{found['channel_only']['id']}"
    async with ApiClient(finance.url, finance.key) as maker:
        await maker.post(f"{strange}/repair", {"action": "suspense", "reason": "nobody knows it"})
        with pytest.raises(ApiProblem) as same_person:
            await maker.post(f"{strange}/approve", {})
        async with ApiClient(ops.url, ops.key) as checker:
            approved = await checker.post(f"{strange}/approve", {"reason": "asked the shop"})
        signed = await maker.post(f"/v1/reconciliations/{result.day['id']}/sign-off", {})
    assert same_person.value.code == "same-person"
    assert (approved["status"], approved["resolution"]) == ("resolved", "suspense")
    assert signed["status"] == "signed_off"


async def test_the_command_line_shows_the_day_and_a_second_run_changes_nothing(
    stack: Stack, shop: Shop, sandbox: SandboxControl, receiver: Receiver, finance: Access
) -> None:
    await _paid(shop, sandbox, receiver, 19_99)
    await sandbox.plant("extra_row", number="T-1", amount_minor=1_23)
    arguments = ("--account", shop.account_id, "--day", str(_today()))

    table = await _cli("reconcile", finance, *arguments)
    first = json.loads((await _cli("reconcile", finance, *arguments, "--json")).stdout)
    again = json.loads((await _cli("reconcile", finance, *arguments, "--json")).stdout)

    assert table.returncode == 0, table.stderr
    assert "channel_only (payment)" in table.stdout
    assert "21.22 CNY in 2" in table.stdout
    assert "1.23 CNY" in table.stdout
    assert again["discrepancies"] == first["discrepancies"]
    assert again["reconciliation"]["runs"] == 3
    assert _without_run(again) == _without_run(first)


async def test_two_people_repair_on_the_command_line(
    shop: Shop, sandbox: SandboxControl, finance: Access, ops: Access
) -> None:
    await sandbox.plant("extra_row", number="T-1", amount_minor=1_23)
    found = (await reconciled(finance, shop.account_id, _today())).discrepancies[0]["id"]

    proposed = await _say(finance, "repair", found, "suspense", "--reason", "nobody knows it")
    alone = await _say(finance, "approve", found)
    approved = await _say(ops, "approve", found, "--reason", "asked the shop")
    shown = await _say(ops, "show", found)
    left = await _say(ops, "list", "--account", shop.account_id, "--json")

    assert "awaiting_approval" in proposed.stdout, proposed.stderr
    assert (alone.returncode, "same-person" in alone.stderr) == (1, True)
    assert "resolved, suspense" in approved.stdout, approved.stderr
    assert "suspense: nobody knows it" in shown.stdout
    assert json.loads(left.stdout)["items"] == []


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        ("truncated", "statement-truncated"),
        ("broken_zip", "statement-truncated"),
        ("wrong_day", "statement-wrong-day"),
        ("wrong_merchant", "statement-wrong-merchant"),
        ("wrong_totals", "statement-wrong-totals"),
        ("wrong_encoding", "statement-wrong-encoding"),
    ],
)
async def test_a_bill_that_is_not_right_is_refused_whole_and_the_right_one_works_after_it(
    shop: Shop,
    sandbox: SandboxControl,
    receiver: Receiver,
    finance: Access,
    plant: str,
    code: str,
) -> None:
    await _paid(shop, sandbox, receiver, 19_99)
    await sandbox.plant("extra_row", number="T-1", amount_minor=1_23)
    await sandbox.plant(plant)

    refused = await _cli(
        "reconcile", finance, "--account", shop.account_id, "--day", str(_today()), "--json"
    )
    failed = json.loads(refused.stdout)
    await sandbox.clear_plants()
    good = await reconciled(finance, shop.account_id, _today())

    assert refused.returncode == 1
    assert failed["reconciliation"]["failure"]["code"] == code
    assert (failed["reconciliation"]["result"], failed["discrepancies"]) == (None, [])
    assert (good.day["status"], good.day["failure"], good.discrepancies) == ("balanced", None, [])


async def test_a_bill_that_is_not_there_yet_is_waited_for_and_an_upload_ends_the_wait(
    shop: Shop,
    sandbox: SandboxControl,
    receiver: Receiver,
    finance: Access,
    tmp_path: Path,
) -> None:
    await _paid(shop, sandbox, receiver, 19_99)
    seller = await _alipay_app(shop, finance)
    file = tmp_path / "bill.zip"
    file.write_bytes(await sandbox.bill(seller, _today()))
    await sandbox.plant("not_there")

    waiting = await reconciled(finance, shop.account_id, _today(), wait=False)
    done = await _cli(
        "reconcile",
        finance,
        "--account",
        shop.account_id,
        "--day",
        str(_today()),
        "--file",
        str(file),
        "--json",
    )
    day = json.loads(done.stdout)["reconciliation"]

    assert waiting.day["status"] == "running"
    assert day["id"] == waiting.day["id"]
    assert (day["status"], day["statement"]["source"]) == ("balanced", "uploaded")
    assert day["statement"]["bytes"] == file.stat().st_size


async def test_a_day_long_ago_on_which_nothing_moved_is_balanced_at_every_channel(
    shop: Shop, finance: Access
) -> None:
    async with ApiClient(finance.url, finance.key) as api:
        query = {"merchant_id": shop.merchant_id}
        accounts = (await api.get("/v1/channel-accounts", query))["items"]

    for account in accounts:
        result = await reconciled(finance, account["id"], date(2026, 1, 31))
        assert (result.day["status"], result.day["statement"]["source"]) == ("balanced", "empty")
        assert result.day["result"]["lines"] == 0

    assert {account["channel"] for account in accounts} == {"alipay", "stripe"}


async def test_a_fee_other_than_agreed_is_reported_and_booked_as_it_was_taken(
    shop: Shop, sandbox: SandboxControl, receiver: Receiver, finance: Access
) -> None:
    payment = await _paid(shop, sandbox, receiver, 100_00)
    # 0.60 is agreed.
    await sandbox.plant("other_fee", number=await shop.serial_of(payment["id"]), amount_minor=75)

    result = await reconciled(finance, shop.account_id, _today())

    found = _by_class(result)
    assert set(found) == {"fee_diff"}
    assert (found["fee_diff"]["fee"], found["fee_diff"]["resolution"]) == (75, "fee_booked")
    assert (result.day["status"], result.day["result"]["totals"][0]["fees"]) == ("balanced", 75)


async def test_every_account_has_its_schedule_in_its_channels_own_time(
    stack: Stack, shop: Shop
) -> None:
    applied = await _operator(stack, "schedules", "apply")
    listed = await _operator(stack, "schedules", "list", "--json")

    assert (applied.returncode, listed.returncode) == (0, 0), applied.stderr + listed.stderr
    assert {f"recon/{shop.account_id}", "check"} <= set(applied.stdout.split())
    found = {one["id"]: one for one in json.loads(listed.stdout)}
    # 10:30 in Beijing.
    assert found[f"recon/{shop.account_id}"]["next_at"].endswith("T02:30:00Z")


async def test_a_look_around_on_the_whole_stack_finds_nothing(
    stack: Stack, shop: Shop, sandbox: SandboxControl, receiver: Receiver, finance: Access
) -> None:
    payment = await _paid(shop, sandbox, receiver, 19_99)
    whole = await shop.refund(payment["id"], 19_99)
    await asyncio.wait_for(receiver.wait_for(whole["id"]), timeout=30)

    client = await temporal_client(_settings(stack))
    await client.execute_workflow(
        CheckWorkflow.run, id="check-by-a-test", task_queue=RECONCILIATION
    )
    shown = await _cli("check", finance)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "everything fits" in shown.stdout


async def _person(stack: Stack, role: Role) -> Access:
    key = await make_key(stack.database_urls.app, role=role, app_id=None, name=role)
    return Access(url=stack.api_url, key=key)


def _settings(stack: Stack) -> Settings:
    named = {
        name.removeprefix("PAYCENTER_").lower(): value
        for name, value in stack.environment.items()
        if name.startswith("PAYCENTER_")
    }
    return Settings.model_validate(named)


async def _paid(
    shop: Shop, sandbox: SandboxControl, receiver: Receiver, amount: int
) -> dict[str, Any]:
    payment = await shop.order(Order(amount=amount))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=30)
    return payment


async def _paid_unheard(shop: Shop, sandbox: SandboxControl, amount: int) -> dict[str, Any]:
    """Money that came after the end, told to nobody: its callback is lost."""
    body = Order(amount=amount).body(shop.merchant_id, f"late-{amount}-{shop.app_id}")
    payment = await shop.api.post("/v1/payments", body | {"late_success": "accept"})
    serial = await shop.serial_of(payment["id"])
    await sandbox.open(serial)
    await shop.api.post(f"/v1/payments/{payment['id']}/cancel", {"reason": "sold out"})
    await sandbox.fault("lose", out_trade_no=serial, times=None)
    await sandbox.pay(serial, even_if_closed=True)
    return payment


async def _cli(command: str, access: Access, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that goes through the API."""
    return await _run({}, command, *arguments, "--url", access.url, "--key", access.key)


async def _say(access: Access, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the commands about discrepancies."""
    whose = ("--url", access.url, "--key", access.key)
    return await _run({}, "discrepancies", *whose, *arguments)


async def _operator(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with the environment of API and workers."""
    return await _run(stack.environment, *arguments)


async def _run(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli", *arguments],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env={"PATH": "", "COLUMNS": "200"} | dict(environment),
    )


async def _alipay_app(shop: Shop, access: Access) -> str:
    async with ApiClient(access.url, access.key) as api:
        account = await api.get(f"/v1/channel-accounts/{shop.account_id}")
    app_id: str = account["parameters"]["app_id"]
    return app_id


def _by_class(result: ReconciledDay) -> dict[str, dict[str, Any]]:
    found = {one["class"]: one for one in result.discrepancies}
    assert len(found) == len(result.discrepancies), result.discrepancies
    return found


def _decided_by(told: dict[str, Any]) -> str:
    moves = [entry["summary"] for entry in told["timeline"] if entry["kind"] == "status"]
    return str(moves[-1]).rpartition("(")[2].rstrip(")")


def _without_run(shown: dict[str, Any]) -> dict[str, Any]:
    day = shown["reconciliation"]
    kept = {k: v for k, v in day.items() if k not in ("runs", "finished_at", "statement")}
    return kept | {"result": day["result"] | {"seconds": 0}}


def _today() -> date:
    return datetime.now(ZoneInfo("Asia/Shanghai")).date()
