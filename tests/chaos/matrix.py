"""The kill matrix: every place in every process, and what is killed when it is reached."""

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace

import psutil

from devstack.books import Sources
from devstack.supervisor import Stack
from observability.checkpoints import Action
from tests.books import assert_books_hold
from tests.chaos.customer import COURSES, Customer
from tests.chaos.traps import Trap, Traps

ITSELF = "itself"
SERVERS = ("temporal", "postgres")

# Not part of a process: rounds of the sweeper and of later deliveries, looking at things, and an
# endpoint that is remembered for a while. They come at any time, or not at all.
_PASSING = ("worker: ", "deliver_due: ", "api: before answer GET")
_PASSING_WORDS = ("commit read ", "check readiness")

# Where the servers are killed: each business step once, at its most expensive moment.
_STEPS = (
    ("pay by QR code", "api: before update initiate"),
    ("pay by QR code", "prepare_attempt: before commit prepare attempt"),
    ("pay by QR code", "pay: after answer"),
    ("pay by QR code", "api: before commit keep callback"),
    ("pay by QR code", "api: after commit keep callback"),
    ("pay by QR code", "settle: before commit settle payment"),
    ("pay by QR code", "settle: after"),
    ("pay at a till", "pay: after answer"),
    ("pay by card", "pay: after answer"),
    ("refund", "refund: after answer"),
    ("refund", "book_refund: before commit book refund"),
    ("capture", "capture: after answer"),
    ("void", "void: after answer"),
    ("reconcile a day", "fetch_statement: after answer"),
    ("reconcile a day", "finish: before commit finish reconciliation"),
    ("repair by two people", "carry_out: before commit repair discrepancy"),
)
# Those of which each found a bug in some payment system, ours or another: never left out.
TRICKY = (
    ("pay by QR code", "api: before update initiate"),
    ("pay by QR code", "api: after commit keep callback"),
    ("pay by QR code", "settle: after commit settle payment"),
    ("pay at a till", "pay: after answer"),
    ("pay by card", "pay: after answer"),
    ("refund", "refund: after answer"),
    ("refund", "book_refund: after commit book refund"),
    ("capture", "capture: after answer"),
    ("reconcile a day", "book_channel_fees: after commit book channel fees"),
    ("repair by two people", "carry_out: after commit repair discrepancy"),
)
_SLOW = ("fetch_statement: ", "compare: ")
_AT_ONCE = 6
_TRIES = 3
_FIRES_WITHIN_SECONDS = 40.0
# Its webhook, and what else is done after the end of a payment.
_AFTER_THE_END_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 0.02


@dataclass(frozen=True)
class Case:
    course: str
    checkpoint: str
    kills: str = ITSELF


@dataclass(frozen=True)
class Struck:
    """A case after the kill: what was killed, how it ended, and after how many seconds."""

    case: Case
    killed: str
    end: str = ""
    seconds: float = 0.0
    quiet_seconds: float = 0.0


def server_cases(reached: Mapping[str, Sequence[str]]) -> list[Case]:
    """Each server killed at each business step. A step that has another name now is an error."""
    for course, step in _STEPS:
        if step not in reached[course]:
            raise AssertionError(
                f"{course} does not reach {step!r}: only {sorted(reached[course])}"
            )
    return [Case(course, step, server) for course, step in _STEPS for server in SERVERS]


def crash_cases(reached: Mapping[str, Sequence[str]]) -> list[Case]:
    """Every place of every course."""
    return [Case(course, name) for course in reached for name in reached[course]]


def chosen(cases: Sequence[Case], count: int, seed: int) -> list[Case]:
    """The tricky ones among them, and others at random until there are `count`.

    A server that is killed comes back by itself, so of those cases any may be left out; so may
    those after which a minute passes until a lost worker is given up.
    """
    tricky = [
        case for case in cases if case.kills == ITSELF and (case.course, case.checkpoint) in TRICKY
    ]
    quick = [case for case in cases if not case.checkpoint.startswith(_SLOW)]
    others = [case for case in quick if case not in tricky]
    picked = random.Random(seed).sample(others, max(0, min(count - len(tricky), len(others))))
    return [case for case in cases if case in tricky or case in picked]


