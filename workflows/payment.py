"""One payment, from the order to its end.

Validate, assess, route and reserve -> send to the channel -> wait for news, asking after silence ->
close when the payer's time is up -> settle. Only evidence moves the status: the channel's answer, a
verified callback, a query, or a command.
"""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.ledger import LedgerActivities
from activities.preparation import PreparationActivities
from activities.records import RecordActivities
from domain import lifecycle
from engine import search_attributes
from models.channel import (
    Approved,
    ChannelEvent,
    Declined,
    NotAttempted,
    Pending,
    Unknown,
)
from models.payment import (
    Attempt,
    Cancellation,
    Evidence,
    EvidenceKind,
    Failure,
    Initiation,
    InitiationResult,
    PaymentOrder,
    PaymentState,
    Preparation,
    Progress,
    Settlement,
    Transition,
)
from models.steps import PrepareStep, RecordStep
from workflows import channel_calls, options
from workflows.findings import Finding, from_event, from_failure

# Another account is tried only while nothing was sent; three is enough for any outage.
ROUTES_MAX = 3
# How long to wait between tries to close a serial; after the last a person looks. The first is
# short because the usual reason is a clock a second ahead of ours.
CLOSE_PAUSES = (timedelta(seconds=2), timedelta(seconds=15), timedelta(seconds=60))
# While a person looks, the channel is asked on: evidence may still arrive by itself.
REVIEW_QUERY_EVERY = timedelta(hours=6)


