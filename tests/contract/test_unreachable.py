"""A channel that is down, or somebody else at its address: every operation, the same rule."""

import asyncio
import time
from pathlib import Path

import pytest

from models.channel import NotAttempted, Unknown
from models.errors import ChannelUnavailable
from tests.channels.faulty_server import (
    Behaviour,
    FaultyServer,
    drips,
    hangs_up,
    is_silent,
    replies,
    resets,
)
from tests.contract.conftest import SHORT_TOTAL_TIMEOUT, SLACK_SECONDS
from tests.contract.features import Feature, scenario
from tests.contract.operations import Operation, ask_for_statement
from tests.contract.shop import Shop


async def breaks_off(server: FaultyServer, writer: asyncio.StreamWriter) -> None:
    """A whole object, and not all that was announced."""
    await replies(b"{}", announced=4_000)(server, writer)
    writer.close()


NONSENSE: dict[str, Behaviour] = {
    "hangs up": hangs_up,
    "resets": resets,
    "500": replies(b"", status=500),
    "502 with a page": replies(b"<html>Bad Gateway</html>", status=502),
    "200 with a page": replies(b"<html>Welcome</html>"),
    "404 with a page": replies(b"<html>Not Found</html>", status=404),
    "nothing": replies(b""),
    "half an object": replies(b'{"id": "pi_1", "status": "succ'),
    "another's object": replies(b'{"error": {}}'),
    "a list": replies(b"[]"),
    "no text": replies(b"\xff\xfe\x00\x01"),
    "redirect": replies(b"", status=302, headers="Location: http://127.0.0.1:1/\r\n"),
    "less than announced": breaks_off,
    "too much": replies(b" " * (1024 * 1024 + 1)),
}


@scenario(once=True)
async def test_a_request_to_a_channel_that_is_down_was_not_attempted(
    unreachable: Shop, operation: Operation
) -> None:
    outcome = await operation.ask(unreachable)

    assert isinstance(outcome, NotAttempted if operation.moves else Unknown)


@pytest.mark.parametrize("nonsense", list(NONSENSE))
@scenario(once=True)
async def test_an_answer_that_is_none_is_unknown(
    disturbed: Shop, faulty: FaultyServer, operation: Operation, nonsense: str
) -> None:
    faulty.behaviour = NONSENSE[nonsense]

    outcome = await operation.ask(disturbed)

    assert isinstance(outcome, Unknown)
    assert faulty.requests, "it was asked"


@pytest.mark.parametrize("way", [is_silent, drips], ids=["silent", "a byte now and then"])
@scenario(once=True)
async def test_no_answer_is_unknown_within_the_deadline(
    disturbed_in_a_hurry: Shop, faulty: FaultyServer, operation: Operation, way: Behaviour
) -> None:
    faulty.behaviour = way

    started = time.monotonic()
    outcome = await operation.ask(disturbed_in_a_hurry)
    took = time.monotonic() - started

    assert isinstance(outcome, Unknown)
    assert took < SHORT_TOTAL_TIMEOUT.total_seconds() + SLACK_SECONDS


@scenario(Feature.STATEMENT, once=True)
async def test_a_statement_of_a_channel_that_is_down_is_unavailable(
    unreachable: Shop, tmp_path: Path
) -> None:
    with pytest.raises(ChannelUnavailable):
        await ask_for_statement(unreachable, tmp_path / "statement")


@pytest.mark.parametrize("nonsense", list(NONSENSE))
@scenario(Feature.STATEMENT, once=True)
async def test_nonsense_is_no_statement_and_leaves_none_behind(
    disturbed: Shop, faulty: FaultyServer, tmp_path: Path, nonsense: str
) -> None:
    faulty.behaviour = NONSENSE[nonsense]

    with pytest.raises(ChannelUnavailable):
        await ask_for_statement(disturbed, tmp_path / "statement")

    assert _left_in(tmp_path) == []


def _left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
