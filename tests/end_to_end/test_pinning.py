"""With a build id, a payment stays on the worker version it began on."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from devstack.api_client import Access
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack
from devstack.temporal_server import temporal_binary

pytestmark = pytest.mark.stack

_ENVIRONMENT = {
    "PAYCENTER_WORKER_BUILD_ID": "build-1",
    "PAYCENTER_INITIATION_TIMEOUT": "PT1S",
}


async def test_nothing_runs_until_a_version_is_current_and_then_payments_are_pinned_to_it(
    tmp_path: Path,
) -> None:
    stack = Stack(tmp_path, environment=_ENVIRONMENT)
    await asyncio.to_thread(stack.up)
    try:
        accepted, described = await _pay_after_the_version_is_current(stack)
    finally:
        await asyncio.to_thread(stack.down)

    assert accepted == "created"
    assert "Pinned" in described
    assert "build-1" in described


async def _pay_after_the_version_is_current(stack: Stack) -> tuple[str, str]:
    access = Access(stack.api_url, stack.admin_key)
    async with (
        Receiver() as receiver,
        SandboxControl(stack.sandbox_url) as sandbox,
        await Shop.onboard(access, sandbox, receiver) as shop,
    ):
        await sandbox.auto_pay({"enabled": True, "action": "pay"})
        payment = await shop.order(Order())
        version = ("--deployment-name", "paycenter", "--build-id", "build-1")
        await _temporal(stack, "worker", "deployment", "set-current-version", *version, "--yes")
        await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=60)
        described = await _temporal(stack, "workflow", "describe", "-w", f"pay/{payment['id']}")
        return str(payment["status"]), described


async def _temporal(stack: Stack, *arguments: str) -> str:
    command = (temporal_binary(), *arguments, "--address", stack.temporal_address)
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True
    )
    return done.stdout
