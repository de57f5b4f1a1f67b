"""Balance transactions, the balance, and events: what there is to reconcile with."""

import pytest

from tests.sandbox.card_shop import CardShop
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        (100_00, 3_20),  # 2.9 % is 2.90, and 0.30
        (19_99, 88),  # 2.9 % is 0.57971: 0.58, and 0.30
        (50, 31),  # 2.9 % is 0.0145: 0.01, and 0.30
        (5_00, 45),  # 2.9 % is 0.145, half a cent goes up: 0.15, and 0.30
    ],
)
async def test_a_captured_charge_costs_a_fee(shop: CardShop, amount: int, fee: int) -> None:
    paid = await shop.pay("pm_card_visa", order=a_number(), amount=amount)

    lines = (await shop.get("balance_transactions"))["data"]

    assert [(line["type"], line["source"]) for line in lines] == [("charge", paid["latest_charge"])]
    line = lines[0]
    assert (line["amount"], line["fee"], line["net"]) == (amount, fee, amount - fee)
    assert await shop.get(f"balance_transactions/{line['id']}") == line


async def test_the_fee_of_an_account_can_be_chosen(control: Control, shop: CardShop) -> None:
    registered = await control.post("/stripe/accounts", fee_bps=140, fee_fixed_minor=25)
    cheap = CardShop(registered, shop.client)
    await cheap.pay("pm_card_visa", order=a_number(), amount=100_00)

    lines = (await cheap.get("balance_transactions"))["data"]

    assert [line["fee"] for line in lines] == [1_65]


async def test_only_money_that_moved_is_on_the_statement(shop: CardShop) -> None:
    await shop.try_to_pay("pm_card_chargeDeclined", order=a_number())
    held = await shop.pay("pm_card_visa", order=a_number(), amount=80_00, capture_method="manual")
    before = (await shop.get("balance_transactions"))["data"]

    await shop.post(f"payment_intents/{held['id']}/capture", amount_to_capture=50_00)
    refund = await shop.refund(held["id"], amount=20_00)
    after = (await shop.get("balance_transactions"))["data"]

    assert before == []
    assert [(line["type"], line["amount"], line["fee"]) for line in after] == [
        ("refund", -20_00, 0),
        ("charge", 50_00, 1_75),
    ]
    assert after[0]["source"] == refund["id"]
    balance = await shop.get("balance")
    assert balance["pending"][0]["amount"] == 50_00 - 1_75 - 20_00
    assert balance["available"][0]["amount"] == 0


async def test_a_failed_refund_comes_back(shop: CardShop, control: Control) -> None:
    await control.put("/settings", time_scale=1000)
    paid = await shop.pay("pm_card_refundFail", order=a_number(), amount=100_00)
    refund = await shop.refund(paid["id"])

    await control.post("/stripe/settle", id=refund["id"])

    lines = (await shop.get("balance_transactions", source=refund["id"]))["data"]
    assert [(line["type"], line["amount"]) for line in lines] == [
        ("refund_failure", 100_00),
        ("refund", -100_00),
    ]


async def test_the_statement_is_read_by_time_and_type_and_page(shop: CardShop) -> None:
    for _ in range(3):
        paid = await shop.pay("pm_card_visa", order=a_number())
        await shop.refund(paid["id"], amount=1_00)
    at = (await shop.get("balance_transactions", limit=1))["data"][0]["created"]

    charges = await shop.get("balance_transactions", type="charge", limit=100)
    first = await shop.get("balance_transactions", limit=4)
    last = await shop.get("balance_transactions", starting_after=first["data"][-1]["id"])
    early = await shop.get("balance_transactions", created={"lt": at - 3600})
    all_of_it = await shop.get("balance_transactions", created={"gte": at - 3600, "lt": at + 1})

    assert len(charges["data"]) == 3
    assert (len(first["data"]), first["has_more"]) == (4, True)
    assert (len(last["data"]), last["has_more"]) == (2, False)
    assert early["data"] == []
    assert len(all_of_it["data"]) == 6


