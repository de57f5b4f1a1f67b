"""The same stack works on a PostgreSQL and a Temporal of somebody else, by settings alone."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.api_client import Access
from devstack.demo_rows import STORIES, Scene, play
from devstack.plan import External
from devstack.ports import choose_ports
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack
from devstack.temporal_server import EmbeddedTemporal, TemporalPlan, temporal_binary

_NAMESPACE = "theirs"


@pytest.fixture
def their_temporal(tmp_path: Path) -> Iterator[str]:
    """A server with a namespace that has never heard of us; its address."""
    port = choose_ports(["temporal"], wished={}, remembered={})["temporal"]
    with EmbeddedTemporal(TemporalPlan(tmp_path / "temporal", port)) as server:
        create = [temporal_binary(), "operator", "namespace", "create", "-n", _NAMESPACE]
        subprocess.run([*create, "--address", server.address], check=True, capture_output=True)
        yield server.address


@pytest.fixture
def external(database_url: str, owner_url: str, their_temporal: str) -> External:
    return External(
        database_url=database_url, owner_database_url=owner_url, temporal_address=their_temporal
    )


@pytest.mark.stack
async def test_a_payment_comes_out_right_on_servers_that_are_not_ours(
    tmp_path: Path, external: External
) -> None:
    stack = Stack(
        tmp_path / "data",
        external=external,
        environment={"PAYCENTER_TEMPORAL_NAMESPACE": _NAMESPACE},
    )
    story = next(story for story in STORIES if story.expected.decided_by == "callback")

    with stack:
        names = [component.name for component in stack.components]
        admin = Access(url=stack.api_url, key=stack.admin_key)
        async with (
            Receiver() as receiver,
            SandboxControl(stack.sandbox_url) as sandbox,
            await Shop.onboard(admin, sandbox, receiver) as shop,
        ):
            scene = Scene(shop=shop, receiver=receiver, sandbox=sandbox)
            row = await asyncio.wait_for(play(story, scene), timeout=60)

    assert names == ["sandbox", "api", "worker-1"]
    assert row.problems == ()
