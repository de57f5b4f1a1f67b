"""Calls to channels: the only place where money is asked for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.accounts import AccountReader
from channels.base import Account, Capturing, Channel, Refunding
from channels.registry import ChannelRegistry
from models.channel import Answer, Exchange, NotAttempted, QueryRequest, Route, Unknown
from models.errors import ChannelMisconfigured, Unavailable
from models.steps import CaptureStep, PayStep, QueryStep, RefundStep
from observability import metrics
from storage import payments
from storage.database import Database

OUTCOME_UNKNOWN = "outcome-unknown"
_READ_AGAIN_AFTER_SECONDS = (0.1, 1.0, 3.0)


class ChannelActivities:
    """Runs on the queue of one channel, so that a channel that hangs slows only itself."""

    def __init__(
        self, database: Database, accounts: AccountReader, registry: ChannelRegistry
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._registry = registry

    @activity.defn
    async def pay(self, step: PayStep) -> Answer:
        """Ask for the money of one serial.

        A repeat is allowed for `repeat_safe` methods alone, and after a try whose answer was lost
        nothing counts as "not sent" any more.
        """
        answer = await self._send(step)
        if not step.repeat_safe:
            return answer
        is_repeat = activity.info().attempt > 1
        if is_repeat and isinstance(answer.outcome, NotAttempted):
            answer = _as_unknown(answer, answer.outcome)
        if isinstance(answer.outcome, Unknown):
            await self._keep(step.request.payment_id, step.request.serial, answer.exchange)
            raise _still_unknown(answer.outcome)
        return answer

    @activity.defn
    async def query(self, step: QueryStep) -> Answer:
        """Ask where a serial stands. With `until_known`, an unknown answer is asked for again.

        Every unknown answer is kept as evidence that we asked.
        """
        channel = self._registry.get(step.route.channel)
        answer = await self._measured("query", step, channel.query)
        if step.until_known and isinstance(answer.outcome, Unknown):
            await self._keep(step.request.payment_id, step.request.serial, answer.exchange)
            raise _still_unknown(answer.outcome)
        return answer

    @activity.defn
    async def close(self, step: QueryStep) -> Answer:
        """Tell the channel to take no more money for a serial."""
        channel = self._registry.get(step.route.channel)
        answer = await self._measured("close", step, channel.close)
        await self._keep(step.request.payment_id, step.request.serial, answer.exchange)
        return answer.model_copy(update={"exchange": None})

    @activity.defn
    async def capture(self, step: CaptureStep) -> Answer:
        """Take part or all of what is held. A repeat is harmless; what was not sent is unknown."""
        started = _now()
        account = await self._accounts.account_of(step.route)
        answer = await self._capturing(step.route).capture(account, step.request, started)
        _count(step.route.channel, "capture", answer, started)
        if isinstance(answer.outcome, NotAttempted):
            return _as_unknown(answer, answer.outcome)
        return answer

    @activity.defn
    async def void(self, step: QueryStep) -> Answer:
        """Give up what is held."""
        answer = await self._measured("void", step, self._capturing(step.route).void)
        await self._keep(step.request.payment_id, step.request.serial, answer.exchange)
        return answer.model_copy(update={"exchange": None})

    @activity.defn
    async def refund(self, step: RefundStep) -> Answer:
        """Give money back under a refund's own number, which makes a repeat harmless."""
        started = _now()
        try:
            account = await self._account_to_send_with(step.route)
            answer = await self._refunding(step).refund(account, step.request, started)
        except (ChannelMisconfigured, Unavailable) as error:
            answer = Answer(outcome=NotAttempted(detail=error.detail))
        _count(step.route.channel, "refund", answer, started)
        return answer

    @activity.defn
    async def query_refund(self, step: RefundStep) -> Answer:
        """Ask where a refund stands. What could not be asked is unknown."""
        started = _now()
        account = await self._accounts.account_of(step.route)
        answer = await self._refunding(step).query_refund(account, step.request, started)
        _count(step.route.channel, "query_refund", answer, started)
        if isinstance(answer.outcome, NotAttempted):
            return _as_unknown(answer, answer.outcome)
        return answer

    def _capturing(self, route: Route) -> Capturing:
        channel = self._registry.get(route.channel)
        if not isinstance(channel, Capturing):
            raise ChannelMisconfigured(f"{route.channel} cannot hold money")
        return channel

    def _refunding(self, step: RefundStep) -> Refunding:
        channel = self._registry.get(step.route.channel)
        if not isinstance(channel, Refunding):
            raise ChannelMisconfigured(f"{step.route.channel} cannot refund")
        return channel

    async def _account_to_send_with(self, route: Route) -> Account:
        """Read the account before anything is sent; tried again, since sending has one try only.

        The first read after a restart of PostgreSQL may meet a connection that died with it.
        """
        for pause in _READ_AGAIN_AFTER_SECONDS:
            try:
                return await self._accounts.account_of(route)
            except Unavailable:
                await asyncio.sleep(pause)
        return await self._accounts.account_of(route)

    async def _send(self, step: PayStep) -> Answer:
        channel: Channel = self._registry.get(step.route.channel)
        started = _now()
        try:
            account = await self._account_to_send_with(step.route)
            answer = await channel.pay(account, step.request, started)
        except (ChannelMisconfigured, Unavailable) as error:
            answer = Answer(outcome=NotAttempted(detail=error.detail))
        _count(step.route.channel, "pay", answer, started)
        return answer

    async def _measured(
        self,
        operation: str,
        step: QueryStep,
        call: Callable[[Account, QueryRequest, datetime], Awaitable[Answer]],
    ) -> Answer:
        """Make a call that moves nothing: not reaching the channel says nothing about the money."""
        started = _now()
        account = await self._accounts.account_of(step.route)
        answer = await call(account, step.request, started)
        _count(step.route.channel, operation, answer, started)
        if isinstance(answer.outcome, NotAttempted):
            return _as_unknown(answer, answer.outcome)
        return answer

    async def _keep(self, payment_id: str, serial: str, exchange: Exchange | None) -> None:
        if exchange is None:
            return
        async with self._database.transaction("keep exchange") as connection:
            await payments.record_exchange(
                connection, payment_id=payment_id, serial=serial, exchange=exchange
            )


def _as_unknown(answer: Answer, not_attempted: NotAttempted) -> Answer:
    outcome = Unknown(
        detail=f"the channel was not reached: {not_attempted.detail}",
        channel_code=not_attempted.channel_code,
    )
    return answer.model_copy(update={"outcome": outcome})


def _still_unknown(outcome: Unknown) -> ApplicationError:
    return ApplicationError(
        outcome.detail, type=OUTCOME_UNKNOWN, category=ApplicationErrorCategory.BENIGN
    )


def _count(channel: str, operation: str, answer: Answer, started: datetime) -> None:
    metrics.CHANNEL_CALLS.labels(channel, operation, answer.outcome.kind).inc()
    metrics.CHANNEL_SECONDS.labels(channel, operation).observe((_now() - started).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