async def test_a_line_leads_to_the_order_it_belongs_to(shop: CardShop) -> None:
    order = a_number()
    paid = await shop.pay("pm_card_visa", order=order)
    await shop.refund(paid["id"], metadata={"refund": "R1"})

    page = await shop.get("balance_transactions", expand=["data.source.payment_intent"])

    refund, charge = (line["source"] for line in page["data"])
    assert (refund["object"], refund["metadata"]) == ("refund", {"refund": "R1"})
    assert charge["payment_intent"]["metadata"] == {"order": order}


@pytest.mark.parametrize("path", ["nothing", "data.amount", "data.source.x.y.z"])
async def test_what_cannot_be_expanded_is_refused(shop: CardShop, path: str) -> None:
    await shop.pay("pm_card_visa", order=a_number())

    answer = await shop.get_raw(f"balance_transactions?expand[]={path}")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expand")


async def test_yen_have_no_cents(shop: CardShop) -> None:
    await shop.pay("pm_card_visa", order=a_number(), amount=1_000, currency="jpy")

    line = (await shop.get("balance_transactions", currency="jpy"))["data"][0]

    assert (line["amount"], line["fee"], line["currency"]) == (1_000, 59, "jpy")


async def test_events_are_kept_as_they_were(shop: CardShop) -> None:
    paid = await shop.pay("pm_card_visa", order=a_number(), key="the-key")
    await shop.refund(paid["id"])

    events = (await shop.get("events"))["data"]
    succeeded = await shop.get("events", type="payment_intent.succeeded")

    assert [event["type"] for event in events] == ["charge.refunded", "payment_intent.succeeded"]
    event = succeeded["data"][0]
    assert event["data"]["object"] == paid
    assert event["request"]["idempotency_key"] == "the-key"
    assert await shop.get(f"events/{event['id']}") == event


async def test_totals_add_up_by_currency(shop: CardShop, control: Control) -> None:
    before = (await control.get("/totals"))["stripe"]
    paid = await shop.pay("pm_card_visa", order=a_number(), amount=100_00, currency="gbp")
    await shop.refund(paid["id"], amount=25_00)

    after = (await control.get("/totals"))["stripe"]

    def grew(name: str) -> int:
        return int(after[name]["GBP"]) - int(before[name].get("GBP", 0))

    assert (grew("captured"), grew("refunded"), grew("fees")) == (100_00, 25_00, 3_20)
    assert after["executions"] == before["executions"] + 1


async def test_the_statement_can_be_made_to_lie(shop: CardShop, control: Control) -> None:
    orders = [a_number() for _ in range(4)]
    for order in orders:
        await shop.pay("pm_card_visa", order=order, amount=100_00)
    plants: list[dict[str, object]] = [
        {"type": "missing_row", "number": orders[0]},
        {"type": "other_amount", "number": orders[1], "amount_minor": 99_00},
        {"type": "other_fee", "number": orders[2], "amount_minor": 4_00},
        {"type": "duplicate_row", "number": orders[3]},
        {"type": "extra_row", "number": "T-NOBODY", "amount_minor": 1_00, "kind": "refund"},
    ]

    for plant in plants:
        await control.post("/stripe/plants", account_id=shop.id, **plant)
    first = await shop.get("balance_transactions", limit=2)
    rest = await shop.get("balance_transactions", starting_after=first["data"][-1]["id"])
    shown = await shop.get("balance_transactions", limit=1, expand=["data.source"])
    await control.delete("/stripe/plants")
    truth = (await shop.get("balance_transactions"))["data"]

    lines = [(line["amount"], line["fee"]) for line in first["data"] + rest["data"]]
    assert lines == [
        (-1_00, 0),
        (100_00, 3_20),
        (100_00, 3_20),
        (100_00, 4_00),
        (99_00, 3_20),
    ]
    assert shown["data"][0]["source"]["metadata"] == {"refund": "T-NOBODY"}
    assert first["data"][1]["source"] == rest["data"][0]["source"]
    assert [(line["amount"], line["fee"]) for line in truth] == [(100_00, 3_20)] * 4
