"""The payments of the demo: what is done to each, and what has to come out."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from devstack.receiver import Received, Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number
from models.money import Money

# Every wait of the demo ends; the longest row (expiry) needs a third of this.
_END_TIMEOUT_SECONDS = 60.0
# Buyer codes of the sandbox: this one pays at once, that one has too little money.
_CODE_THAT_PAYS = "280000000000000001"
_CODE_WITHOUT_MONEY = "280200000000000001"


@dataclass(frozen=True)
class Expected:
    """What has to come out. `books` is what the channel's own books have to say.

    `booked` is the sum of all debits in minor units, where it is not what was paid.
    """

    status: str
    decided_by: str
    event: str
    books: str | None
    booked: int | None = None


@dataclass(frozen=True)
class Row:
    """What came out. `problems` is empty when all of it is as expected."""

    payment_id: str
    what: str
    status: str
    decided_by: str
    journal: str
    webhook: str
    run_url: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """Everyone on stage: the app, its receiver, and the sandbox as payer and as channel.

    `till` is held while somebody pays at the till or captures, so that a fault set for one hits no
    other.
    """

    shop: Shop
    receiver: Receiver
    sandbox: SandboxControl
    till: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Story:
    """One row: `play` does it and returns the payment's id."""

    what: str
    expected: Expected
    play: Callable[[Scene], Coroutine[Any, Any, str]]


async def _paid_by_callback(scene: Scene) -> str:
    payment = await scene.shop.order(Order(amount=19_99))
    await scene.sandbox.pay(await scene.shop.serial_of(payment["id"]))
    return str(payment["id"])


async def _callback_lost(scene: Scene) -> str:
    payment = await scene.shop.order(Order(amount=45_00))
    serial = await scene.shop.serial_of(payment["id"])
    await scene.sandbox.fault("lose", out_trade_no=serial, times=None)
    await scene.sandbox.pay(serial)
    return str(payment["id"])


async def _answer_dropped(scene: Scene) -> str:
    order = Order(amount=8_80, method="alipay_buyer_code", payer_code=_CODE_THAT_PAYS)
    async with scene.till:
        await scene.sandbox.fault("drop_after", method="alipay.trade.pay")
        # Its callback is lost too: asking is the only way to find out.
        await scene.sandbox.fault("lose", method="alipay.trade.pay", times=None)
        return str((await scene.shop.order(order))["id"])


async def _expires(scene: Scene) -> str:
    payment = await scene.shop.order(Order(amount=12_00, expires_in=None))
    await scene.sandbox.open(await scene.shop.serial_of(payment["id"]))
    return str(payment["id"])


async def _ordered_twice(scene: Scene) -> str:
    order, number = Order(amount=66_60), new_order_number()
    first, second = await asyncio.gather(
        scene.shop.order(order, order_no=number), scene.shop.order(order, order_no=number)
    )
    third = await scene.shop.order(order, order_no=number)
    if len({first["id"], second["id"], third["id"]}) != 1:
        raise AssertionError("the same order gave two payments")
    await scene.sandbox.pay(await scene.shop.serial_of(first["id"]))
    return str(first["id"])


async def _refused(scene: Scene) -> str:
    order = Order(amount=99_00, method="alipay_buyer_code", payer_code=_CODE_WITHOUT_MONEY)
    async with scene.till:
        return str((await scene.shop.order(order))["id"])


async def _card_with_3ds(scene: Scene) -> str:
    order = Order(
        amount=25_00,
        currency="USD",
        method="stripe_card",
        payer_code="pm_card_threeDSecure2Required",
        return_url="https://shop.example/back",
    )
    payment = await scene.shop.order(order)
    await scene.sandbox.pay(await scene.shop.serial_of(payment["id"]))
    return str(payment["id"])


async def _refunded(scene: Scene) -> str:
    payment_id = await _paid_by_callback(scene)
    await scene.receiver.wait_for(payment_id)
    serial = await scene.shop.serial_of(payment_id)
    await scene.sandbox.fault("drop_after", method="alipay.trade.refund", out_trade_no=serial)
    refund = await scene.shop.refund(payment_id, 5_00)
    await scene.receiver.wait_for(refund["id"])
    return payment_id


async def _held_and_captured(scene: Scene) -> str:
    payment = await scene.shop.order(Order(amount=19_99, capture_method="manual"))
    payment_id = str(payment["id"])
    await scene.sandbox.pay(await scene.shop.serial_of(payment_id))
    await scene.receiver.wait_for(payment_id, lambda event: event.type == _HELD)
    async with scene.till:  # what takes held money is the request that pays at the till
        await scene.shop.capture(payment_id, 15_00)
    await scene.receiver.wait_for(payment_id, lambda event: event.type == _CAPTURED)
    return payment_id


