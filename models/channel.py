"""What passes between us and a channel, in neutral words: requests, outcomes, callbacks."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from models.money import Money


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# ---- what the payer has to do next ------------------------------------------------------------


class Redirect(Frozen):
    """Send the payer's browser to `url` with GET."""

    type: Literal["redirect"] = "redirect"
    url: str


class SubmitForm(Frozen):
    """Let the payer's browser submit `fields` to `url` with POST."""

    type: Literal["form"] = "form"
    url: str
    fields: dict[str, str]


class ShowQrCode(Frozen):
    """Show `content` as a QR code; it works until `expires_at`."""

    type: Literal["qr_code"] = "qr_code"
    content: str
    expires_at: datetime


class SdkParameters(Frozen):
    """Hand `parameters` to the channel's SDK inside the app."""

    type: Literal["sdk_parameters"] = "sdk_parameters"
    parameters: dict[str, str]


class Confirm(Frozen):
    """The payer confirms on their own device (a password in the wallet app, an OTP)."""

    type: Literal["confirm"] = "confirm"
    instructions: str


NextAction = Annotated[
    Redirect | SubmitForm | ShowQrCode | SdkParameters | Confirm, Field(discriminator="type")
]


# ---- what a channel answered ------------------------------------------------------------------


class Approved(Frozen):
    """The channel says the money is taken. `money` is what the channel names, to be compared.

    `held`: it is set aside for us and not taken yet, which only a payment with manual capture asks
    for. After the capture `money` is what was taken of it.
    """

    kind: Literal["approved"] = "approved"
    channel_reference: str
    money: Money
    paid_at: datetime | None = None
    held: bool = False


class Declined(Frozen):
    """The channel says, definitively, that this serial takes no money now and never will.

    `code` is ours and stable (`insufficient_funds`, `closed`, `expired`, `refused`, …);
    `channel_code` is the channel's own.
    """

    kind: Literal["declined"] = "declined"
    code: str
    detail: str
    channel_code: str = ""


class Pending(Frozen):
    """The channel knows the serial and waits, for the payer or for itself."""

    kind: Literal["pending"] = "pending"
    detail: str = ""
    channel_reference: str | None = None
    next_action: NextAction | None = None


class Unknown(Frozen):
    """We do not know whether money moved. Only a query, a callback or a statement may leave it."""

    kind: Literal["unknown"] = "unknown"
    detail: str
    channel_code: str = ""


class NotAttempted(Frozen):
    """The request certainly never reached the channel, or it refused before looking at it."""

    kind: Literal["not_attempted"] = "not_attempted"
    detail: str
    channel_code: str = ""


Outcome = Annotated[
    Approved | Declined | Pending | Unknown | NotAttempted, Field(discriminator="kind")
]


class Exchange(Frozen):
    """One request and its answer as they went over the wire, secrets and card data masked."""

    operation: str
    request: str
    response: str | None
    http_status: int | None
    started_at: datetime
    duration_ms: int


class Answer(Frozen):
    """An outcome and the exchange that shows it (None when nothing was sent)."""

    outcome: Outcome
    exchange: Exchange | None = None


# ---- what a channel can do -----------------------------------------------------------------


class Operation(StrEnum):
    PAY = "pay"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    CAPTURE = "capture"
    VOID = "void"


class Method(Frozen):
    """One way to pay on a channel, as apps name it.

    repeat_safe: sending the same serial again moves no money a second time (Source: the channel's
        own promise, named in the adapter), so an unknown submit may be sent again.
    payer_present: the payer stands at a till or shows a code that dies within a minute, so an order
        older than that must not be sent any more.
    manual_capture: the money can be held first and captured or released later.
    hold_seconds: how long the channel holds it for sure.
    needs_payer_code: the app must pass the code the payer shows.
    device: where its page can be used; at the cash desk others are not shown what they cannot use.
    """

    name: str
    title: str
    repeat_safe: bool
    payer_present: bool = False
    needs_payer_code: bool = False
    manual_capture: bool = False
    hold_seconds: int = 0
    device: Literal["any", "phone", "computer"] = "any"


CaptureMethod: TypeAlias = Literal["automatic", "manual"]


class Capabilities(Frozen):
    """What a channel can do. Routing reads this and never asks for more."""

    methods: tuple[Method, ...]
    operations: frozenset[Operation]
    currencies: frozenset[str]
    amount_min_minor: int
    amount_max_minor: int
    expiry_max_seconds: int
    timezone: str


# ---- what we ask of a channel -----------------------------------------------------------------


class PayRequest(Frozen):
    """Ask a channel for the money of one attempt. `serial` is ours and stays for ever."""

    payment_id: str
    serial: str
    method: str
    money: Money
    subject: str
    expires_at: datetime
    notify_url: str
    return_url: str | None = None
    payer_code: str | None = Field(default=None, repr=False)
    capture_method: CaptureMethod = "automatic"


class QueryRequest(Frozen):
    """Ask a channel where a serial stands, or to close it."""

    payment_id: str
    serial: str
    method: str
    money: Money
    expires_at: datetime
    channel_reference: str | None = None
    capture_method: CaptureMethod = "automatic"


class RefundRequest(Frozen):
    """Give back part or all of a captured payment, under our refund number (`refund_serial`).

    The same number again is the same refund, on every channel: a repeat moves nothing twice.
    """

    payment_id: str
    refund_id: str
    refund_serial: str
    serial: str
    channel_reference: str | None
    money: Money
    paid: Money
    reason: str = ""


class CaptureRequest(Frozen):
    """Take `money`, at most `authorized`, of what a manual payment holds.

    `channel_reference` is the one the channel gave to the hold.
    """

    payment_id: str
    serial: str
    method: str
    subject: str
    notify_url: str
    channel_reference: str | None
    money: Money
    authorized: Money


# ---- what a channel tells us ------------------------------------------------------------------


class CallbackFacts(Frozen):
    """A verified callback, translated. `channel_event_id` is the same on every re-send.

    About a refund, `serial` is our refund number.
    """

    channel_event_id: str
    serial: str
    outcome: Outcome
    channel_reference: str | None = None
    about: Literal["payment", "refund"] = "payment"


class ChannelEvent(Frozen):
    """News about one attempt for its payment's workflow: the callback kept as `callback_id`.

    News that a statement brought is kept in the same inbox, and says so in `source`.
    """

    callback_id: str
    serial: str
    outcome: Outcome
    received_at: datetime
    source: Literal["callback", "statement"] = "callback"


class ChannelAccountStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class Route(Frozen):
    """The channel and account chosen for an attempt.

    `account_version` pins the parameters used; `fee_bps` is the price agreed when it was chosen.
    """

    channel: str
    account_id: str
    account_version: int
    fee_bps: int = 0


class Certificate(Frozen):
    """A certificate among an account's parameters, by the parameter's name."""

    name: str
    expires_at: datetime


class ChannelAccount(Frozen):
    """A merchant's account at a channel. `parameters` are the public ones: secrets stay in storage.

    `fee_bps` is what we keep of each payment that goes through it, in basis points;
    `channel_fee_bps` is what the channel is agreed to take of it, None when that is not compared.
    """

    id: str
    merchant_id: str
    app_id: str
    channel: str
    version: int
    status: ChannelAccountStatus
    methods: tuple[str, ...]
    fee_bps: int
    channel_fee_bps: int | None = None
    parameters: dict[str, str]
    certificates: tuple[Certificate, ...] = ()
    created_at: datetime
