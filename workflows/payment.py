"""One payment, from the order to its end.

Validate, assess, route and reserve -> send to the channel -> follow the attempt until the channel
says what became of it -> settle, or hold the money until it is captured. Where the app names no
method, the payer chooses at our cash desk, and again after a refusal. Only evidence moves the
status: the channel's answer, a verified callback, a query, or a command.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.preparation import NO_ROUTE, PreparationActivities
from domain import lifecycle
from models.channel import Approved, ChannelEvent, Declined, NotAttempted, Redirect
from models.errors import InvariantBroken
from models.payment import (
    Attempt,
    Cancellation,
    Capture,
    Choice,
    Evidence,
    EvidenceKind,
    Failure,
    Initiation,
    InitiationResult,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
    Preparation,
    Progress,
)
from models.steps import PrepareStep
from workflows import channel_calls, options
from workflows.cash_desk import CashDesk
from workflows.commands import Commands
from workflows.findings import Finding, from_event
from workflows.held_money import HeldMoney
from workflows.journal import Journal
from workflows.news import News
from workflows.pursuit import Pursuit

# Another account is tried only while nothing was sent; three is enough for any outage.
ROUTES_MAX = 3


@workflow.defn
class PaymentWorkflow:
    """See the module. One run for each payment, with the id `pay/pay_…`."""

    @workflow.init
    def __init__(self, order: PaymentOrder) -> None:
        self._order = order
        self._news = News()
        self._commands = Commands()
        self._journal = Journal(order, self._news)
        self._desk = CashDesk(self._journal, self._news, self._commands)
        # Where the payer chooses how to pay; None where the app chose, and before the desk is open.
        self._address: Redirect | None = None
        self._prepared = Preparation(verdicts=())

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
                self._commands.hear_cancellation(
                    Cancellation(command_id="temporal-cancel", requested_by="temporal")
                )
        await process
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._journal.state

    # ---- messages: they record, `_process` decides -----------------------------------------------

    @workflow.update
    async def initiate(self, initiation: Initiation) -> InitiationResult:
        """Wait for the channel's first answer: what the API hands to the app."""
        await workflow.wait_condition(lambda: self._journal.is_answered)
        return InitiationResult(payment_id=self._order.payment_id, state=self._journal.state)

    @initiate.validator
    def _same_order(self, initiation: Initiation) -> None:
        if initiation.fingerprint != self._order.fingerprint:
            raise ApplicationError("another order has this id", type="IdempotencyConflict")

    @workflow.update
    async def cancel(self, cancellation: Cancellation) -> PaymentState:
        """Ask for the end and wait for it: canceled, or succeeded when the payer was faster."""
        self._commands.hear_cancellation(cancellation)
        return await self._end()

    @workflow.update
    async def end(self) -> PaymentState:
        """Wait for the end."""
        return await self._end()

    @workflow.update
    async def choose(self, choice: Choice) -> PaymentState:
        """The payer at the cash desk chose a method: wait for what the channel says to it.

        One that comes too late, or while it is not known whether money moved, is refused, and
        leaves nothing in the history.
        """
        self._desk.hear(choice)
        await workflow.wait_condition(
            lambda: (
                not self._desk.is_open_for(choice) or lifecycle.is_end(self._journal.state.status)
            )
        )
        return self._journal.state

    @choose.validator
    def _choice_counts(self, choice: Choice) -> None:
        if not self._desk.counts(choice):
            raise ApplicationError("it is too late for this choice", type="ChoiceTooLate")

    @workflow.signal
    def capture(self, capture: Capture) -> None:
        """Take part or all of what is held; the rest is released. The first one counts.

        A signal, since it must not be lost: the caller waits for the `end` in a second step.
        """
        self._commands.hear_capture(capture)

    @workflow.signal
    def channel_event(self, event: ChannelEvent) -> None:
        """A verified callback."""
        self._news.hear(event)

    @workflow.query
    def progress(self) -> Progress:
        return self._journal.progress

    async def _end(self) -> PaymentState:
        await workflow.wait_condition(lambda: lifecycle.is_end(self._journal.state.status))
        return self._journal.state

    # ---- the process -----------------------------------------------------------------------------

    async def _process(self) -> None:
        if await self._ended_unsent():
            return
        if self._order.method is None:
            await self._serve_at_the_desk()
        else:
            await self._try(self._order)

    async def _serve_at_the_desk(self) -> None:
        """Let the payer choose a method, and another one after a refusal, until it is paid."""
        opened = await self._open_desk()
        if opened.refusal is not None or opened.return_url is None:
            await self._refuse(opened)
            return
        self._address = Redirect(url=opened.return_url)
        evidence = Evidence(kind=EvidenceKind.VERDICT, detail="the payer chooses how to pay")
        await self._journal.show_desk(
            lifecycle.at_the_desk(self._journal.state, self._address), evidence
        )
        while not lifecycle.is_end(self._journal.state.status):
            match await self._desk.next_step():
                case Choice(method=method):
                    await self._try(self._order.model_copy(update={"method": method}))
                    self._desk.answer()
                case Attempt() as former:
                    await self._look_at(former)
                case None:
                    await self._close_desk()

    async def _try(self, order: PaymentOrder) -> None:
        """One method: to the payment's end, or where the payer may choose, back to the desk."""
        self._journal.order = order
        attempt, finding = await self._send_on_some_route(order)
        if attempt is None:
            return
        desk = self._desk if self._address else None
        pursuit = Pursuit(self._journal, self._news, self._commands, self._prepared, desk)
        await self._settle(*await pursuit.follow(attempt, finding))

    async def _send_on_some_route(self, order: PaymentOrder) -> tuple[Attempt | None, Finding]:
        """Decide, reserve and send; on to another account only while nothing was sent."""
        tried: list[str] = []
        finding = Finding.not_sent("no route")
        attempt: Attempt | None = None
        for _ in range(ROUTES_MAX):
            prepared = await self._prepare(order, tried)
            if prepared.attempt is None:
                if attempt is None:
                    await self._refuse(prepared)
                return attempt, finding
            if attempt is not None:
                await self._journal.record(
                    lifecycle.not_sent(self._journal.state), attempt, finding
                )
            attempt = prepared.attempt
            self._desk.reserve(attempt)
            self._journal.report("waiting for the channel's answer", "hand the answer to the app")
            finding = await channel_calls.send(order, attempt, prepared)
            if not isinstance(finding.outcome, NotAttempted):
                break
            tried.append(attempt.route.account_id)
        return attempt, finding

    async def _prepare(self, order: PaymentOrder, tried: list[str]) -> Preparation:
        number = self._desk.next_number
        prepared = await workflow.execute_local_activity_method(
            PreparationActivities.prepare_attempt,
            PrepareStep(order=order, number=number, tried_account_ids=tuple(tried)),
            **options.OUR_RECORDS,
            summary="validate, assess risk, plan the route, reserve the attempt",
        )
        self._prepared = prepared
        return prepared

    async def _settle(self, attempt: Attempt, finding: Finding) -> None:
        """Book the end: status, ledger entries and notification stand or fall together.

        At the cash desk a refusal is no end: the payer may choose again. Money that is only held
        waits to be captured.
        """
        if finding.is_held:
            held = HeldMoney(self._journal, self._news, self._commands, self._prepared)
            await held.settle(attempt, finding)
            return
        if isinstance(finding.outcome, Approved):
            self._news.take(attempt.serial)  # whatever else they say, this answers them
        after = lifecycle.ended(
            self._journal.state,
            finding.outcome,
            ordered=self._order.money,
            is_overdue=workflow.now() >= self._order.expires_at,
            is_canceled=self._commands.cancellation is not None,
        )
        if after.status is PaymentStatus.FAILED and self._may_choose_again():
            await self._back_to_the_desk(attempt, finding)
        else:
            evidence = finding.evidence
            if after.status is PaymentStatus.CANCELED and self._commands.cancellation:
                evidence = finding.wanted(self._commands.cancellation)
            await self._journal.book(after, evidence, attempt=attempt, finding=finding)

    # ---- its steps, in the order used ------------------------------------------------------------

    async def _ended_unsent(self) -> bool:
        """End what is too late to start, or was canceled before the channel heard of it."""
        if workflow.now() >= self._order.initiate_by:
            detail = "it was too late to start; nothing was sent"
            evidence = Evidence(kind=EvidenceKind.TIMER, detail=detail)
            await self._journal.book(lifecycle.expired(self._journal.state), evidence)
        elif self._commands.cancellation is not None:
            evidence = Finding.canceled_unopened(self._commands.cancellation).evidence
            await self._journal.book(lifecycle.canceled(self._journal.state), evidence)
        return lifecycle.is_end(self._journal.state.status)

    async def _open_desk(self) -> Preparation:
        return await workflow.execute_local_activity_method(
            PreparationActivities.open_cash_desk,
            self._order,
            **options.OUR_RECORDS,
            summary="validate, assess risk, look for methods the payer can choose",
        )

    async def _refuse(self, prepared: Preparation) -> None:
        """Our own rules say no. A method that has no route now leaves the payer the others."""
        refusal = prepared.refusal or Failure(code="refused", detail="refused by our own rules")
        evidence = Evidence(kind=EvidenceKind.VERDICT, detail=refusal.detail)
        if refusal.code == NO_ROUTE and self._address is not None:
            await self._journal.show_desk(
                lifecycle.refused_at_the_desk(self._journal.state, refusal, self._address), evidence
            )
        else:
            await self._journal.book(lifecycle.refused(self._journal.state, refusal), evidence)

    def _may_choose_again(self) -> bool:
        return self._address is not None and self._desk.has_choices_left

    async def _back_to_the_desk(self, attempt: Attempt, finding: Finding) -> None:
        if self._address is None or not isinstance(finding.outcome, Declined | NotAttempted):
            raise InvariantBroken(f"{finding.outcome.kind} does not lead back to a cash desk")
        after = lifecycle.back_at_the_desk(self._journal.state, finding.outcome, self._address)
        await self._journal.record(after, attempt, finding)
        self._desk.watch_former()

    async def _look_at(self, former: Attempt) -> None:
        """An attempt that we had closed was paid after all: settle it, if the money is there.

        A channel that was told to close may have given the money back by itself.
        """
        event = self._news.take(former.serial)
        finding = await channel_calls.second_opinion(self._order, former)
        if not finding.is_final and event is not None:
            finding = from_event(event).checked(self._order)
        if isinstance(finding.outcome, Approved):
            self._journal.order = self._order.model_copy(update={"method": former.method})
            await self._settle(former, finding)

    async def _close_desk(self) -> None:
        """The app cancelled, or the payer's time ran out, while no attempt was under way."""
        cancellation = self._commands.cancellation
        after = lifecycle.left_the_desk(self._journal.state, is_canceled=cancellation is not None)
        if cancellation is not None:
            evidence = Finding.canceled_unopened(cancellation).evidence
        else:
            detail = "the payer's time ran out at the cash desk"
            evidence = Evidence(kind=EvidenceKind.TIMER, detail=detail)
        await self._journal.book(after, evidence)
