"""What a happy payment costs. Counts, not seconds: they are the same on every machine."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop
from devstack.supervisor import Stack
from engine.client import TemporalConnection, connect
from models.ids import payment_workflow_id
from settings import Settings

PAYMENTS = 5
PATH = {
    "record order": 1,
    "prepare attempt": 1,
    "record move": 1,
    "keep callback": 1,
    "settle payment": 1,
    "record delivery": 1,
}


async def test_a_happy_payment_has_at_most_25_events_and_4_workflow_tasks(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    payment_id = await _pay(shop, receiver, sandbox)

    kinds = Counter(event["eventType"] for event in await _history(stack, payment_id))

    assert kinds.total() == 24
    assert kinds["EVENT_TYPE_WORKFLOW_TASK_COMPLETED"] == 3
    assert kinds["EVENT_TYPE_ACTIVITY_TASK_SCHEDULED"] == 1


async def test_a_happy_payment_takes_six_transactions_each_with_its_name(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    await _pay(shop, receiver, sandbox)  # accounts and endpoint are read once, not per payment
    before = await _transactions(stack)

    for _ in range(PAYMENTS):
        await _pay(shop, receiver, sandbox)
    spent = await _transactions(stack) - before

    assert {name: spent[name] for name in PATH} == {
        name: count * PAYMENTS for name, count in PATH.items()
    }
    # By the clock, whatever is paid: figures and sums that are kept, when keys were used, and
    # whether parameters were replaced.
    by_the_clock = {"sweep", "statistics", "ledger totals", "note key use", "read channel account"}
    assert set(spent) - set(PATH) <= {"read payment", "read endpoint"} | by_the_clock


async def test_nothing_readable_of_a_payment_is_left_in_temporal(
    stack: Stack, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    order = Order(subject="a very private subject")
    payment = await shop.order(order, order_no="private-order-number-1")
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await receiver.wait_for(payment["id"])

    raw = json.dumps(await _history(stack, payment["id"]))

    assert "private" not in raw
    assert "PRIVATE KEY" not in raw


async def _pay(shop: Shop, receiver: Receiver, sandbox: SandboxControl) -> str:
    payment = await shop.order(Order())
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await asyncio.wait_for(receiver.wait_for(payment["id"]), timeout=20)
    return str(payment["id"])


async def _history(stack: Stack, payment_id: str) -> list[dict[str, Any]]:
    settings = Settings(**_settings_of(stack))
    client = await connect(
        TemporalConnection(
            address=stack.temporal_address,
            namespace=stack.temporal_namespace,
            payload_keys=settings.key_bytes("payload_keys"),
        )
    )
    handle = client.get_workflow_handle(payment_workflow_id(payment_id))
    await handle.result()
    events: list[dict[str, Any]] = (await handle.fetch_history()).to_json_dict()["events"]
    return events


def _settings_of(stack: Stack) -> dict[str, Any]:
    prefix = "PAYCENTER_"
    wanted = {"database_url", "payload_keys", "vault_keys"}
    named = {name.removeprefix(prefix).lower(): v for name, v in stack.environment.items()}
    return {name: named[name] for name in wanted}


async def _transactions(stack: Stack) -> Counter[str]:
    """Committed transactions so far by name, over the API and all workers."""
    counted: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False) as http:
        for name, port in stack.plan.ports.items():
            if name == "api" or name.startswith("worker"):
                page = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
                counted.update(_count(page))
    return counted


def _count(page: str) -> dict[str, int]:
    return {
        sample.labels["name"]: int(sample.value)
        for family in text_string_to_metric_families(page)
        if family.name == "paycenter_sql_transactions"
        for sample in family.samples
        if sample.name.endswith("_total")
    }
