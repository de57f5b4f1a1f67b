"""Valid things with fresh ids. A test names only what matters to it."""

from datetime import UTC, datetime, timedelta

from models import ids
from models.channel import ChannelAccount, ChannelAccountStatus, Exchange, Route
from models.ledger import AccountKind, LedgerAccountName, LedgerTransaction, Posting
from models.merchant import App, Merchant
from models.money import Money
from models.notification import Notification
from models.payment import (
    Attempt,
    AttemptStatus,
    Evidence,
    EvidenceKind,
    Failure,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
    Preparation,
    Transition,
    Verdict,
)
from models.refund import (
    RefundFunding,
    RefundMove,
    RefundOrder,
    RefundState,
    RefundStatus,
    RefundTransition,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def cny(amount_minor: int) -> Money:
    """Yuan by the fen: `cny(19_99)` is 19.99."""
    return Money(amount_minor=amount_minor, currency="CNY")


def usd(amount_minor: int) -> Money:
    """Dollars by the cent: `usd(19_99)` is 19.99."""
    return Money(amount_minor=amount_minor, currency="USD")


def an_app(
    *,
    webhook_url: str | None = "https://shop.example/webhooks",
    late_success: LateSuccessPolicy = LateSuccessPolicy.REFUND,
    payment_limit_minor: int | None = None,
    refund_approval_above_minor: int | None = None,
    status: str = "active",
) -> App:
    return App(
        id=ids.new_id("app"),
        name="a shop",
        status=status,
        webhook_url=webhook_url,
        webhook_paused_at=None,
        late_success=late_success,
        payment_limit_minor=payment_limit_minor,
        refund_approval_above_minor=refund_approval_above_minor,
        created_at=NOON,
    )


def a_merchant(app: App, *, status: str = "active") -> Merchant:
    return Merchant(
        id=ids.new_id("mer"), app_id=app.id, name="a merchant", status=status, created_at=NOON
    )


def a_channel_account(
    merchant: Merchant,
    *,
    channel: str = "alipay",
    methods: tuple[str, ...] = ("alipay_qr",),
    status: ChannelAccountStatus = ChannelAccountStatus.ACTIVE,
    fee_bps: int = 60,
    created_at: datetime = NOON,
) -> ChannelAccount:
    return ChannelAccount(
        id=ids.new_id("acc"),
        merchant_id=merchant.id,
        app_id=merchant.app_id,
        channel=channel,
        version=1,
        status=status,
        methods=methods,
        fee_bps=fee_bps,
        parameters={"public": "parameter"},
        created_at=created_at,
    )


def an_order(
    merchant: Merchant | None = None,
    *,
    order_no: str | None = None,
    money: Money | None = None,
    method: str = "alipay_qr",
    created_at: datetime = NOON,
    payer_code: str | None = None,
) -> PaymentOrder:
    """An order of `merchant`; without one, of a merchant and an app that exist nowhere."""
    payment_id = ids.new_id("pay")
    return PaymentOrder(
        payment_id=payment_id,
        app_id=merchant.app_id if merchant else ids.new_id("app"),
        merchant_id=merchant.id if merchant else ids.new_id("mer"),
        order_no=order_no or f"order-{payment_id}",
        money=money or cny(19_99),
        method=method,
        subject="a book",
        created_at=created_at,
        expires_at=created_at + timedelta(minutes=15),
        initiate_by=created_at + timedelta(minutes=10),
        late_success=LateSuccessPolicy.REFUND,
        fingerprint=f"fingerprint-{payment_id}",
        payer_code=payer_code,
    )


def an_attempt(
    order: PaymentOrder,
    account: ChannelAccount | None = None,
    *,
    number: int = 1,
    status: AttemptStatus = AttemptStatus.STARTED,
    channel_reference: str | None = None,
) -> Attempt:
    """Attempt `number` of an order; without an account, on one that exists nowhere."""
    return Attempt(
        id=ids.attempt_id(order.payment_id, number),
        payment_id=order.payment_id,
        number=number,
        method=order.method or "alipay_qr",
        serial=ids.serial(order.payment_id, number),
        route=Route(
            channel=account.channel if account else "alipay",
            account_id=account.id if account else ids.new_id("acc"),
            account_version=account.version if account else 1,
            fee_bps=account.fee_bps if account else 60,
        ),
        status=status,
        money=order.money,
        channel_reference=channel_reference,
    )


def a_preparation(attempt: Attempt) -> Preparation:
    verdicts = tuple(
        Verdict(step=step, accepted=True, rule_version="1", reasons=(f"{step} is fine",))
        for step in ("validation", "risk", "routing")
    )
    return Preparation(verdicts=verdicts, attempt=attempt)


def a_transition(
    order: PaymentOrder,
    to: PaymentStatus,
    *,
    before: PaymentState | None = None,
    attempt_status: AttemptStatus | None = None,
    evidence: EvidenceKind = EvidenceKind.ANSWER,
    at: datetime | None = None,
) -> Transition:
    """A move of a payment, by default out of `created`; ends count one notification more."""
    before = before or PaymentState(status=PaymentStatus.CREATED, version=1)
    told = to in {PaymentStatus.SUCCEEDED, PaymentStatus.FAILED, PaymentStatus.EXPIRED}
    after = PaymentState(
        status=to,
        version=before.version + 1,
        notified=before.notified + told,
        attempt_status=attempt_status or before.attempt_status,
        captured_minor=(
            order.money.amount_minor
            if AttemptStatus.CHARGED is attempt_status or to is PaymentStatus.SUCCEEDED
            else before.captured_minor
        ),
    )
    return Transition(
        payment_id=order.payment_id,
        before=before,
        after=after,
        evidence=Evidence(kind=evidence, reference="evidence-1"),
        at=at or order.created_at + timedelta(seconds=1),
    )


def a_capture(order: PaymentOrder, attempt: Attempt, *, fee_minor: int = 12) -> LedgerTransaction:
    """The books of a captured payment: the channel owes all, the merchant gets all but the fee."""
    clearing = LedgerAccountName(kind=AccountKind.CHANNEL_CLEARING, owner=attempt.route.account_id)
    merchant = LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=order.merchant_id)
    fees = LedgerAccountName(kind=AccountKind.FEE_INCOME)
    net_minor = order.money.amount_minor - fee_minor
    return LedgerTransaction(
        id=f"ltx_capture_{attempt.serial}",
        event_type="payment.captured",
        event_id=attempt.id,
        app_id=order.app_id,
        postings=(
            a_posting(debit=clearing, credit=merchant, money=_like(order.money, net_minor)),
            a_posting(debit=clearing, credit=fees, money=_like(order.money, fee_minor)),
        ),
        occurred_at=order.created_at,
    )


