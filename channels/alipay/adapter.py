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
)
from channels.http import ChannelHttp, NotSent
from models.channel import (
    Answer,
    CallbackFacts,
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

CAPABILITIES = Capabilities(
    methods=(
        # Precreate with the same number and amount gives the same trade (out_trade_no is the
        # idempotency key); page and wap send nothing at all.
        Method(name=QR, title="Alipay QR code", repeat_safe=True),
        Method(name=PAGE, title="Alipay on a computer", repeat_safe=True),
        Method(name=WAP, title="Alipay on a phone", repeat_safe=True),
        # A payer's code is good for one payment; a repeat may meet a second, later code.
        Method(
            name=BUYER_CODE,
            title="Alipay code shown by the payer",
            repeat_safe=False,
            payer_present=True,
            needs_payer_code=True,
        ),
    ),
    operations=frozenset({Operation.PAY, Operation.QUERY, Operation.CLOSE, Operation.REFUND}),
    currencies=frozenset({_CURRENCY}),
    amount_min_minor=1,  # 0.01
    amount_max_minor=10_000_000_000,  # 100000000.00
    expiry_max_seconds=15 * 24 * 3600,  # time_expire: 1m to 15d
    timezone="Asia/Shanghai",
)

# How far our clock and Alipay's may be apart before "expired here" means "expired there".
CLOCK_MARGIN = timedelta(seconds=60)


class AlipayChannel:
    """Alipay's payments as a `Channel`, and their refunds (`Refunding`)."""

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
    ) -> CallbackFacts:
        """Verify and translate a notice about a trade or its refund; it is signed in its body."""
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
        call = (
            requests.pay_call(parameters, request)
            if isinstance(request, PayRequest)
            else requests.query_call(request)
        )
        return requests.signed_fields(parameters, call, now)

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


def _parameters_of(account: Account) -> AlipayParameters:
    if not isinstance(account.parameters, AlipayParameters):
        raise ChannelMisconfigured(f"account {account.id} does not hold Alipay's parameters")
    return account.parameters


def _unsendable(request: PayRequest) -> str | None:
    """Why this request may not go out at all, None when it may."""
    if request.method not in {method.name for method in CAPABILITIES.methods}:
        return f"Alipay has no method {request.method}"
    if request.money.currency != _CURRENCY:
        return f"Alipay takes {_CURRENCY}, not {request.money.currency}"
    smallest, largest = CAPABILITIES.amount_min_minor, CAPABILITIES.amount_max_minor
    if not smallest <= request.money.amount_minor <= largest:
        return f"Alipay takes 0.01 to 100000000.00, not {request.money}"
    if request.method == BUYER_CODE and not request.payer_code:
        return "the payer's code is missing"
    return None


def _unrefundable(request: RefundRequest) -> str | None:
    """Why this refund may not go out at all, None when it may."""
    if {request.money.currency, request.paid.currency} != {_CURRENCY}:
        return f"Alipay gives back {_CURRENCY}, not {request.money.currency}"
    if not 0 < request.money.amount_minor <= request.paid.amount_minor:
        return f"of {request.paid} Alipay cannot give back {request.money}"
    return None
