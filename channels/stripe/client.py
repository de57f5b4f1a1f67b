"""Talking to Stripe: one request at a time, and finding an intent or refund by our own number."""

from dataclasses import dataclass
from datetime import datetime

from channels.http import ChannelHttp, NotSent
from channels.stripe import errors, requests
from channels.stripe.answers import (
    Given,
    Intent,
    IntentPage,
    Kind,
    Refund,
    RefundPage,
    Refused,
    read_answer,
)
from channels.stripe.parameters import StripeParameters
from channels.stripe.requests import Call
from models.channel import CaptureRequest, Exchange, QueryRequest, RefundRequest, Unknown

Answered = Given[Kind] | Refused | NotSent | Unknown
Identified = QueryRequest | CaptureRequest | RefundRequest


@dataclass(frozen=True, slots=True)
class StripeClient:
    """Stripe as one account's keys see it, at one moment."""

    http: ChannelHttp
    api_url: str
    parameters: StripeParameters
    now: datetime

    async def ask(self, call: Call, kind: type[Kind]) -> tuple[Answered[Kind], Exchange | None]:
        """Make one request; the answer is a `kind` unless it says otherwise."""
        result = await self.http.call(
            call.method,
            f"{self.api_url}{call.path}",
            headers=call.headers(self.parameters.secret_key.get_secret_value()),
            query=call.query or {},
            form=call.form,
        )
        return read_answer(result, kind), requests.record_of(call, result, self.now)

    async def find(
        self, operation: str, request: Identified
    ) -> tuple[str | NotSent | Unknown, Exchange | None]:
        """The id of the intent: the one we were told, or the one Stripe's search knows."""
        known = requests.intent_id_of(request)
        if known is not None:
            return known, None
        said, exchange = await self.ask(requests.find_call(operation, request.serial), IntentPage)
        match said:
            case Given(value=page):
                return _only_one(page, request.serial), exchange
            case Refused():
                return errors.unsettled(said), exchange
            case unanswered:
                return unanswered, exchange

    async def read(
        self, operation: str, request: Identified
    ) -> tuple[Intent | NotSent | Unknown, Exchange | None]:
        """The intent as it stands now, never as the search remembers it."""
        found, exchange = await self.find(operation, request)
        if not isinstance(found, str):
            return found, exchange
        said, exchange = await self.ask(requests.read_call(operation, found), Intent)
        match said:
            case Given(value=intent):
                return intent, exchange
            case Refused():
                return errors.unsettled(said), exchange
            case unanswered:
                return unanswered, exchange

    async def find_refund(
        self, operation: str, request: RefundRequest
    ) -> tuple[Refund | str | NotSent | Unknown, Exchange | None]:
        """The refund of our number; the intent's id when it certainly has none yet."""
        intent_id, exchange = await self.find(operation, request)
        if not isinstance(intent_id, str):
            return intent_id, exchange
        said, exchange = await self.ask(requests.refunds_call(operation, intent_id), RefundPage)
        match said:
            case Given(value=page):
                return _numbered(page, request.refund_serial) or intent_id, exchange
            case Refused():
                return errors.unsettled(said), exchange
            case unanswered:
                return unanswered, exchange


def _only_one(page: IntentPage, serial: str) -> str | Unknown:
    """The id of the one intent found. None found says nothing: the search may be behind."""
    found = {intent.id for intent in page.data if intent.order == serial}
    if len(found) == 1:
        return found.pop()
    if found:
        return Unknown(detail="Stripe has more than one intent for this serial")
    return Unknown(detail="Stripe's search does not know this serial, or not yet")


def _numbered(page: RefundPage, number: str) -> Refund | Unknown | None:
    """The refund with our number; None when the list is whole and does not name it."""
    for refund in page.data:
        if refund.number == number:
            return refund
    if page.has_more:
        return Unknown(detail=f"the intent has more than {requests.REFUNDS_MAX} refunds")
    return None
