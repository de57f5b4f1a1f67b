"""Validation, risk, routing, fees and postings: each verdict, with its reasons."""

from datetime import UTC, datetime, timedelta

from domain.postings import capture_transaction, late_suspense_transaction
from domain.risk import assess_risk
from domain.routing import plan_route
from domain.validation import validate_order
from models.channel import (
    Capabilities,
    ChannelAccount,
    ChannelAccountStatus,
    Method,
    Operation,
    Route,
)
from models.merchant import App, Merchant
from models.money import Money
from models.payment import (
    Attempt,
    AttemptStatus,
    Evidence,
    EvidenceKind,
    LateSuccess,
    LateSuccessPolicy,
    PaymentOrder,
    PaymentState,
    PaymentStatus,
    Transition,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALIPAY = Capabilities(
    methods=(Method(name="alipay_qr", title="QR", repeat_safe=True),),
    operations=frozenset({Operation.PAY}),
    currencies=frozenset({"CNY"}),
    amount_min_minor=1,
    amount_max_minor=10_000,
    expiry_max_seconds=3600,
    timezone="Asia/Shanghai",
)
APP = App(
    id="app_1",
    name="shop",
    status="active",
    webhook_url=None,
    webhook_paused_at=None,
    late_success=LateSuccessPolicy.REFUND,
    payment_limit_minor=5_000,
    created_at=NOW,
)
MERCHANT = Merchant(id="mer_1", app_id="app_1", name="tea", status="active", created_at=NOW)


def order(amount: int = 1999, currency: str = "CNY", method: str = "alipay_qr") -> PaymentOrder:
    return PaymentOrder(
        payment_id="pay_01",
        app_id="app_1",
        merchant_id="mer_1",
        order_no="A-1",
        money=Money(amount_minor=amount, currency=currency),
        method=method,
        subject="tea",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
        initiate_by=NOW + timedelta(minutes=15),
        late_success=LateSuccessPolicy.REFUND,
        fingerprint="f",
    )


def account(name: str, fee_bps: int = 60) -> ChannelAccount:
    return ChannelAccount(
        id=name,
        merchant_id="mer_1",
        app_id="app_1",
        channel="alipay",
        version=4,
        status=ChannelAccountStatus.ACTIVE,
        methods=("alipay_qr",),
        fee_bps=fee_bps,
        parameters={},
        created_at=NOW,
    )


def attempt(fee_bps: int = 60, amount: int = 1999) -> Attempt:
    return Attempt(
        id="att_0101",
        payment_id="pay_01",
        number=1,
        serial="0101",
        route=Route(channel="alipay", account_id="acc_1", account_version=1, fee_bps=fee_bps),
        status=AttemptStatus.CHARGED,
        money=Money(amount_minor=amount, currency="CNY"),
    )


def transition(captured_minor: int = 1999) -> Transition:
    state = PaymentState(status=PaymentStatus.SUCCEEDED, version=2, captured_minor=captured_minor)
    return Transition(
        payment_id="pay_01",
        before=state,
        after=state,
        evidence=Evidence(kind=EvidenceKind.QUERY),
        at=NOW,
    )


def test_a_disabled_merchant_takes_no_payment() -> None:
    verdict = validate_order(
        order(), app=APP, merchant=MERCHANT.model_copy(update={"status": "disabled"})
    )

    assert not verdict.accepted
    assert verdict.reasons == ("merchant mer_1 is disabled",)


def test_a_merchant_of_another_app_takes_no_payment() -> None:
    verdict = validate_order(
        order(), app=APP, merchant=MERCHANT.model_copy(update={"app_id": "app_2"})
    )

    assert not verdict.accepted


def test_the_limit_itself_is_still_taken() -> None:
    assert assess_risk(order(5_000), app=APP).accepted
    assert not assess_risk(order(5_001), app=APP).accepted


def test_no_limit_means_none() -> None:
    assert assess_risk(
        order(9_999_999), app=APP.model_copy(update={"payment_limit_minor": None})
    ).accepted


def test_the_oldest_account_wins_and_its_price_is_kept_with_the_route() -> None:
    verdict, route = plan_route(
        order(), accounts=[account("acc_1"), account("acc_2")], capabilities={"alipay": ALIPAY}
    )

    assert verdict.accepted
    assert route == Route(channel="alipay", account_id="acc_1", account_version=4, fee_bps=60)


def test_an_account_tried_in_vain_is_left_out() -> None:
    _, route = plan_route(
        order(),
        accounts=[account("acc_1"), account("acc_2")],
        capabilities={"alipay": ALIPAY},
        tried={"acc_1"},
    )

    assert route is not None
    assert route.account_id == "acc_2"


def test_no_account_can_do_it_and_every_reason_is_given() -> None:
    for asked, reason in (
        (order(currency="USD"), "acc_1: alipay does not take USD"),
        (order(10_001), "acc_1: alipay takes 1 to 10000 minor units"),
        (order(method="alipay_page"), "acc_1: alipay has no alipay_page"),
    ):
        verdict, route = plan_route(
            asked, accounts=[account("acc_1")], capabilities={"alipay": ALIPAY}
        )

        assert route is None
        assert verdict.reasons == (reason,)


def test_a_capture_owes_the_merchant_all_less_the_fee() -> None:
    booked = capture_transaction(order(), attempt(), transition())

    # 19.99 at 60 basis points is 0.11994, rounded to 0.12; the merchant gets 19.87.
    assert [(str(p.debit), str(p.credit), p.amount_minor) for p in booked.postings] == [
        ("1101:acc_1", "2101:mer_1", 1987),
        ("1101:acc_1", "4101", 12),
    ]


def test_no_fee_means_no_posting_of_nothing() -> None:
    booked = capture_transaction(order(), attempt(fee_bps=0), transition())

    assert [(str(p.credit), p.amount_minor) for p in booked.postings] == [("2101:mer_1", 1999)]


def test_late_money_that_is_not_accepted_waits_in_suspense() -> None:
    late = LateSuccess(
        payment_id="pay_01",
        attempt_id="att_0101",
        callback_id="cb_1",
        policy=LateSuccessPolicy.REFUND,
        money=Money(amount_minor=1999, currency="CNY"),
        channel_reference="2026",
    )

    booked = late_suspense_transaction(order(), attempt(), late, transition())

    assert [(str(p.debit), str(p.credit), p.amount_minor) for p in booked.postings] == [
        ("1101:acc_1", "2401:acc_1", 1999)
    ]
