"""Money that Alipay holds first: asked for, found, taken, released. At most two calls each.

The order of the two matters. An order moves one way only, from waiting over held to over, and the
trade that completes it exists before it is over. So the order is asked about first: found over, the
trade is asked about next and tells the rest; found held, nothing had been taken by then.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from channels.alipay import hold_outcomes as outcomes
from channels.alipay import hold_requests as requests
from channels.alipay.answers import SUCCESS, Trade
from channels.alipay.errors import Meaning, meaning_of
from channels.alipay.hold_errors import hold_meaning_of
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import BUYER_CODE, Call
from channels.http import NotSent
from models.channel import (
    Answer,
    CaptureRequest,
    Declined,
    Exchange,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Unknown,
)

Asked = tuple[Trade | NotSent | Unknown, Exchange | None]
Ask = Callable[[Call], Awaitable[Asked]]

# `pay_timeout` counts whole minutes and we round up: an order can be paid up to one longer.
_ROUNDING = timedelta(minutes=1)


class Holds:
    """The holds of one account, as they are at one moment."""

    def __init__(
        self, parameters: AlipayParameters, ask: Ask, *, now: datetime, clock_margin: timedelta
    ) -> None:
        self._parameters = parameters
        self._ask = ask
        self._now = now
        self._margin = clock_margin + _ROUNDING

    async def place(self, request: PayRequest) -> Answer:
        """Freeze with the payer's code, or get a code for the payer to do it."""
        said, exchange = await self._ask(requests.freeze_call(self._parameters, request, self._now))
        match said:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Unknown():
                return Answer(outcome=said, exchange=exchange)
        return Answer(outcome=outcomes.placed(said, request, self._now), exchange=exchange)

    async def find(self, request: QueryRequest) -> Answer:
        """Waiting, held, taken or gone."""
        hold, exchange = await self._find_order("query", request)
        if not isinstance(hold, Trade):
            return Answer(outcome=hold, exchange=exchange)
        if hold.order_status == outcomes.WAITING:
            return Answer(outcome=Pending(channel_reference=hold.auth_no), exchange=exchange)
        if outcomes.is_held(hold):
            outcome = outcomes.held(hold, hold.rest_amount, request.money)
            return Answer(outcome=outcome, exchange=exchange)
        return await self._settle("query", hold, request)

    async def close(self, request: QueryRequest) -> Answer:
        """Cancel an order; one that was authorized meanwhile is released by that."""
        return await self._cancel("close", request)

    async def capture(self, request: CaptureRequest) -> Answer:
        """Complete the hold with a trade under our serial, once."""
        hold, exchange = await self._find_order("capture", request)
        if not isinstance(hold, Trade):
            return Answer(outcome=hold, exchange=exchange)
        if hold.order_status == outcomes.WAITING:
            outcome = Unknown(detail="the payer has not authorized it", channel_code="INIT")
            return Answer(outcome=outcome, exchange=exchange)
        if not outcomes.is_held(hold):
            return await self._settle("capture", hold, request)
        rest = outcomes.rest_of(hold)
        if rest is not None and rest.amount_minor < request.money.amount_minor:
            return Answer(outcome=too_much(request, held=str(rest)), exchange=exchange)
        return await self._complete(hold, request)

    async def release(self, request: QueryRequest) -> Answer:
        """Give up all that is held, and nothing that was taken."""
        hold, exchange = await self._find_order("void", request)
        if not isinstance(hold, Trade):
            return Answer(outcome=hold, exchange=exchange)
        if hold.order_status == outcomes.WAITING:
            return await self._cancel("void", request)
        if not outcomes.is_held(hold):
            return await self._settle("void", hold, request)
        rest = outcomes.rest_of(hold)
        if rest is None:
            unreadable = Unknown(detail=f"held is {hold.rest_amount!r}, which is no amount")
            return Answer(outcome=unreadable, exchange=exchange)
        said, exchange = await self._ask(requests.unfreeze_call(request, hold, rest))
        match said:
            case NotSent() | Unknown():
                return Answer(outcome=_silent(said), exchange=exchange)
        outcome = outcomes.released(said, hold) if said.code == SUCCESS else _unproven(said)
        return Answer(outcome=outcome, exchange=exchange)

    async def _complete(self, hold: Trade, request: CaptureRequest) -> Answer:
        said, exchange = await self._ask(requests.complete_call(self._parameters, request, hold))
        match said:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Unknown():
                return Answer(outcome=said, exchange=exchange)
        return Answer(outcome=outcomes.captured(said, request), exchange=exchange)

    async def _find_order(
        self, operation: str, request: QueryRequest | CaptureRequest
    ) -> tuple[Trade | Outcome, Exchange | None]:
        said, exchange = await self._ask(requests.hold_query_call(operation, request.serial))
        match said:
            case NotSent(detail=detail) if isinstance(request, CaptureRequest):
                return NotAttempted(detail=detail), None
            case NotSent() | Unknown():
                return _silent(said), exchange
        if said.code != SUCCESS:
            return self._not_told(said, request), exchange
        return outcomes.unusable(said, request.serial) or said, exchange

    async def _settle(
        self, operation: str, hold: Trade, request: QueryRequest | CaptureRequest
    ) -> Answer:
        """Ask for the trade of an order that holds nothing any more."""
        said, exchange = await self._ask(requests.trade_query_call(operation, request.serial))
        match said:
            case NotSent() | Unknown():
                return Answer(outcome=_silent(said), exchange=exchange)
        outcome: Outcome
        if said.code == SUCCESS:
            outcome = outcomes.settled(hold, said, request)
        elif meaning_of(said.code, said.sub_code) is Meaning.NOT_FOUND:
            outcome = outcomes.settled(hold, None, request)
        else:
            outcome = _unproven(said)
        return Answer(outcome=outcome, exchange=exchange)

    async def _cancel(self, operation: str, request: QueryRequest) -> Answer:
        said, exchange = await self._ask(requests.cancel_call(operation, request))
        match said:
            case NotSent() | Unknown():
                return Answer(outcome=_silent(said), exchange=exchange)
        if said.code != SUCCESS:
            return Answer(outcome=self._not_told(said, request), exchange=exchange)
        return Answer(outcome=outcomes.canceled(said, request), exchange=exchange)

    def _not_told(self, said: Trade, request: QueryRequest | CaptureRequest) -> Outcome:
        """After a refusal only "no such order" says anything, and of a capture not even that."""
        absent = hold_meaning_of(said.code, said.sub_code) is Meaning.NOT_FOUND
        if not absent or isinstance(request, CaptureRequest):
            return _unproven(said)
        return self._absent(request, channel_code=said.sub_code)

    def _absent(self, request: QueryRequest, channel_code: str) -> Outcome:
        """What it means that Alipay knows no such order: scanning the code is what makes it."""
        if self._now >= request.expires_at + self._margin:
            return Declined(
                code=Meaning.EXPIRED,
                detail="never opened, and it can no longer be authorized",
                channel_code=channel_code,
            )
        if request.method == BUYER_CODE:
            return Unknown(detail="not known to Alipay, or not yet", channel_code=channel_code)
        return Pending(detail="the payer has not opened it yet")


def too_much(request: CaptureRequest, *, held: str) -> Declined:
    """More is asked for than is held: nothing was taken."""
    return Declined(
        code=Meaning.CAPTURE_AMOUNT_INVALID, detail=f"held is {held}, asked was {request.money}"
    )


def _silent(said: NotSent | Unknown) -> Unknown:
    return Unknown(detail=f"not sent: {said.detail}") if isinstance(said, NotSent) else said


def _unproven(said: Trade) -> Unknown:
    channel_code = f"{said.code} {said.sub_code}".strip()
    return Unknown(detail=said.words or channel_code, channel_code=channel_code)
