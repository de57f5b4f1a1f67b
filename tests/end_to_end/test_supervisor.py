"""The stack keeps itself running, one copy per folder, and says where everything is."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from devstack.demo_rows import STORIES, Scene, Story, play
from devstack.leftovers import AlreadyRunning
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from devstack.supervisor import Stack

pytestmark = pytest.mark.stack

_PARTS = ("sandbox", "api", "worker", "temporal", "postgres")


@pytest.fixture
def by_hand(stack: Stack) -> Iterator[Stack]:
    """The stack, restarting nothing by itself for the length of a test."""
    stack.auto_restart = False
    yield stack
    stack.auto_restart = True


@pytest.mark.parametrize("part", _PARTS)
def test_a_part_that_was_killed_works_again_after_a_start(by_hand: Stack, part: str) -> None:
    by_hand.kill(part)
    assert not by_hand.is_running(part)

    by_hand.start(part)

    assert by_hand.is_running(part)


def test_the_api_is_ready_again_after_all_of_that(by_hand: Stack) -> None:
    by_hand.restart("api")

    answer = httpx.get(f"{by_hand.api_url}/readyz", trust_env=False)

    assert answer.json()["checks"] == {"database": "ok", "temporal": "ok"}


def test_a_second_stack_on_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning, match="already runs"):
        Stack(stack.data_directory).up()


def test_a_part_that_does_not_exist_is_named_in_the_error(stack: Stack) -> None:
    with pytest.raises(ValueError, match=r"no part of the stack is called 'wroker'.*worker-1"):
        stack.kill("wroker")


def test_temporal_ui_answers(stack: Stack) -> None:
    assert httpx.get(stack.temporal_ui_url, trust_env=False, follow_redirects=True).is_success


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.what)
async def test_the_demo_comes_out_right(
    story: Story, shop: Shop, receiver: Receiver, sandbox: SandboxControl
) -> None:
    row = await asyncio.wait_for(play(story, Scene(shop, receiver, sandbox)), timeout=60)

    assert row.problems == ()
