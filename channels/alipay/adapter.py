"""Alipay, over the OpenAPI gateway with RSA2 signatures.

Source: channels reference section 2 with its sources A1 to A6 (official SDKs, opendocs.alipay.com);
read 2026-11-20.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

from channels.alipay import bills, outcomes, refunds, requests
from channels.alipay.answers import SUCCESS, Trade, read_answer
from channels.alipay.callbacks import facts_of, read_notice
from channels.alipay.errors import Meaning, meaning_of
from channels.alipay.hold_requests import freeze_call, hold_query_call
from channels.alipay.holds import Holds, too_much
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import BUYER_CODE, PAGE, QR, WAP, Call
from channels.alipay.statement import AlipayStatement
from channels.base import (
    Account,
    Acknowledgement,
    Capabilities,
    ChannelParameters,
    Method,
    Operation,
    Surroundings,
)
from channels.http import ChannelHttp, NotSent
from models.channel import (
    Answer,
    CallbackFacts,
    CaptureRequest,
    Declined,
    Exchange,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    RefundRequest,
    Unknown,
)
from models.errors import ChannelMisconfigured
from models.reconciliation import StatementAvailability

_CURRENCY = "CNY"

# How long a hold certainly stands. What Alipay promises is in the merchant's contract; the shortest
# that is published for its pre-authorization is 7 days (28 for hotels and rentals). Source:
# sdk.qfapi.com, "Valid Capture Period", read 2026-11-21.
HOLD_SECONDS = 7 * 24 * 3600

CAPABILITIES = Capabilities(
    methods=(
        # Precreate with the same number and amount gives the same trade (out_trade_no is the
        # idempotency key); page and wap send nothing at all.
        Method(
            name=QR,
            title="Alipay QR code",
            repeat_safe=True,
            manual_capture=True,
            hold_seconds=HOLD_SECONDS,
        ),
        Method(name=PAGE, title="Alipay on a computer", repeat_safe=True, device="computer"),
        Method(name=WAP, title="Alipay on a phone", repeat_safe=True, device="phone"),
        # A payer's code is good for one payment; a repeat may meet a second, later code.
        Method(
            name=BUYER_CODE,
            title="Alipay code shown by the payer",
            repeat_safe=False,
            payer_present=True,
            needs_payer_code=True,
            manual_capture=True,
            hold_seconds=HOLD_SECONDS,
        ),
    ),
    operations=frozenset(
        {
            Operation.PAY,
            Operation.QUERY,
            Operation.CLOSE,
            Operation.REFUND,
            Operation.CAPTURE,
            Operation.VOID,
        }
    ),
    currencies=frozenset({_CURRENCY}),
    amount_min_minor=1,  # 0.01
    amount_max_minor=10_000_000_000,  # 100000000.00
    expiry_max_seconds=15 * 24 * 3600,  # time_expire: 1m to 15d
    timezone="Asia/Shanghai",
)

# How far our clock and Alipay's may be apart before "expired here" means "expired there".
CLOCK_MARGIN = timedelta(seconds=60)


GATEWAY_URL = "https://openapi.alipay.com/gateway.do"


class AlipayChannel:
    """Alipay's payments as a `Channel`, their refunds and holds (`Refunding`, `Capturing`)."""

    name = "alipay"
    capabilities = CAPABILITIES
    parameters: type[ChannelParameters] = AlipayParameters

    def __init__(
        self, http: ChannelHttp, *, gateway_url: str, clock_margin: timedelta = CLOCK_MARGIN
    ) -> None:
        self._http = http
        self._gateway_url = gateway_url
        self._clock_margin = clock_margin

    async def pay(self, account: Account, request: PayRequest, now: datetime) -> Answer:
        """Ask for the money; page and wap only write the address the payer opens."""
        parameters = _parameters_of(account)
        reason = _unsendable(request)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        if request.capture_method == "manual":
            return await self._holds(account, now).place(request)
        call = requests.pay_call(parameters, request)
        if request.method in {PAGE, WAP}:
            fields = requests.signed_fields(parameters, call, now)
            url = requests.signed_url(self._gateway_url, fields)
            return Answer(outcome=Pending(next_action=Redirect(url=url)))
        trade, exchange = await self._ask(parameters, call, now)
        match trade:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Unknown():
                return Answer(outcome=trade, exchange=exchange)
        return Answer(outcome=outcomes.paid(trade, request, now), exchange=exchange)

    async def query(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Where a serial stands. A query that fails says nothing about the payment: Unknown."""
        if request.capture_method == "manual":
            return await self._holds(account, now).find(request)
        trade, exchange = await self._ask(
            _parameters_of(account), requests.query_call(request), now
        )
        match trade:
            case NotSent(detail=detail):
                return Answer(outcome=Unknown(detail=f"not sent: {detail}"))
            case Unknown():
                return Answer(outcome=trade, exchange=exchange)
        outcome = (
            outcomes.found(trade, request)
            if trade.code == SUCCESS
            else self._not_told(trade, request, now)
        )
        return Answer(outcome=outcome, exchange=exchange)

    async def close(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Close a trade that waits for its payer; cancel one sent with the payer's own code.

        A cancel gives money back that was already taken, so query before it: the query's
        documentation asks for that too.
        """
        if request.capture_method == "manual":
            return await self._holds(account, now).close(request)
        trade, exchange = await self._ask(
            _parameters_of(account), requests.close_call(request), now
        )
        match trade:
            case NotSent(detail=detail):
                return Answer(outcome=Unknown(detail=f"not sent: {detail}"))
            case Unknown():
                return Answer(outcome=trade, exchange=exchange)
        if trade.code != SUCCESS:
            outcome = self._not_told(trade, request, now)
        elif request.method == BUYER_CODE:
            outcome = outcomes.canceled(trade, request)
        else:
            outcome = outcomes.closed(trade, request)
        return Answer(outcome=outcome, exchange=exchange)

    async def capture(self, account: Account, request: CaptureRequest, now: datetime) -> Answer:
        """Take of what is held as a trade under our serial, once; Alipay releases the rest."""
        reason = _uncapturable(request)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        if request.money.amount_minor > request.authorized.amount_minor:
            return Answer(outcome=too_much(request, held=str(request.authorized)))
        return await self._holds(account, now).capture(request)

    async def void(self, account: Account, request: QueryRequest, now: datetime) -> Answer:
        """Release all that is held. What was taken stays taken, and is said to be."""
        return await self._holds(account, now).release(request)

    async def refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Give back under our refund number; Alipay gives back once for each number of a trade."""
        reason = _unrefundable(request)
        if reason is not None:
            return Answer(outcome=NotAttempted(detail=reason))
        trade, exchange = await self._ask(
            _parameters_of(account), requests.refund_call(request), now
        )
        match trade:
            case NotSent(detail=detail):
                return Answer(outcome=NotAttempted(detail=detail))
            case Unknown():
                return Answer(outcome=trade, exchange=exchange)
        return Answer(outcome=refunds.refunded(trade, request), exchange=exchange)

    async def query_refund(self, account: Account, request: RefundRequest, now: datetime) -> Answer:
        """Where a refund stands. Ask no sooner than ten seconds after it was sent."""
        trade, exchange = await self._ask(
            _parameters_of(account), requests.refund_query_call(request), now
        )
        match trade:
            case NotSent(detail=detail):
                return Answer(outcome=Unknown(detail=f"not sent: {detail}"))
            case Unknown():
                return Answer(outcome=trade, exchange=exchange)
        return Answer(outcome=refunds.found(trade, request), exchange=exchange)

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts | None:
        """Verify and translate a notice of a trade, refund or hold; it is signed in its body."""
        return facts_of(read_notice(_parameters_of(account), body, now))

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        """Exactly `success`; anything else makes Alipay send again (8 times in 25 hours)."""
        return Acknowledgement(
            status_code=200, content_type="text/plain", body="success" if accepted else "fail"
        )

    async def fetch_statement(
        self, account: Account, day: date, into: Path, now: datetime
    ) -> StatementAvailability:
        """Put the bill of `day`, by Beijing's clock, at `into` as Alipay made it.

        Raises ChannelUnavailable when it cannot be had now, ChannelMisconfigured when Alipay does
        not give it to this account.
        """
        trade, _ = await self._ask(_parameters_of(account), requests.bill_call(day), now)
        url = bills.address_of(trade, day, now)
        if isinstance(url, StatementAvailability):
            return url
        await bills.download(self._http, url, into)
        return StatementAvailability.FETCHED

    def read_statement(self, account: Account, day: date, path: Path) -> AlipayStatement:
        """The bill at `path`, fetched or uploaded; nothing is read yet."""
        return AlipayStatement(path, seller_id=_parameters_of(account).seller_id, day=day)

    def signed_fields(
        self, account: Account, request: PayRequest | QueryRequest, now: datetime
    ) -> dict[str, str]:
        """The exact fields `pay` sends for a PayRequest, and `query` for a QueryRequest."""
        parameters = _parameters_of(account)
        held = request.capture_method == "manual"
        if isinstance(request, PayRequest):
            call = (
                freeze_call(parameters, request, now)
                if held
                else requests.pay_call(parameters, request)
            )
        elif held:
            call = hold_query_call("query", request.serial)
        else:
            call = requests.query_call(request)
        return requests.signed_fields(parameters, call, now)

    def _holds(self, account: Account, now: datetime) -> Holds:
        parameters = _parameters_of(account)

        async def ask(call: Call) -> tuple[Trade | NotSent | Unknown, Exchange | None]:
            return await self._ask(parameters, call, now)

        return Holds(parameters, ask, now=now, clock_margin=self._clock_margin)

    async def _ask(
        self, parameters: AlipayParameters, call: Call, now: datetime
    ) -> tuple[Trade | NotSent | Unknown, Exchange | None]:
        fields = requests.signed_fields(parameters, call, now)
        query = {name: value for name, value in fields.items() if name != "biz_content"}
        result = await self._http.post_form(
            self._gateway_url, query=query, form={"biz_content": fields["biz_content"]}
        )
        trade = read_answer(result, method=call.method, parameters=parameters, now=now)
        return trade, requests.record_of(call, fields, result, now)

    def _not_told(self, trade: Trade, request: QueryRequest, now: datetime) -> Outcome:
        """After a query or close was refused: only "no such trade" says anything."""
        if meaning_of(trade.code, trade.sub_code) is Meaning.NOT_FOUND:
            return self._absent(request, now, channel_code=trade.sub_code)
        channel_code = f"{trade.code} {trade.sub_code}".strip()
        return Unknown(detail=trade.words or channel_code, channel_code=channel_code)

    def _absent(self, request: QueryRequest, now: datetime, channel_code: str) -> Outcome:
        """What it means that Alipay knows no such serial.

        A QR code or an address makes the trade only when the payer opens it, which `time_expire`
        ends. A payer's code makes it at once, so before its end the request may still be on its
        way.
        """
        if now >= request.expires_at + self._clock_margin:
            return Declined(
                code=Meaning.EXPIRED,
                detail="never opened, and it can no longer be paid",
                channel_code=channel_code,
            )
        if request.method == BUYER_CODE:
            return Unknown(detail="not known to Alipay, or not yet", channel_code=channel_code)
        return Pending(detail="the payer has not opened it yet")


def build_channel(around: Surroundings) -> AlipayChannel:
    """The adapter, at Alipay's own gateway unless told otherwise."""
    return AlipayChannel(
        around.http, gateway_url=around.url or GATEWAY_URL, clock_margin=around.clock_margin
    )


def _parameters_of(account: Account) -> AlipayParameters:
    if not isinstance(account.parameters, AlipayParameters):
        raise ChannelMisconfigured(f"account {account.id} does not hold Alipay's parameters")
    return account.parameters


def _unsendable(request: PayRequest) -> str | None:
    """Why this request may not go out at all, None when it may."""
    method = next((one for one in CAPABILITIES.methods if one.name == request.method), None)
    if method is None:
        return f"Alipay has no method {request.method}"
    if request.capture_method == "manual" and not method.manual_capture:
        return f"Alipay holds no money by {request.method}"
    if request.money.currency != _CURRENCY:
        return f"Alipay takes {_CURRENCY}, not {request.money.currency}"
    smallest, largest = CAPABILITIES.amount_min_minor, CAPABILITIES.amount_max_minor
    if not smallest <= request.money.amount_minor <= largest:
        return f"Alipay takes 0.01 to 100000000.00, not {request.money}"
    if request.method == BUYER_CODE and not request.payer_code:
        return "the payer's code is missing"
    return None


def _uncapturable(request: CaptureRequest) -> str | None:
    """Why this capture may not go out at all, None when it may."""
    if {request.money.currency, request.authorized.currency} != {_CURRENCY}:
        return f"Alipay holds {_CURRENCY}, not {request.money.currency}"
    if request.money.amount_minor <= 0:
        return "there is nothing to take"
    return None


def _unrefundable(request: RefundRequest) -> str | None:
    """Why this refund may not go out at all, None when it may."""
    if {request.money.currency, request.paid.currency} != {_CURRENCY}:
        return f"Alipay gives back {_CURRENCY}, not {request.money.currency}"
    if not 0 < request.money.amount_minor <= request.paid.amount_minor:
        return f"of {request.paid} Alipay cannot give back {request.money}"
    return None
