"""A day against the channel's statement, through the API: real PostgreSQL, Temporal, workflows.

Every bill is written down here, and all sums were worked out by hand.
"""

import asyncio
from datetime import timedelta
from typing import Any

from api.sweepers import Sweeper, Timing
from models.channel import Approved, Pending
from models.ledger import AccountKind
from models.merchant import Role
from models.money import Money
from tests.api.days import (
    booked,
    discrepancies,
    ended,
    foreign_line,
    line,
    order_day,
    reconcile,
    refund_line,
    today,
    upload,
)
from tests.api.testpay import Bill
from tests.api.world import World, code_of


async def test_a_day_on_which_all_agrees_is_balanced(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    first, second = await world.paid_payment(tenant), await world.paid_payment(tenant, amount=500)
    refund_id = (await world.refund(tenant, first)).json()["id"]
    await world.refunded(refund_id)
    world.channel.bills[tenant.account_id] = Bill(
        [line(first, 1999, 12), line(second, 500, 3), refund_line(first, refund_id)]
    )

    ordered = await order_day(world, finance, tenant)
    day = await ended(world, finance, ordered)

    assert (ordered.status_code, ordered.json()["business_day"]) == (202, str(today()))
    assert (day["status"], day["runs"], day["unresolved"]) == ("balanced", 1, 0)
    assert (day["result"]["lines"], day["result"]["matched"]) == (3, 3)
    sides = {side["kind"]: side for side in day["result"]["totals"]}
    assert (sides["payment"]["statement"], sides["payment"]["ours"]) == (2499, 2499)
    assert (sides["refund"]["statement"], sides["refund"]["ours"]) == (500, 500)
    assert day["statement"]["source"] == "fetched"
    # 12 + 3 were taken by the channel.
    assert await booked(world, AccountKind.CHANNEL_FEE_COST, tenant.account_id) == 15
    # 19.99 + 5.00 came in, 5.00 went back, 0.15 the channel kept.
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 1984


async def test_every_difference_of_a_day_gets_its_class_and_the_sums_hold(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    right, wrong, twice, only_ours = [await world.paid_payment(tenant) for _ in range(4)]
    world.channel.bills[tenant.account_id] = Bill(
        [
            line(right),
            line(wrong, 1899),
            line(twice),
            line(twice, channel_reference="another"),
            foreign_line(700),
        ]
    )

    day = await reconcile(world, finance, tenant)
    found = await discrepancies(world, finance, day)

    assert (day["status"], day["unresolved"]) == ("discrepancies", 4)
    assert day["result"]["classes"] == {
        "amount_diff": 1,
        "channel_only": 1,
        "duplicate": 1,
        "ours_only": 1,
    }
    (side,) = day["result"]["totals"]
    # The channel: 1999 + 1899 + 1999 + 1999 + 700. Ours: four times 1999.
    assert (side["statement"], side["ours"], side["difference"]) == (8596, 7996, 600)
    amounts = {name: (one["statement_amount"], one["our_amount"]) for name, one in found.items()}
    assert amounts == {
        "amount_diff": (1899, 1999),
        "channel_only": (700, None),
        "duplicate": (1999, None),
        "ours_only": (None, 1999),
    }
    assert (found["ours_only"]["status"], found["ours_only"]["payment_id"]) == (
        "carried",
        only_ours,
    )
    assert found["channel_only"]["repairs"] == ["dismiss", "suspense", "write_off"]


async def test_the_same_day_again_changes_nothing(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = await world.paid_payment(tenant)
    world.channel.bills[tenant.account_id] = Bill([line(payment_id, fee=12), foreign_line(700)])
    first = await reconcile(world, finance, tenant)
    before = await _counts(world)

    again = await reconcile(world, finance, tenant)

    changing = {"runs", "finished_at", "result"}
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in first.items() if k not in changing
    }
    assert again["result"] | {"seconds": 0} == first["result"] | {"seconds": 0}
    assert (first["runs"], again["runs"]) == (1, 2)
    assert await _counts(world) == before


async def test_a_corrected_statement_books_the_difference_of_the_fees(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = await world.paid_payment(tenant)
    bill = world.channel.bills[tenant.account_id] = Bill([line(payment_id, fee=12)])
    fees = []

    for fee in (12, 20, 12, 12):
        bill.lines = [line(payment_id, fee=fee)]
        await reconcile(world, finance, tenant)
        fees.append(await booked(world, AccountKind.CHANNEL_FEE_COST, tenant.account_id))

    assert fees == [12, 20, 12, 12]


async def test_a_payment_whose_callback_was_lost_is_booked_by_its_own_run(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = (await world.pay(tenant)).json()["id"]
    paid = line(payment_id)
    world.channel.says[paid.serial] = _approved(1999)
    world.channel.bills[tenant.account_id] = Bill([paid])

    day = await reconcile(world, finance, tenant)
    found = await discrepancies(world, finance, day)
    told = await world.call("GET", f"/v1/payments/{payment_id}/explain", key=tenant.key)

    assert (found["status_diff"]["status"], found["status_diff"]["resolution"]) == (
        "resolved",
        "booked",
    )
    assert (day["status"], day["unresolved"]) == ("balanced", 0)
    assert told.json()["payment"]["status"] == "succeeded"
    moves = [e["summary"] for e in told.json()["timeline"] if e["kind"] == "status"]
    assert moves[-1].endswith("succeeded (statement)")


async def test_money_for_a_payment_that_was_over_is_late_money(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    answer = await world.pay(tenant, late_success="accept")
    payment_id = answer.json()["id"]
    await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key, body={})
    await world.ended(payment_id)
    paid = line(payment_id)
    world.channel.says[paid.serial] = _approved(1999)
    world.channel.bills[tenant.account_id] = Bill([paid])

    day = await reconcile(world, finance, tenant)
    found = await discrepancies(world, finance, day)

    assert found["status_diff"]["resolution"] == "booked"
    assert await world.status(tenant, payment_id) == "succeeded"
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 1999


async def test_a_refund_nobody_told_us_of_is_booked_by_its_own_run(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    payment_id = await world.paid_payment(tenant)
    serial = line(payment_id).serial
    world.channel.refund_says[serial] = Pending()
    refund = (await world.refund(tenant, payment_id)).json()
    assert refund["status"] == "pending"
    world.channel.bills[tenant.account_id] = Bill(
        [line(payment_id), refund_line(payment_id, refund["id"])]
    )

    day = await reconcile(world, finance, tenant)
    found = await discrepancies(world, finance, day)
    after = await world.call("GET", f"/v1/refunds/{refund['id']}", key=tenant.key)

    assert (found["status_diff"]["kind"], found["status_diff"]["resolution"]) == (
        "refund",
        "booked",
    )
    assert (day["status"], after.json()["status"]) == ("balanced", "succeeded")


async def test_a_day_on_which_the_channel_says_nothing_moved(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)

    day = await reconcile(world, finance, tenant)

    assert (day["status"], day["result"]["lines"]) == ("balanced", 0)
    assert day["statement"] == {"source": "empty", "sha256": "", "bytes": 0}


async def test_a_day_that_has_not_begun_is_refused(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)

    answer = await order_day(world, finance, tenant, today() + timedelta(days=1))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/business_day")


async def test_an_account_nobody_has_is_not_found(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    body = {"account_id": "acc_01KAH3W3F0Q7V2H8T0M4X5N6P7", "business_day": str(today())}

    answer = await world.call("POST", "/v1/reconciliations", key=finance, body=body)
    uploaded = await upload(world, finance, tenant, b"x", account_id=body["account_id"])

    assert (answer.status_code, uploaded.status_code) == (404, 404)


async def test_apps_see_nothing_of_it(world: World) -> None:
    tenant = await world.tenant()

    ordered = await order_day(world, tenant.key, tenant)
    uploaded = await upload(world, tenant.key, tenant, b"x")
    listed = await world.call("GET", "/v1/reconciliations", key=tenant.key)

    assert {ordered.status_code, uploaded.status_code, listed.status_code} == {403}


async def test_lists_are_paged_and_filtered(world: World) -> None:
    tenant, ops = await world.tenant(), await world.key(Role.OPS)
    other = await world.tenant()
    for one in (tenant, other):
        await reconcile(world, ops, one)
    path = "/v1/reconciliations"

    first = (await world.call("GET", f"{path}?limit=1", key=ops)).json()
    second = (
        await world.call("GET", f"{path}?limit=1&cursor={first['next_cursor']}", key=ops)
    ).json()
    mine = (await world.call("GET", f"{path}?account_id={tenant.account_id}", key=ops)).json()
    failed = (
        await world.call("GET", f"{path}?account_id={tenant.account_id}&status=failed", key=ops)
    ).json()
    of_today = (await world.call("GET", f"{path}?business_day={today()}&limit=2", key=ops)).json()
    long_ago = (await world.call("GET", f"{path}?business_day=2026-01-31", key=ops)).json()

    assert first["items"][0]["account_id"] == other.account_id
    assert second["items"][0]["account_id"] == tenant.account_id
    assert [item["account_id"] for item in mine["items"]] == [tenant.account_id]
    assert (failed["items"], long_ago["items"]) == ([], [])
    assert {item["id"] for item in of_today["items"]} == {
        first["items"][0]["id"],
        second["items"][0]["id"],
    }


async def test_finance_signs_a_day_off_once_nothing_is_open(world: World) -> None:
    tenant, finance, ops = (
        await world.tenant(),
        await world.key(Role.FINANCE),
        await world.key(Role.OPS),
    )
    world.channel.bills[tenant.account_id] = Bill([foreign_line(700)])
    day = await reconcile(world, finance, tenant)
    path = f"/v1/reconciliations/{day['id']}/sign-off"

    early = await world.call("POST", path, key=finance)
    world.channel.bills[tenant.account_id] = Bill([])
    await reconcile(world, finance, tenant)
    by_ops = await world.call("POST", path, key=ops)
    signed = await world.call("POST", path, key=finance)
    again = await world.call("POST", path, key=finance)
    rerun = await order_day(world, finance, tenant)

    assert (early.status_code, code_of(early)) == (409, "discrepancies-open")
    assert (by_ops.status_code, code_of(by_ops)) == (403, "forbidden")
    assert (signed.status_code, signed.json()["status"]) == (200, "signed_off")
    assert again.json() == signed.json()
    assert (rerun.status_code, code_of(rerun)) == (409, "invalid-state")


async def test_a_day_that_temporal_did_not_hear_of_is_started_by_the_sweeper(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    async with world.without_temporal() as cut_off:
        refused = await order_day(cut_off, finance, tenant)
    listed = f"/v1/reconciliations?account_id={tenant.account_id}"
    (waiting,) = (await world.call("GET", listed, key=finance)).json()["items"]

    sweeper = Sweeper(
        database=world.deps.database,
        client=world.deps.client,
        timing=Timing(grace=timedelta(seconds=-1)),
    )
    await sweeper.sweep_once()
    run = f"recon/{tenant.account_id}/{today()}"
    await world.deps.client.get_workflow_handle(run).result()
    (after,) = (await world.call("GET", listed, key=finance)).json()["items"]

    assert (refused.status_code, waiting["status"], waiting["runs"]) == (503, "running", 0)
    assert (after["status"], after["runs"]) == ("balanced", 1)


async def test_a_thousand_lines_make_the_same_short_history_as_one(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    world.channel.bills[tenant.account_id] = Bill(
        [foreign_line(1, serial=f"T-{number}") for number in range(1000)]
    )

    day = await reconcile(world, finance, tenant)
    run = f"recon/{tenant.account_id}/{today()}"
    history = await world.deps.client.get_workflow_handle(run).fetch_history()

    assert day["unresolved"] == 1000
    assert len(history.events) <= 50


async def test_two_orders_at_once_are_one_run(world: World) -> None:
    tenant, finance = await world.tenant(), await world.key(Role.FINANCE)
    lines = [line(await world.paid_payment(tenant))]
    asked = world.channel.bill_asked
    world.channel.bills[tenant.account_id] = Bill(lines, not_before_asked=asked + 2)

    one, two = await asyncio.gather(
        order_day(world, finance, tenant), order_day(world, finance, tenant)
    )
    day = await ended(world, finance, one)

    assert one.json()["id"] == two.json()["id"]
    assert (day["status"], day["runs"]) == ("balanced", 1)


async def _counts(world: World) -> dict[str, int]:
    tables = ("reconciliation", "discrepancy", "ledger_transaction", "ledger_entry", "callback")
    return {table: await world.count(table) for table in tables}


def _approved(minor: int) -> Any:
    return Approved(
        channel_reference="2026112022001", money=Money(amount_minor=minor, currency="CNY")
    )
