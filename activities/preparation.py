"""Everything that is decided before a channel hears of an attempt, written down in one go."""

from datetime import UTC, datetime, timedelta

from temporalio import activity

from channels.registry import ChannelRegistry
from domain.risk import assess_risk
from domain.routing import offers, offers_verdict, plan_route
from domain.validation import validate_order
from models import ids
from models.channel import Capabilities, Method, Route
from models.payment import Attempt, AttemptStatus, Failure, PaymentOrder, Preparation, Verdict
from models.steps import PrepareStep, method_of
from storage import payments
from storage.database import Database
from storage.payments import OrderFacts

# How long an unknown outcome is queried before it is closed, where the payer may still come back.
# At a till nobody waits longer than a minute (Source: Alipay's cancel flow, read 2026-11-20).
FIND_OUT_SECONDS = 600.0
# We let a hold go this long before the channel would: its clock is not ours.
HOLD_MARGIN_SECONDS = 3600
# Why an order is refused for which no account can be used now.
NO_ROUTE = "no_route"


class PreparationActivities:
    """Validation, risk and routing, each a recorded verdict; then the attempt is reserved."""

    def __init__(
        self,
        database: Database,
        registry: ChannelRegistry,
        *,
        callback_url: str,
        query_after: tuple[float, ...],
        find_out_at_till: timedelta,
    ) -> None:
        self._database = database
        self._callback_url = callback_url.rstrip("/")
        self._query_after = query_after
        self._find_out_at_till = find_out_at_till
        self._capabilities: dict[str, Capabilities] = {
            name: registry.get(name).capabilities for name in registry.names()
        }

    @activity.defn
    async def prepare_attempt(self, step: PrepareStep) -> Preparation:
        """Decide on attempt `step.number` and reserve its serial. Twice gives the same attempt."""
        async with self._database.statement("prepare attempt") as connection:
            facts = await payments.read_order_facts(connection, step.order)
            decided = self._decide(step, facts)
            attempt = await payments.record_preparation(
                connection, step.order, decided, datetime.now(UTC)
            )
        return self._with_instructions(decided, attempt, step.order)

    @activity.defn
    async def open_cash_desk(self, order: PaymentOrder) -> Preparation:
        """Whether there is anything to choose from, and the address where the payer chooses.

        Only a refusal is written down: each attempt has verdicts of its own.
        """
        async with self._database.statement("open cash desk") as connection:
            facts = await payments.read_order_facts(connection, order)
            decided = self._decide_on_desk(order, facts)
            if decided.refusal is not None:
                await payments.record_preparation(connection, order, decided, datetime.now(UTC))
        return decided

    def _decide_on_desk(self, order: PaymentOrder, facts: OrderFacts) -> Preparation:
        verdicts = [validate_order(order, app=facts.app, merchant=facts.merchant)]
        if not verdicts[-1].accepted:
            return _refusal(verdicts, code="invalid_order")
        verdicts.append(assess_risk(order, app=facts.app))
        if not verdicts[-1].accepted:
            return _refusal(verdicts, code="risk_refused")
        offered = offers(order, accounts=facts.accounts, capabilities=self._capabilities)
        verdicts.append(offers_verdict(offered))
        if not offered:
            return _refusal(verdicts, code=NO_ROUTE)
        return Preparation(verdicts=tuple(verdicts), return_url=self._desk_address(order))

    def _desk_address(self, order: PaymentOrder) -> str:
        return f"{self._callback_url}/checkout/{order.checkout_token}"

    def _decide(self, step: PrepareStep, facts: OrderFacts) -> Preparation:
        order = step.order
        verdicts: list[Verdict] = []
        verdicts.append(validate_order(order, app=facts.app, merchant=facts.merchant))
        if not verdicts[-1].accepted:
            return _refusal(verdicts, code="invalid_order")
        verdicts.append(assess_risk(order, app=facts.app))
        if not verdicts[-1].accepted:
            return _refusal(verdicts, code="risk_refused")
        verdict, route = plan_route(
            order,
            accounts=facts.accounts,
            capabilities=self._capabilities,
            tried=frozenset(step.tried_account_ids),
        )
        verdicts.append(verdict)
        if route is None:
            return _refusal(verdicts, code=NO_ROUTE)
        return Preparation(
            verdicts=tuple(verdicts), attempt=_first_state(order, step.number, route)
        )

    def _with_instructions(
        self, decided: Preparation, attempt: Attempt | None, order: PaymentOrder
    ) -> Preparation:
        """Add how the channel is to be called, for the attempt as it stands on disk."""
        if attempt is None:
            return decided
        route = attempt.route
        method = self._method(route.channel, method_of(order, attempt))
        return decided.model_copy(
            update={
                "attempt": attempt,
                "repeat_safe": method.repeat_safe,
                "notify_url": (
                    f"{self._callback_url}/callbacks/{route.channel}/{route.account_id}"
                ),
                "return_url": (
                    self._desk_address(order) if order.checkout_token else order.return_url
                ),
                "query_after": self._query_after,
                "find_out_within": (
                    self._find_out_at_till.total_seconds()
                    if method.payer_present
                    else FIND_OUT_SECONDS
                ),
                "hold_within": _hold_within(order, method),
            }
        )

    def _method(self, channel: str, name: str) -> Method:
        methods = self._capabilities[channel].methods
        return next(method for method in methods if method.name == name)


def _hold_within(order: PaymentOrder, method: Method) -> float:
    """How long money is held: what the app asked for, and never until the channel lets it go."""
    if order.capture_method == "automatic":
        return 0
    longest = max(method.hold_seconds - HOLD_MARGIN_SECONDS, method.hold_seconds // 2)
    return min(order.capture_within or longest, longest)


def _first_state(order: PaymentOrder, number: int, route: Route) -> Attempt:
    return Attempt(
        id=ids.attempt_id(order.payment_id, number),
        payment_id=order.payment_id,
        number=number,
        method=order.method,
        serial=ids.serial(order.payment_id, number),
        route=route,
        status=AttemptStatus.STARTED,
        money=order.money,
    )


def _refusal(verdicts: list[Verdict], *, code: str) -> Preparation:
    detail = "; ".join(verdicts[-1].reasons)
    return Preparation(verdicts=tuple(verdicts), refusal=Failure(code=code, detail=detail))