_PAID = "payment.succeeded"
_HELD, _CAPTURED = "payment.requires_capture", "payment.partially_captured"
_TAKEN = frozenset({"succeeded", "partially_captured"})
PAID_BY_CALLBACK = "QR code, paid by callback"
STORIES = (
    Story(
        "answer dropped after the money moved",
        Expected("succeeded", "query", _PAID, "paid"),
        _answer_dropped,
    ),
    Story(
        PAID_BY_CALLBACK,
        Expected("succeeded", "callback", _PAID, "paid"),
        _paid_by_callback,
    ),
    Story(
        "callback lost, found by query",
        Expected("succeeded", "query", _PAID, "paid"),
        _callback_lost,
    ),
    Story(
        "nobody pays: closed at the channel",
        Expected("expired", "query", "payment.expired", "closed"),
        _expires,
    ),
    Story(
        "the same order three times",
        Expected("succeeded", "callback", _PAID, "paid"),
        _ordered_twice,
    ),
    Story(
        "card, confirmed with 3-D Secure",
        Expected("succeeded", "callback", _PAID, "paid"),
        _card_with_3ds,
    ),
    Story(
        "5.00 back, the refund's answer lost",
        # 19.99 taken, 5.00 set aside, 5.00 given back.
        Expected("succeeded", "callback", f"{_PAID}, refund.succeeded", "paid", booked=29_99),
        _refunded,
    ),
    Story(
        "pre-authorization, 15.00 of 19.99 captured",
        Expected("partially_captured", "answer", f"{_HELD}, {_CAPTURED}", "paid", booked=15_00),
        _held_and_captured,
    ),
    Story(
        "payer's balance is too low",
        Expected("failed", "answer", "payment.failed", None),
        _refused,
    ),
)


async def play(story: Story, scene: Scene) -> Row:
    """Play one story to its end and compare."""
    payment_id = await story.play(scene)
    await _wait_for_news(scene, payment_id)
    told = await scene.shop.explain(payment_id)
    trade = await scene.sandbox.trade(told["payment"]["serial"] or "")
    return _compare(story, told, trade, scene.receiver)


async def _wait_for_news(scene: Scene, payment_id: str) -> None:
    try:
        async with asyncio.timeout(_END_TIMEOUT_SECONDS):
            await scene.receiver.wait_for(payment_id)
    except TimeoutError:
        return  # the row will say that no webhook came


def _compare(
    story: Story, told: dict[str, Any], trade: dict[str, Any] | None, receiver: Receiver
) -> Row:
    payment, expected = told["payment"], story.expected
    decided_by = _decided_by(told["timeline"])
    journal = _journal(told["timeline"], payment["currency"])
    events = receiver.about(payment["id"])
    is_paid = expected.status in _TAKEN
    times_taken = trade["executions"] if trade else 0
    booked = expected.booked or (payment["amount"] if is_paid else 0)
    problems = [
        *_differs("status", payment["status"], expected.status),
        *_differs("decided by", decided_by, expected.decided_by),
        *_differs("webhooks", ", ".join(e.type for e in events), expected.event),
        *_differs("signatures right", all(e.verified for e in events), True),
        *_differs("channel's books", trade and trade["status"], expected.books),
        *_differs("times the channel took money", times_taken, int(is_paid)),
        *_differs("journal's debit", journal.debit_minor, booked),
        *_differs("journal's balance", journal.debit_minor - journal.credit_minor, 0),
    ]
    return Row(
        payment_id=payment["id"],
        what=story.what,
        status=payment["status"],
        decided_by=decided_by,
        journal=journal.in_words(payment["currency"]),
        webhook=", ".join(_webhook(event) for event in events) or "none",
        run_url=told["run_url"] or "",
        problems=tuple(problems),
    )


def _webhook(event: Received) -> str:
    return f"{event.type.removeprefix('payment.')}, {'signed' if event.verified else 'NOT SIGNED'}"


def _differs(what: str, actual: object, expected: object) -> tuple[str, ...]:
    return () if actual == expected else (f"{what}: {actual!r} instead of {expected!r}",)


def _decided_by(timeline: list[dict[str, Any]]) -> str:
    """The kind of evidence behind its last move: `requires_action -> succeeded (callback)`."""
    moves = [
        entry["summary"]
        for entry in timeline
        if entry["kind"] == "status" and "refund_id" not in entry["detail"]
    ]
    return str(moves[-1]).rpartition("(")[2].rstrip(")") if moves else "nothing"


@dataclass(frozen=True)
class _Journal:
    """Both sides of what the books say of one payment."""

    debit_minor: int
    credit_minor: int

    def in_words(self, currency: str) -> str:
        debit = Money(amount_minor=self.debit_minor, currency=currency)
        credit = Money(amount_minor=self.credit_minor, currency=currency)
        if debit == credit:
            return f"{debit.to_decimal()} = {credit}" if self.debit_minor else "nothing booked"
        return f"{debit.to_decimal()} ≠ {credit}"


def _journal(timeline: list[dict[str, Any]], currency: str) -> _Journal:
    """The sums of lines such as `debit 1101:acc_… 19.99 CNY`."""
    sums = {"debit": 0, "credit": 0}
    for entry in timeline:
        if entry["kind"] != "ledger":
            continue
        for name, line in entry["detail"].items():
            if name.startswith("line_"):
                side, _, amount, _ = line.split(" ")
                sums[side] += Money.from_decimal_text(amount, currency).amount_minor
    return _Journal(debit_minor=sums["debit"], credit_minor=sums["credit"])
