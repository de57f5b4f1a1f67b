"""Which picture the cash desk shows, for each way a payment can stand."""

from datetime import timedelta

import pytest

from api.checkout.language import choose_language
from api.checkout.view import DeskState, desk_of, is_gone, state_of
from models.channel import Confirm, NextAction, Redirect, ShowQrCode, SubmitForm
from models.merchant import App, Merchant
from models.payment import AttemptStatus, Failure, LateSuccessPolicy, PaymentState, PaymentStatus
from models.views import RecordedOrder
from storage.checkout import Checkout
from tests.factories import NOON, an_attempt, an_order

TOKEN = "t" * 43
DESK = Redirect(url=f"https://pay.example/checkout/{TOKEN}")
CODE = ShowQrCode(content="https://qr.example/1", expires_at=NOON)


def a_checkout(
    status: PaymentStatus,
    *,
    action: NextAction | None = None,
    attempt: AttemptStatus | None = None,
    failure: Failure | None = None,
) -> Checkout:
    order = an_order().model_copy(update={"method": None, "checkout_token": TOKEN})
    state = PaymentState(
        status=status, version=3, attempt_status=attempt, failure=failure, next_action=action
    )
    return Checkout(
        recorded=RecordedOrder(order=order, state=state, is_new=False),
        app=App(
            id=order.app_id,
            name="Shop",
            status="active",
            webhook_url=None,
            webhook_paused_at=None,
            late_success=LateSuccessPolicy.ASK,
            payment_limit_minor=None,
            created_at=NOON,
        ),
        merchant=Merchant(
            id=order.merchant_id, app_id=order.app_id, name="Tea", status="active", created_at=NOON
        ),
        attempts=(an_attempt(order),) if attempt else (),
        accounts=(),
    )


@pytest.mark.parametrize(
    ("checkout", "shown"),
    [
        (a_checkout(PaymentStatus.CREATED), DeskState.WAITING),
        (a_checkout(PaymentStatus.REQUIRES_ACTION, action=DESK), DeskState.CHOOSE),
        (
            a_checkout(PaymentStatus.REQUIRES_ACTION, action=DESK, attempt=AttemptStatus.FAILED),
            DeskState.CHOOSE,
        ),
        (
            a_checkout(PaymentStatus.REQUIRES_ACTION, action=CODE, attempt=AttemptStatus.PENDING),
            DeskState.WAITING,
        ),
        (
            a_checkout(PaymentStatus.PROCESSING, attempt=AttemptStatus.PENDING),
            DeskState.WAITING,
        ),
        (
            a_checkout(PaymentStatus.PROCESSING, attempt=AttemptStatus.UNKNOWN),
            DeskState.UNKNOWN,
        ),
        (a_checkout(PaymentStatus.REVIEW, attempt=AttemptStatus.UNKNOWN), DeskState.UNKNOWN),
        (
            a_checkout(PaymentStatus.REQUIRES_CAPTURE, attempt=AttemptStatus.AUTHORIZED),
            DeskState.HELD,
        ),
        (a_checkout(PaymentStatus.SUCCEEDED, attempt=AttemptStatus.CHARGED), DeskState.PAID),
        (
            a_checkout(PaymentStatus.PARTIALLY_CAPTURED, attempt=AttemptStatus.CHARGED),
            DeskState.PAID,
        ),
        (a_checkout(PaymentStatus.FAILED, attempt=AttemptStatus.FAILED), DeskState.REFUSED),
        (a_checkout(PaymentStatus.EXPIRED), DeskState.EXPIRED),
        (a_checkout(PaymentStatus.CANCELED), DeskState.CANCELED),
    ],
)
def test_each_way_a_payment_stands_has_its_picture(checkout: Checkout, shown: DeskState) -> None:
    assert state_of(checkout, NOON) is shown


def test_a_choice_is_over_when_time_is_up_and_an_attempt_is_not() -> None:
    choosing = a_checkout(PaymentStatus.REQUIRES_ACTION, action=DESK)
    waiting = a_checkout(PaymentStatus.REQUIRES_ACTION, action=CODE, attempt=AttemptStatus.PENDING)
    late = choosing.recorded.order.expires_at

    assert state_of(choosing, late) is DeskState.EXPIRED
    assert state_of(waiting, late) is DeskState.WAITING
    assert not is_gone(choosing, late + timedelta(hours=23))
    assert is_gone(choosing, late + timedelta(hours=24))


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        (Redirect(url="https://cashier.example/pay?a=b"), True),
        (SubmitForm(url="https://cashier.example", fields={}), True),
        (Confirm(instructions="look at your phone"), True),
        (Redirect(url="javascript:alert(1)"), False),
        (SubmitForm(url="https://a.example;script-src *", fields={}), False),
        (SubmitForm(url="https://me@a.example/", fields={}), False),
    ],
)
def test_only_addresses_of_the_web_are_followed(action: NextAction, *, shown: bool) -> None:
    waiting = a_checkout(
        PaymentStatus.REQUIRES_ACTION, action=action, attempt=AttemptStatus.PENDING
    )

    desk = desk_of(waiting, {}, on_phone=False, now=NOON)

    assert (desk.action is not None) == shown


def test_a_refusal_is_told_where_the_payer_can_choose_again_and_at_the_end() -> None:
    refusal = Failure(code="insufficient_funds", detail="not enough")
    again = a_checkout(PaymentStatus.REQUIRES_ACTION, action=DESK, failure=refusal)
    over = a_checkout(PaymentStatus.FAILED, failure=refusal)
    expired = a_checkout(PaymentStatus.EXPIRED, failure=Failure(code="expired", detail="late"))

    shown = [desk_of(one, {}, on_phone=True, now=NOON).refusal for one in (again, over, expired)]

    assert shown == ["insufficient_funds", "insufficient_funds", None]


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.5", "zh"),
        ("zh; q=0.9, en; q=0.1", "zh"),
        ("zh;q=0, en", "en"),
        ("fr, de", "en"),
        ("", "en"),
        ("*;q=x,,;", "en"),
    ],
)
def test_the_dearest_language_that_we_have_is_chosen(accepted: str, code: str) -> None:
    assert choose_language(asked=None, kept=None, accepted=accepted).code == code


def test_what_was_asked_for_counts_before_what_was_kept_before_what_the_browser_says() -> None:
    assert choose_language(asked="zh", kept="en", accepted="en").code == "zh"
    assert choose_language(asked="xx", kept="zh", accepted="en").code == "zh"
