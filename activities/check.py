"""A look around: what moved lately, at the channel, in our books and in Temporal.

It mends nothing. Of money that the channel has and an open payment has not, the payment's own run
is told, and asks for itself.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.accounts import AccountReader
from activities.beating import beating
from channels.registry import ChannelRegistry
from domain.checking import compare_with_channel
from models.channel import ChannelEvent, NotAttempted, Outcome, Unknown
from models.check import CheckFinding, CheckRound, CheckSubject, FindingKind
from models.errors import ChannelMisconfigured, ChannelUnavailable, RateLimited
from models.ids import new_id
from models.steps import query_of
from observability import metrics
from observability.logs import logger
from storage import checks
from storage.database import Database

_log = logger(__name__)

# What each round looks at: enough to see trouble within minutes, few enough not to be trouble for a
# channel (two hundred questions in five minutes).
_OPEN_MAX = 100
_SUCCESSES_MAX = 100
_UNPOSTED_MAX = 100
_FINDINGS_KEPT = 100
_QUESTIONS_AT_ONCE = 5
# Successes of this long are looked at again and again; the day's statement covers the rest.
_RECENT = timedelta(hours=1)

# Tells a payment's run that there is news, and that it should ask the channel.
Nudge = Callable[[str, ChannelEvent], Awaitable[None]]
# Whether a payment has a run that is open.
HasRun = Callable[[str], Awaitable[bool]]


@dataclass
class CheckActivities:
    """The sides that are compared. `grace`: whoever is younger is being worked on right now."""

    database: Database
    accounts: AccountReader
    registry: ChannelRegistry
    has_run: HasRun
    nudge: Nudge
    grace: timedelta = timedelta(minutes=1)

    @activity.defn
    async def look_around(self) -> CheckRound:
        """Compare, keep what was seen, and say so in log and metrics."""
        started = _now()
        async with beating("looking around"):
            async with self.database.transaction("read check subjects") as connection:
                opened = await checks.open_subjects(
                    connection, before=started - self.grace, limit=_OPEN_MAX
                )
                done = await checks.recent_successes(
                    connection, since=started - _RECENT, limit=_SUCCESSES_MAX
                )
                found = list(
                    await checks.unposted(connection, since=started - _RECENT, limit=_UNPOSTED_MAX)
                )
            answers = await self._ask_all(opened + done)
            found += [one for one in answers if isinstance(one, CheckFinding)]
            found += await self._without_run(opened)
            found = await self._confirmed(found)
            await self._tell_runs(found, opened)
        seen = CheckRound(
            id=new_id("chk"),
            started_at=started,
            finished_at=_now(),
            open_payments=len(opened),
            successes=len(done),
            unanswered=sum(answer is False for answer in answers),
            counts=dict(Counter(one.kind for one in found)),
            findings=tuple(found[:_FINDINGS_KEPT]),
        )
        async with self.database.transaction("record check") as connection:
            await checks.record_round(connection, seen)
        _tell(seen)
        return seen

    async def _ask_all(self, subjects: tuple[CheckSubject, ...]) -> list[CheckFinding | bool]:
        """For each a finding, True when it fits, False when the channel says nothing clear."""
        turns = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

        async def ask(subject: CheckSubject) -> CheckFinding | bool:
            async with turns:
                said = await self._ask(subject)
            return compare_with_channel(subject, said) or not isinstance(
                said, Unknown | NotAttempted
            )

        return list(await asyncio.gather(*(ask(subject) for subject in subjects)))

    async def _ask(self, subject: CheckSubject) -> Outcome:
        route = subject.attempt.route
        try:
            account = await self.accounts.account_of(route)
            answer = await self.registry.get(route.channel).query(
                account, query_of(subject.order, subject.attempt), _now()
            )
        except (ChannelUnavailable, ChannelMisconfigured, RateLimited) as error:
            return Unknown(detail=error.detail)
        return answer.outcome

    async def _without_run(self, opened: tuple[CheckSubject, ...]) -> list[CheckFinding]:
        found = []
        for subject in opened:
            payment_id = subject.order.payment_id
            if not await self.has_run(payment_id):
                detail = f"{subject.status}, and no run works on it"
                found.append(
                    CheckFinding(kind=FindingKind.NO_RUN, object_id=payment_id, detail=detail)
                )
        return found

    async def _confirmed(self, found: list[CheckFinding]) -> list[CheckFinding]:
        """Without what moved while we looked."""
        about_open = {FindingKind.PAID_AT_CHANNEL, FindingKind.NO_RUN}
        ids = sorted({one.object_id for one in found if one.kind in about_open})
        async with self.database.transaction("confirm findings") as connection:
            still = await checks.still_open(connection, ids)
        return [one for one in found if one.kind not in about_open or one.object_id in still]

    async def _tell_runs(self, found: list[CheckFinding], opened: tuple[CheckSubject, ...]) -> None:
        paid = {one.object_id for one in found if one.kind is FindingKind.PAID_AT_CHANNEL}
        for subject in opened:
            payment_id, serial = subject.order.payment_id, subject.attempt.serial
            if payment_id in paid:
                event = ChannelEvent(
                    callback_id=f"check:{serial}:{_now():%Y%m%d%H%M%S}",
                    serial=serial,
                    outcome=Unknown(detail="a look around found it paid at the channel"),
                    received_at=_now(),
                )
                await self.nudge(payment_id, event)


def _tell(seen: CheckRound) -> None:
    for kind in FindingKind:
        metrics.CHECK_FINDINGS.labels(kind).set(seen.counts.get(kind, 0))
    metrics.CHECK_FINISHED.set(seen.finished_at.timestamp())
    for finding in seen.findings:
        _log.error("check_finding", kind=finding.kind, object_id=finding.object_id)
    _log.info(
        "looked_around",
        open_payments=seen.open_payments,
        successes=seen.successes,
        unanswered=seen.unanswered,
    )


def _now() -> datetime:
    return datetime.now(UTC)
