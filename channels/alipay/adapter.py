"""Alipay, over the OpenAPI gateway with RSA2 signatures.

Source: channels reference section 2 with its sources A1 to A6 (official SDKs, opendocs.alipay.com);
read 2026-11-20.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from channels.alipay import requests
from channels.alipay.answers import SUCCESS, WAITING_FOR_PAYER, Trade, read_answer
from channels.alipay.callbacks import Notice, read_notice
from channels.alipay.errors import Meaning, meaning_of, outcome_of_refusal
from channels.alipay.parameters import AlipayParameters
from channels.alipay.requests import BUYER_CODE, PAGE, QR, WAP, Call
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
    Approved,
    CallbackFacts,
    Confirm,
    Declined,
    Exchange,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Redirect,
    ShowQrCode,
    Unknown,
)
from models.errors import ChannelMisconfigured, InvalidRequest
from models.money import Money

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
    operations=frozenset({Operation.PAY, Operation.QUERY, Operation.CLOSE}),
    currencies=frozenset({_CURRENCY}),
    amount_min_minor=1,  # 0.01
    amount_max_minor=10_000_000_000,  # 100000000.00
    expiry_max_seconds=15 * 24 * 3600,  # time_expire: 1m to 15d
    timezone="Asia/Shanghai",
)

# How far our clock and Alipay's may be apart before "expired here" means "expired there".
CLOCK_MARGIN = timedelta(seconds=60)

_PAID = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})


class AlipayChannel:
    """Alipay's payments as a `Channel`."""

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
        return Answer(outcome=_paid(trade, request, now), exchange=exchange)

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
            _found(trade, request) if trade.code == SUCCESS else self._not_told(trade, request, now)
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
            outcome = self._canceled(trade, request)
        else:
            outcome = _closed(trade, request)
        return Answer(outcome=outcome, exchange=exchange)

    def parse_callback(
        self, account: Account, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> CallbackFacts:
        """Verify and translate a notice about a trade; the signature is in the body alone."""
        notice = read_notice(_parameters_of(account), body, now)
        return CallbackFacts(
            channel_event_id=notice.notify_id,
            serial=notice.out_trade_no,
            outcome=_noticed(notice),
            channel_reference=notice.trade_no,
        )

    def acknowledgement(self, *, accepted: bool) -> Acknowledgement:
        """Exactly `success`; anything else makes Alipay send again (8 times in 25 hours)."""
        return Acknowledgement(
            status_code=200, content_type="text/plain", body="success" if accepted else "fail"
        )

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

    def _canceled(self, trade: Trade, request: QueryRequest) -> Outcome:
        if trade.retry_flag == "Y":
            return Unknown(detail="Alipay asks to cancel again", channel_code="retry_flag Y")
        match trade.action:
            case "close":
                return _closed(trade, request)
            case "refund":
                closed = _closed(trade, request)
                if isinstance(closed, Declined):
                    detail = "it had been paid; canceling it gave the money back"
                    return closed.model_copy(update={"detail": detail, "channel_code": "refund"})
                return closed
            case None | "":
                return _canceled_unseen(trade, request)
            case other:
                return Unknown(detail=f"unlisted action {other!r}", channel_code=other)


def _canceled_unseen(trade: Trade, request: QueryRequest) -> Outcome:
    """Alipay took the cancel and names no action: it had no such trade.

    The payer's code has died by then and we never send a serial again, so this is an end. Should
    our own lost request still turn up, its success is late money like any other (Source: the
    `action` field of alipay.trade.cancel: absent means that no trade was found).
    """
    closed = _closed(trade, request)
    if isinstance(closed, Declined):
        return closed.model_copy(update={"channel_code": "no action"})
    return closed


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


def _paid(trade: Trade, request: PayRequest, now: datetime) -> Outcome:
    """The outcome of precreate or pay."""
    if trade.code not in {SUCCESS, WAITING_FOR_PAYER}:
        return outcome_of_refusal(trade.code, trade.sub_code, trade.words)
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    if request.method == QR:
        return _qr_code(trade, request, now)
    if trade.code == WAITING_FOR_PAYER:
        return Pending(
            detail=trade.words,
            channel_reference=trade.trade_no,
            next_action=Confirm(instructions="Confirm the payment in the Alipay app."),
        )
    return _approved(trade, request.money)


def _qr_code(trade: Trade, request: PayRequest, now: datetime) -> Outcome:
    if trade.code != SUCCESS or not trade.qr_code:
        return Unknown(detail="precreate answered without a code", channel_code=trade.code)
    expires_at = min(request.expires_at, now + requests.QR_LIFETIME)
    return Pending(next_action=ShowQrCode(content=trade.qr_code, expires_at=expires_at))


def _found(trade: Trade, request: QueryRequest) -> Outcome:
    """The outcome of a query that found a trade."""
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    match trade.trade_status:
        case "WAIT_BUYER_PAY":
            return Pending(channel_reference=trade.trade_no)
        case str(status) if status in _PAID:
            return _approved(trade, request.money)
        case "TRADE_CLOSED":
            # Also the state after a full refund, which is ours to have asked for.
            return Declined(code=Meaning.CLOSED, detail="closed", channel_code="TRADE_CLOSED")
        case other:
            return Unknown(detail=f"unlisted trade_status {other!r}", channel_code=str(other))


def _approved(trade: Trade, asked: Money) -> Outcome:
    """Approved, if the answer names a trade and exactly the money we asked for."""
    if not trade.trade_no or trade.trans_currency not in {None, "", _CURRENCY}:
        return Unknown(detail="paid, but without a trade number or in another currency")
    try:
        money = Money.from_decimal_text(trade.total_amount or "", _CURRENCY)
    except ValueError as error:
        return Unknown(detail=f"paid, but the amount cannot be read: {error}"[:400])
    if money != asked:
        return Unknown(detail=f"the answer names {money}, we asked for {asked}")
    return Approved(
        channel_reference=trade.trade_no,
        money=money,
        paid_at=requests.read_beijing(trade.gmt_payment or trade.send_pay_date),
    )


def _closed(trade: Trade, request: QueryRequest) -> Outcome:
    if trade.out_trade_no != request.serial:
        return _other_serial(trade)
    return Declined(code=Meaning.CLOSED, detail="closed on request", channel_code=trade.code)


def _other_serial(trade: Trade) -> Unknown:
    return Unknown(detail=f"the answer is about {trade.out_trade_no!r}, not what we asked for")


def _noticed(notice: Notice) -> Outcome:
    """The outcome a notice tells. A notice of a partial refund still says that it was paid."""
    match notice.trade_status:
        case status if status in _PAID:
            return Approved(
                channel_reference=notice.trade_no,
                money=_money_of(notice),
                paid_at=requests.read_beijing(notice.gmt_payment),
            )
        case "TRADE_CLOSED":
            detail = "closed after a full refund" if notice.gmt_refund else "closed unpaid"
            return Declined(code=Meaning.CLOSED, detail=detail, channel_code="TRADE_CLOSED")
        case "WAIT_BUYER_PAY":
            return Pending(channel_reference=notice.trade_no)
        case other:
            return Unknown(detail=f"unlisted trade_status {other!r}", channel_code=other)


def _money_of(notice: Notice) -> Money:
    try:
        return Money.from_decimal_text(notice.total_amount, _CURRENCY)
    except ValueError:
        raise InvalidRequest("the notice's total_amount is no amount in yuan") from None
