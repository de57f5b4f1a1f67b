"""kill -9 at every named step of every process: each comes to a right end, and the books hold."""

import pytest
import pytest_asyncio

from devstack.books import Sources
from devstack.supervisor import Stack
from tests.chaos.customer import Customer
from tests.chaos.matrix import (
    TRICKY,
    Matrix,
    Struck,
    chosen,
    crash_cases,
    server_cases,
)
from tests.chaos.sample import IS_FULL, SEED
from tests.chaos.traps import Traps

pytestmark = pytest.mark.stack

# In a usual run: so many, the tricky ones among them, so that it stays short.
_CRASHES = 12
_SERVERS = 4

# What a run of each process reaches at the least, whatever else is built between these steps.
_MUST_REACH = {
    "pay by QR code": {"pay: before send", "settle: after", "api: after commit keep callback"},
    "pay at a till": {"pay: after answer"},
    "pay by card": {"pay: after answer"},
    "pay at the cash desk": {"api: before update choose", "settle: after"},
    "refund": {"refund: after answer", "book_refund: after"},
    "capture": {"capture: after answer", "settle: before commit settle payment"},
    "void": {"void: after answer"},
    "capture at Alipay": {"capture: after answer", "settle: before commit settle payment"},
    "void at Alipay": {"void: after answer"},
    "reconcile a day": {"fetch_statement: before send", "finish: after"},
    "repair by two people": {"record_decision: after", "carry_out: after"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def matrix(stack: Stack, traps: Traps, customer: Customer, sources: Sources) -> Matrix:
    return Matrix(stack, traps, customer, sources)


@pytest.fixture(scope="module")
def enumerated() -> dict[str, list[str]]:
    """The places each process reaches, once they were counted."""
    return {}


@pytest.mark.timeout(120)
async def test_every_step_of_every_process_is_a_place_where_it_can_be_killed(
    matrix: Matrix, enumerated: dict[str, list[str]]
) -> None:
    enumerated.update(await matrix.enumerate())

    for course, places in _MUST_REACH.items():
        assert places <= set(enumerated[course])
    for course, place in TRICKY:
        assert place in enumerated[course]


@pytest.mark.timeout(3600)
async def test_a_process_killed_at_any_step_loses_and_doubles_nothing(
    matrix: Matrix,
    enumerated: dict[str, list[str]],
    struck: list[Struck],
) -> None:
    cases = crash_cases(enumerated)
    wanted = cases if IS_FULL else chosen(cases, _CRASHES, SEED)

    results = await matrix.strike_all(wanted)

    struck += results
    assert [one.case for one in results] == wanted


@pytest.mark.timeout(3600)
async def test_a_server_killed_while_a_step_waits_for_it_loses_and_doubles_nothing(
    matrix: Matrix,
    enumerated: dict[str, list[str]],
    struck: list[Struck],
) -> None:
    cases = server_cases(enumerated)
    wanted = cases if IS_FULL else chosen(cases, _SERVERS, SEED)

    results = await matrix.strike_all(wanted)

    struck += results
    assert [one.case for one in results] == wanted