class Matrix:
    """Strikes cases on one running stack, several under way at once, and looks at the books."""

    def __init__(self, stack: Stack, traps: Traps, customer: Customer, sources: Sources) -> None:
        self._stack = stack
        self._traps = traps
        self._customer = customer
        self._sources = sources

    async def enumerate(self) -> dict[str, list[str]]:
        """The places that each course reaches, with nothing killed."""
        found: dict[str, list[str]] = {}
        for name, course in COURSES.items():
            prepared = await course.prepare(self._customer)
            await assert_books_hold(self._sources, swept=False)
            before = self._traps.count()
            await course.run(self._customer, prepared)
            await assert_books_hold(self._sources, swept=False)
            reached = self._traps.reached(before)
            found[name] = sorted(place for place in reached if not _is_passing(place))
        return found

    async def strike_all(self, cases: Sequence[Case]) -> list[Struck]:
        """All cases in batches; the books have to hold after each."""
        struck: list[Struck] = []
        for number in range(0, len(cases), _AT_ONCE):
            struck += await self._strike_batch(cases[number : number + _AT_ONCE])
        return struck

    async def _strike_batch(self, cases: Sequence[Case]) -> list[Struck]:
        """What they need is there first; then one after the other, none waiting for another's end.

        A kill meets the cases before it in whatever they do then, which is as good a fault as any.
        """
        prepared = [await COURSES[case.course].prepare(self._customer) for case in cases]
        begun = [
            await self._strike(case, before) for case, before in zip(cases, prepared, strict=True)
        ]
        struck = [await self._ended(one) for one in begun]
        fired_last = max(one.fired_at for one in begun)
        await assert_books_hold(self._sources)
        quiet = time.monotonic() - fired_last
        return [replace(one, quiet_seconds=quiet) for one in struck]

    async def _strike(self, case: Case, prepared: str) -> "_Begun":
        """Run the course until the place is reached, and kill there. Raises when it is not reached.

        Some places are reached in most runs and not in all (who is faster, callback or answer).
        """
        for _ in range(_TRIES):
            names = {part.pid: part.name for part in self._stack.components if part.pid}
            trap = self._traps.arm(case.checkpoint, _action(case))
            run = asyncio.create_task(_timed(COURSES[case.course].run(self._customer, prepared)))
            pid = await _fired_or_over(trap, run)
            trap.disarm()
            if pid is not None:
                fired_at = time.monotonic()
                await self._kill(case, trap, pid, names[pid])
                killed = names[pid] if case.kills == ITSELF else case.kills
                return _Begun(case, killed, fired_at, run)
            await run
            prepared = await COURSES[case.course].prepare(self._customer)
        raise AssertionError(f"{case} was never reached: nothing was tested")

    async def _kill(self, case: Case, trap: Trap, pid: int, name: str) -> None:
        """See that it is dead, or kill the server while it waits; start it again."""
        if case.kills == ITSELF:
            await _gone(pid)
            await asyncio.to_thread(self._stack.kill, name)  # what is left of it is cleared away
            await asyncio.to_thread(self._stack.start, name)
            return
        await asyncio.to_thread(self._stack.kill, case.kills)
        trap.release()
        await asyncio.to_thread(self._stack.start, case.kills)

    async def _ended(self, begun: "_Begun") -> Struck:
        end, at = await begun.run
        case = begun.case
        assert end in COURSES[case.course].ends, f"{case} ended as {end}"
        return Struck(case, begun.killed, end, max(0.0, at - begun.fired_at))


@dataclass(frozen=True)
class _Begun:
    case: Case
    killed: str
    fired_at: float
    run: "asyncio.Task[tuple[str, float]]"


def _is_passing(place: str) -> bool:
    return place.startswith(_PASSING) or any(word in place for word in _PASSING_WORDS)


def _action(case: Case) -> Action:
    return Action.DIE if case.kills == ITSELF else Action.WAIT


async def _timed(course: Awaitable[str]) -> tuple[str, float]:
    """How it ended, and when."""
    return await course, time.monotonic()


async def _fired_or_over(trap: Trap, run: "asyncio.Task[tuple[str, float]]") -> int | None:
    """The pid of the process that reached it; None when the course is over and nobody did."""
    fired = asyncio.create_task(trap.fired(within_seconds=_FIRES_WITHIN_SECONDS))
    await asyncio.wait({fired, run}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({fired}, timeout=_AFTER_THE_END_SECONDS)
    if fired.done():
        return fired.result()
    fired.cancel()
    return None


async def _gone(pid: int) -> None:
    """SIGKILL is on its way to it."""
    async with asyncio.timeout(_FIRES_WITHIN_SECONDS):
        while _lives(pid):  # noqa: ASYNC110  # the kernel tells nobody who is not its parent
            await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
