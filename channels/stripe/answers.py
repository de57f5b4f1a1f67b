"""Reading Stripe's answers: the objects we use, and errors in Stripe's own form.

Answers are not signed; that they come from Stripe is what TLS says. Whether they are about what we
asked for is checked by whoever reads them (`outcomes`).
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channels.http import NoAnswer, NotSent, Reply, Result
from models.channel import Unknown

_OK_STATUS = 200
_REFUSALS = range(400, 500)

_Text = Annotated[str, Field(max_length=5_000)]
_Message = Annotated[str, Field(max_length=40_000)]
_Id = Annotated[str, Field(pattern=r"^[a-z]+_[A-Za-z0-9_]{1,120}$")]
_Amount = Annotated[int, Field(ge=0)]


class _Object(BaseModel):
    """One of Stripe's objects, of the fields we use; fields Stripe adds later do not matter."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Address(_Object):
    url: _Text


class NextStep(_Object):
    """`next_action` of an intent."""

    type: _Text
    redirect_to_url: Address | None = None


class ApiError(_Object):
    """Why something was refused: `error` of an answer, `last_payment_error` of an intent."""

    type: _Text
    code: _Text | None = None
    decline_code: _Text | None = None
    message: _Message | None = None
    param: _Text | None = None
    payment_intent: "Intent | None" = None

    @property
    def words(self) -> str:
        """What Stripe said, for people; bounded."""
        return (self.message or self.channel_code or self.type)[:200]

    @property
    def channel_code(self) -> str:
        return f"{self.code or ''} {self.decline_code or ''}".strip()[:200]


class Intent(_Object):
    """A payment intent. Source: schema `payment_intent` of the API description of 2023-08-16."""

    object: Annotated[str, Field(pattern=r"^payment_intent$")]
    id: _Id
    status: _Text
    amount: _Amount
    amount_capturable: _Amount = 0
    amount_received: _Amount = 0
    currency: _Text
    capture_method: _Text
    created: int
    livemode: bool
    metadata: dict[str, str] = Field(default_factory=dict)
    next_action: NextStep | None = None
    last_payment_error: ApiError | None = None
    cancellation_reason: _Text | None = None

    @property
    def order(self) -> str:
        """The serial we made it for; empty for one that is not ours."""
        return self.metadata.get("order", "")


class Refund(_Object):
    """A refund. Source: schema `refund` of the API description of 2023-08-16."""

    object: Annotated[str, Field(pattern=r"^refund$")]
    id: _Id
    status: _Text | None = None
    amount: _Amount
    currency: _Text
    payment_intent: _Text | None = None
    metadata: dict[str, str] | None = None
    failure_reason: _Text | None = None

    @property
    def number(self) -> str:
        """Our refund number; empty for one that was not made by us."""
        return (self.metadata or {}).get("refund", "")


class IntentPage(_Object):
    """What a search found."""

    data: list[Intent]


class RefundPage(_Object):
    """Refunds of one intent, newest first."""

    data: list[Refund]
    has_more: bool


class PostingPage(_Object):
    """Balance transactions, newest first, as they are: whoever reads the statement checks them."""

    data: list[dict[str, Any]]
    has_more: bool


Kind = TypeVar("Kind", bound=BaseModel)


class _ErrorBody(_Object):
    error: ApiError


@dataclass(frozen=True, slots=True)
class Refused:
    """Stripe answered with an error of its own form and a status that lays it at our door."""

    status: int
    error: ApiError


@dataclass(frozen=True, slots=True)
class Given(Generic[Kind]):
    """Stripe answered with what was asked for."""

    value: Kind


def read_answer(result: Result, kind: type[Kind]) -> Given[Kind] | Refused | NotSent | Unknown:
    """What `result` says; Unknown for silence, for Stripe's own failures and for other forms."""
    match result:
        case NotSent():
            return result
        case NoAnswer(detail=detail):
            return Unknown(detail=f"sent, no answer: {detail}")
        case Reply(status=status) if status != _OK_STATUS and status not in _REFUSALS:
            return Unknown(detail=f"HTTP status {status}", channel_code=f"HTTP {status}")
        case Reply(status=status, body=body):
            try:
                return _parsed(status, json.loads(body), kind)
            except ValidationError as error:
                words = f"it cannot be read: {_places(error)}"
            except (ValueError, RecursionError):
                words = "the body is no JSON"
    return Unknown(detail=f"HTTP status {status}, and {words}"[:300], channel_code=f"HTTP {status}")


def _parsed(status: int, said: object, kind: type[Kind]) -> Given[Kind] | Refused:
    if status == _OK_STATUS:
        return Given(kind.model_validate(said))
    return Refused(status=status, error=_ErrorBody.model_validate(said).error)


def _places(error: ValidationError) -> str:
    places = {".".join(str(part) for part in e["loc"]) or "all" for e in error.errors()}
    return ", ".join(sorted(places))