def a_posting(*, debit: LedgerAccountName, credit: LedgerAccountName, money: Money) -> Posting:
    return Posting(
        debit=debit, credit=credit, amount_minor=money.amount_minor, currency=money.currency
    )


def a_notification(order: PaymentOrder, *, sequence: int = 1) -> Notification:
    identifier = f"ntf_{ids.suffix_of(order.payment_id)}{sequence:02d}"
    return Notification(
        id=identifier,
        app_id=order.app_id,
        object_id=order.payment_id,
        sequence=sequence,
        type="payment.succeeded",
        body=f'{{"id":"{identifier}"}}',
        created_at=order.created_at + timedelta(seconds=1),
    )


def a_refund_move(
    order: RefundOrder,
    to: RefundStatus,
    *,
    before: RefundState | None = None,
    evidence: EvidenceKind = EvidenceKind.ANSWER,
    failure: Failure | None = None,
    exchange: Exchange | None = None,
    callback_ids: tuple[str, ...] = (),
) -> RefundMove:
    """A move of a refund, by default its first; ends count one notification more."""
    first = RefundStatus.PENDING_APPROVAL if order.needs_approval else RefundStatus.PENDING
    before = before or RefundState(status=first, version=1)
    told = to in {RefundStatus.SUCCEEDED, RefundStatus.FAILED, RefundStatus.REJECTED}
    after = RefundState(
        status=to, version=before.version + 1, notified=before.notified + told, failure=failure
    )
    transition = RefundTransition(
        refund_id=order.refund_id,
        before=before,
        after=after,
        evidence=Evidence(kind=evidence, reference="evidence-1"),
        at=order.created_at + timedelta(seconds=before.version),
    )
    return RefundMove(
        order=order, transition=transition, exchange=exchange, callback_ids=callback_ids
    )


def a_refund_posting(order: RefundOrder, event: str = "refund.accepted") -> LedgerTransaction:
    """The money of a refund leaves whose it was and is in transit."""
    account_id = order.attempt.route.account_id
    transit = LedgerAccountName(kind=AccountKind.REFUND_IN_TRANSIT, owner=account_id)
    source = (
        LedgerAccountName(kind=AccountKind.MERCHANT_PENDING, owner=order.merchant_id)
        if order.funding is RefundFunding.MERCHANT
        else LedgerAccountName(kind=AccountKind.SUSPENSE_CREDIT, owner=account_id)
    )
    return LedgerTransaction(
        id=f"ltx_{event}_{order.refund_serial}",
        event_type=event,
        event_id=order.refund_id,
        app_id=order.app_id,
        postings=(a_posting(debit=source, credit=transit, money=order.money),),
        occurred_at=order.created_at,
    )


def a_refund_notification(order: RefundOrder, *, sequence: int = 1) -> Notification:
    identifier = f"ntf_{order.refund_serial}{sequence:02d}"
    return Notification(
        id=identifier,
        app_id=order.app_id,
        object_id=order.refund_id,
        sequence=sequence,
        type="refund.succeeded",
        body=f'{{"id":"{identifier}"}}',
        created_at=order.created_at + timedelta(seconds=1),
    )


def an_exchange(operation: str = "pay", *, started_at: datetime = NOON) -> Exchange:
    return Exchange(
        operation=operation,
        request="out_trade_no=1",
        response='{"code":"10000"}',
        http_status=200,
        started_at=started_at,
        duration_ms=42,
    )


def _like(money: Money, amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency=money.currency)