@workflow.defn
class PaymentWorkflow:
    """See the module. One run for each payment, with the id `pay/pay_…`."""

    @workflow.init
    def __init__(self, order: PaymentOrder) -> None:
        self._order = order
        self._state = lifecycle.created()
        self._initiated = False
        self._events: list[ChannelEvent] = []
        self._seen: list[str] = []
        self._cancellation: Cancellation | None = None
        self._in_review = False
        self._prepared = Preparation(verdicts=())
        self._queries = 0
        self._progress = Progress(
            status=self._state.status, doing="deciding", next_step="call the channel"
        )

    @workflow.run
    async def run(self, order: PaymentOrder) -> PaymentState:
        """Bring the payment to its end and return it. A cancel in Temporal UI is a command."""
        process = asyncio.create_task(self._process())
        while not process.done():
            try:
                await asyncio.shield(process)
            except asyncio.CancelledError:
                if process.cancelled():
                    raise
                self._cancellation = self._cancellation or Cancellation(
                    command_id="temporal-cancel", requested_by="temporal"
                )
        await process
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._state

    # ---- messages: they record, `_process` decides -----------------------------------------------

    @workflow.update
    async def initiate(self, initiation: Initiation) -> InitiationResult:
        """Wait for the channel's first answer: what the API hands to the app."""
        await workflow.wait_condition(lambda: self._initiated)
        return InitiationResult(payment_id=self._order.payment_id, state=self._state)

    @initiate.validator
    def _same_order(self, initiation: Initiation) -> None:
        if initiation.fingerprint != self._order.fingerprint:
            raise ApplicationError("another order has this id", type="IdempotencyConflict")

    @workflow.update
    async def cancel(self, cancellation: Cancellation) -> PaymentState:
        """Ask for the end and wait for it: canceled, or succeeded when the payer was faster."""
        self._cancellation = self._cancellation or cancellation
        await workflow.wait_condition(lambda: lifecycle.is_end(self._state.status))
        return self._state

    @workflow.signal
    def channel_event(self, event: ChannelEvent) -> None:
        """A verified callback. Channels send the same news again and again: once is enough."""
        if event.callback_id not in self._seen:
            self._seen.append(event.callback_id)
            self._events.append(event)

    @workflow.query
    def progress(self) -> Progress:
        return self._progress

    # ---- the process -----------------------------------------------------------------------------

    async def _process(self) -> None:
        if workflow.now() >= self._order.initiate_by:
            await self._expire_unsent()
            return
        attempt, finding = await self._send_on_some_route()
        if attempt is None:
            return
        while True:
            match finding.outcome:
                case Approved():
                    break
                case Declined() | NotAttempted():
                    finding = self._news_of_money(attempt) or finding
                    break
                case Pending():
                    await self._note(attempt, finding)
                    finding = await self._await_news(attempt)
                case Unknown():
                    await self._note(attempt, finding)
                    finding = await self._find_out(attempt)
        await self._settle(attempt, finding)

    async def _send_on_some_route(self) -> tuple[Attempt | None, Finding]:
        """Decide, reserve and send; on to another account only while nothing was sent."""
        tried: list[str] = []
        finding = Finding.not_sent("no route")
        attempt: Attempt | None = None
        for number in range(1, ROUTES_MAX + 1):
            prepared = await self._prepare(number, tried)
            if prepared.attempt is None:
                if attempt is None:
                    await self._refuse(prepared)
                return attempt, finding
            if attempt is not None:
                await self._record(lifecycle.not_sent(self._state), attempt, finding)
            attempt = prepared.attempt
            self._report("waiting for the channel's answer", "hand the answer to the app")
            finding = self._checked(await channel_calls.send(self._order, attempt, prepared))
            if not isinstance(finding.outcome, NotAttempted):
                break
            tried.append(attempt.route.account_id)
        return attempt, finding

    async def _prepare(self, number: int, tried: list[str]) -> Preparation:
        prepared = await workflow.execute_local_activity_method(
            PreparationActivities.prepare_attempt,
            PrepareStep(order=self._order, number=number, tried_account_ids=tuple(tried)),
            **options.OUR_RECORDS,
            summary="validate, assess risk, plan the route, reserve the attempt",
        )
        self._prepared = prepared
        return prepared

    async def _await_news(self, attempt: Attempt) -> Finding:
        """Wait for a callback; ask after silence; close when time is up or the app cancels."""
        while True:
            finding = self._take_news(attempt)
            if finding and isinstance(finding.outcome, Unknown):
                finding = await self._ask(attempt)
            if finding and not isinstance(finding.outcome, Pending | Unknown):
                return finding
            if self._wants_close() and not self._in_review:
                return await self._close(attempt)
            if await self._news_within(self._silence()):
                continue
            if self._wants_close():
                return await self._close(attempt)
            finding = await self._ask(attempt)
            if not isinstance(finding.outcome, Pending | Unknown):
                return finding

    async def _find_out(self, attempt: Attempt) -> Finding:
        """Leave an unknown outcome by callback or query alone; when silent for too long, close."""
        self._report("finding out what the channel did", "settle what the query says")
        finding = await self._ask(attempt, until_known=True)
        if not isinstance(finding.outcome, Unknown):
            return finding
        if self._in_review:
            return await self._await_news(attempt)
        return await self._close(attempt)

    async def _close(self, attempt: Attempt) -> Finding:
        """End the serial at the channel, then ask: the payer may have paid while we closed.

        That the channel says "closed" is an answer only if the query after it does not say "paid".
        """
        self._report("closing the payment at the channel", "settle what the query says")
        finding = await self._ask(attempt)
        if isinstance(finding.outcome, Approved | Declined):
            return finding
        for pause in CLOSE_PAUSES:
            closed = await channel_calls.tell_to_close(self._order, attempt)
            finding = await self._ask(attempt)
            if isinstance(finding.outcome, Approved | Declined):
                return finding
            if isinstance(closed.outcome, Declined):
                return closed
            if self._cancellation and isinstance(finding.outcome, Pending):
                return Finding.canceled_unopened(self._cancellation)
            await workflow.sleep(pause, summary="before closing again")
        await self._ask_a_person(attempt, finding)
        return await self._await_news(attempt)

    async def _settle(self, attempt: Attempt, finding: Finding) -> None:
        """Book the end: status, ledger entries and notification stand or fall together."""
        after = lifecycle.ended(
            self._state,
            finding.outcome,
            is_overdue=workflow.now() >= self._order.expires_at,
            is_canceled=self._cancellation is not None,
        )
        await self._book(after, finding.evidence, attempt=attempt, finding=finding)

    # ---- its steps, in the order used ------------------------------------------------------------

    async def _expire_unsent(self) -> None:
        after = lifecycle.expired(self._state)
        evidence = Evidence(
            kind=EvidenceKind.TIMER, detail="it was too late to start; nothing was sent"
        )
        await self._book(after, evidence)

    async def _refuse(self, prepared: Preparation) -> None:
        refusal = prepared.refusal or Failure(code="refused", detail="refused by our own rules")
        evidence = Evidence(kind=EvidenceKind.VERDICT, detail=refusal.detail)
        await self._book(lifecycle.refused(self._state, refusal), evidence)

    async def _note(self, attempt: Attempt, finding: Finding) -> None:
        """Write down a move that is not an end, if it is a move at all."""
        after = lifecycle.answered(self._state, finding.outcome)
        if self._in_review or not lifecycle.differs(self._state, after):
            return
        await self._record(after, attempt, finding)
        workflow.upsert_search_attributes(
            [
                search_attributes.CHANNEL.value_set(attempt.route.channel),
                search_attributes.PAYMENT_STATUS.value_set(after.status.value),
            ]
        )
        self._initiated = self._initiated or not isinstance(finding.outcome, Unknown)

    async def _ask_a_person(self, attempt: Attempt, finding: Finding) -> None:
        """Every road to an answer was tried: park it, tell the app, and go on listening."""
        if self._in_review:
            return
        self._in_review = True
        after = lifecycle.needs_review(self._state)
        await self._book(after, finding.evidence, attempt=attempt, finding=finding)

    async def _record(self, after: PaymentState, attempt: Attempt, finding: Finding) -> None:
        await workflow.execute_local_activity_method(
            RecordActivities.record_move,
            RecordStep(
                transition=self._transition(after, finding.evidence),
                attempt=finding.applied_to(attempt, after),
                exchange=finding.exchange,
            ),
            **options.OUR_RECORDS,
            summary=f"record {after.status}",
        )
        self._state = after

    async def _book(
        self,
        after: PaymentState,
        evidence: Evidence,
        *,
        attempt: Attempt | None = None,
        finding: Finding | None = None,
    ) -> None:
        settlement = Settlement(
            order=self._order,
            attempt=finding.applied_to(attempt, after) if attempt and finding else attempt,
            transition=self._transition(after, evidence),
            callback_ids=tuple(self._seen),
            exchange=finding.exchange if finding else None,
        )
        await workflow.execute_local_activity_method(
            LedgerActivities.settle,
            settlement,
            **options.OUR_RECORDS,
            summary=f"book {after.status}",
        )
        self._state = after
        workflow.upsert_search_attributes(
            [search_attributes.PAYMENT_STATUS.value_set(after.status.value)]
        )
        self._report(f"{after.status}, decided by {evidence.kind}", "nothing")
        self._initiated = True

    async def _ask(self, attempt: Attempt, *, until_known: bool = False) -> Finding:
        """Query the channel. A callback that comes meanwhile is the better answer."""
        self._queries += 1
        handle = channel_calls.start_query(
            self._order,
            attempt,
            until_known_within=self._prepared.find_out_within if until_known else None,
        )
        await workflow.wait_condition(lambda: handle.done() or bool(self._events))
        if not handle.done():
            handle.cancel()
        try:
            answer = await handle
        except ActivityError as error:
            return self._take_news(attempt) or from_failure(error, may_have_been_sent=True)
        return self._checked(Finding.from_query(answer))

    def _take_news(self, attempt: Attempt) -> Finding | None:
        """The best of the callbacks that wait: one that says paid wins over any other."""
        events = [event for event in self._events if event.serial == attempt.serial]
        self._events.clear()
        if not events:
            return None
        paid = [event for event in events if isinstance(event.outcome, Approved)]
        return self._checked(from_event((paid or events)[-1]))

    def _news_of_money(self, attempt: Attempt) -> Finding | None:
        """A callback that says paid, if one waits: it beats any refusal."""
        news = self._take_news(attempt)
        return news if news and isinstance(news.outcome, Approved) else None

    def _checked(self, finding: Finding) -> Finding:
        """Money of another amount is not this payment's: a person has to look at it."""
        outcome = finding.outcome
        if not isinstance(outcome, Approved) or outcome.money == self._order.money:
            return finding
        detail = f"the channel took {outcome.money}, the order is {self._order.money}"
        return finding.model_copy(update={"outcome": Unknown(detail=detail)})

    def _wants_close(self) -> bool:
        return self._cancellation is not None or workflow.now() >= self._order.expires_at

    def _silence(self) -> timedelta:
        """How long to listen before asking: step by step, and never past the payer's time."""
        if self._in_review:
            return REVIEW_QUERY_EVERY
        steps = self._prepared.query_after
        step = steps[min(self._queries, len(steps) - 1)]
        left = self._order.expires_at - workflow.now()
        return max(timedelta(0), min(timedelta(seconds=step), left))

    async def _news_within(self, silence: timedelta) -> bool:
        """Whether a callback or a cancellation arrived before `silence` was over."""
        self._report("waiting for the payer", "ask the channel", workflow.now() + silence)
        had_cancellation = self._cancellation is not None
        try:
            await workflow.wait_condition(
                lambda: bool(self._events) or (self._cancellation is not None) > had_cancellation,
                timeout=silence,
                timeout_summary="silence before asking the channel",
            )
        except TimeoutError:
            return False
        return True

    def _transition(self, after: PaymentState, evidence: Evidence) -> Transition:
        return Transition(
            payment_id=self._order.payment_id,
            before=self._state,
            after=after,
            evidence=evidence,
            at=workflow.now(),
        )

    def _report(self, doing: str, next_step: str, next_step_at: datetime | None = None) -> None:
        """Say in Temporal UI, and to `explain`, where the payment stands."""
        self._progress = Progress(
            status=self._state.status,
            doing=doing,
            next_step=next_step,
            next_step_at=next_step_at,
        )
        when = f" at {next_step_at:%Y-%m-%d %H:%M:%S} UTC" if next_step_at else ""
        workflow.set_current_details(
            f"**{self._state.status}** · {self._order.money} · {self._order.method}\n\n"
            f"now: {doing}\n\nnext: {next_step}{when}"
        )
