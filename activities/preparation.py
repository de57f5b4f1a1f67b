"""Everything that is decided before a channel hears of an attempt, written down in one go."""

from datetime import UTC, datetime, timedelta

from temporalio import activity

from channels.registry import ChannelRegistry
from domain.risk import assess_risk
from domain.routing import plan_route
from domain.validation import validate_order
from models import ids
from models.channel import Capabilities, Method, Route
from models.payment import Attempt, AttemptStatus, Failure, PaymentOrder, Preparation, Verdict
from models.steps import PrepareStep
from storage import payments
from storage.database import Database
from storage.payments import OrderFacts

# How long an unknown outcome is queried before it is closed, where the payer may still come back.
# At a till nobody waits longer than a minute (Source: Alipay's cancel flow, read 2026-11-20).
FIND_OUT_SECONDS = 600.0
# We let a hold go this long before the channel would: its clock is not ours.
HOLD_MARGIN_SECONDS = 3600


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
            return _refusal(verdicts, code="no_route")
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
        method = self._method(route.channel, order.method)
        return decided.model_copy(
            update={
                "attempt": attempt,
                "repeat_safe": method.repeat_safe,
                "notify_url": (
                    f"{self._callback_url}/callbacks/{route.channel}/{route.account_id}"
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
        serial=ids.serial(order.payment_id, number),
        route=route,
        status=AttemptStatus.STARTED,
        money=order.money,
    )


def _refusal(verdicts: list[Verdict], *, code: str) -> Preparation:
    detail = "; ".join(verdicts[-1].reasons)
    return Preparation(verdicts=tuple(verdicts), refusal=Failure(code=code, detail=detail))
