"""Repairs: two people for everything that is booked by hand, once each, whoever asks how often."""

from typing import Any

import pytest

from models.channel import Declined, Pending
from models.ledger import AccountKind
from models.merchant import Role
from tests.api.days import (
    booked,
    discrepancies,
    foreign_line,
    line,
    reconcile,
    refund_line,
)
from tests.api.testpay import Bill
from tests.api.world import Tenant, World, code_of


async def _people(world: World) -> tuple[str, str]:
    return await world.key(Role.FINANCE), await world.key(Role.OPS)


async def test_money_nobody_knows_goes_to_suspense_with_a_second_persons_word(
    world: World,
) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))

    proposed = await _repair(world, maker, found, "suspense")
    before = await booked(world, AccountKind.SUSPENSE_CREDIT, tenant.account_id)
    approved = await _say(world, checker, found, "approve")
    day = await world.call("GET", f"/v1/reconciliations/{found['reconciliation_id']}", key=maker)

    assert (proposed.status_code, proposed.json()["status"]) == (200, "awaiting_approval")
    assert proposed.json()["links"]["run"].endswith(f"repair%2F{found['id']}")
    assert before == 0
    assert (approved.status_code, approved.json()["status"]) == (200, "resolved")
    assert approved.json()["resolution"] == "suspense"
    assert approved.json()["proposed_by"] != approved.json()["decided_by"]
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 700
    assert await booked(world, AccountKind.SUSPENSE_CREDIT, tenant.account_id) == -700
    assert (day.json()["status"], day.json()["unresolved"]) == ("balanced", 0)


@pytest.mark.parametrize(
    ("action", "kind", "resolution"),
    [
        ("suspense", AccountKind.SUSPENSE_DEBIT, "suspense"),
        ("write_off", AccountKind.LOSS, "written_off"),
    ],
)
async def test_what_the_channel_has_less_is_missing_money(
    world: World, action: str, kind: AccountKind, resolution: str
) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    owner = tenant.account_id if kind is AccountKind.SUSPENSE_DEBIT else ""
    before = await booked(world, kind, owner)
    found = await _one(world, maker, tenant, Bill([line(payment_id, 1899)]))

    await _repair(world, maker, found, action)
    approved = await _say(world, checker, found, "approve")

    assert (found["class"], approved.json()["resolution"]) == ("amount_diff", resolution)
    # 19.99 in our books, 18.99 at the channel: 1.00 is missing.
    assert await booked(world, kind, owner) - before == 100
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 1899


async def test_a_refund_the_channel_made_by_itself_is_missing_money(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    theirs = refund_line(payment_id, "ref_")
    found = await _one(world, maker, tenant, Bill([line(payment_id), theirs]))

    await _repair(world, maker, found, "suspense")
    await _say(world, checker, found, "approve")

    assert (found["class"], found["kind"]) == ("channel_only", "refund")
    assert await booked(world, AccountKind.SUSPENSE_DEBIT, tenant.account_id) == 500
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 1499


async def test_the_maker_cannot_be_the_checker(world: World) -> None:
    tenant, (maker, _) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))
    await _repair(world, maker, found, "suspense")

    approved = await _say(world, maker, found, "approve")
    rejected = await _say(world, maker, found, "reject")

    assert (approved.status_code, code_of(approved)) == (409, "same-person")
    assert (rejected.status_code, code_of(rejected)) == (409, "same-person")
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 0


@pytest.mark.parametrize("role", [Role.ADMIN, Role.APP])
async def test_only_finance_and_ops_repair(world: World, role: Role) -> None:
    tenant, (maker, _) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))
    key = tenant.key if role is Role.APP else await world.admin()

    answers = [
        await _repair(world, key, found, "suspense"),
        await _say(world, key, found, "approve"),
        await _say(world, key, found, "reject"),
    ]

    assert {answer.status_code for answer in answers} == {403}


async def test_a_rejected_repair_can_be_proposed_anew(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))

    await _repair(world, maker, found, "suspense")
    rejected = await _say(world, checker, found, "reject")
    dismissed = await _repair(world, checker, found, "dismiss")
    approved = await _say(world, maker, found, "approve")

    assert (rejected.status_code, rejected.json()["status"]) == (200, "open")
    assert rejected.json()["action"] is None
    assert dismissed.json()["status"] == "awaiting_approval"
    assert approved.json()["resolution"] == "dismissed"
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 0


async def test_approving_again_is_the_same_and_books_once(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))
    await _repair(world, maker, found, "suspense")

    first = await _say(world, checker, found, "approve")
    again = await _say(world, checker, found, "approve")
    another = await _say(world, await world.key(Role.OPS), found, "approve")
    too_late = await _repair(world, maker, found, "dismiss")

    assert again.json() == first.json()
    assert (another.status_code, code_of(another)) == (409, "invalid-state")
    assert (too_late.status_code, code_of(too_late)) == (409, "invalid-state")
    assert await booked(world, AccountKind.CHANNEL_CLEARING, tenant.account_id) == 700


async def test_a_proposal_that_temporal_did_not_hear_of_is_carried_out_when_approved(
    world: World,
) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))

    async with world.without_temporal() as cut_off:
        proposed = await _repair(cut_off, maker, found, "suspense")
    approved = await _say(world, checker, found, "approve")

    assert (proposed.status_code, proposed.json()["status"]) == (200, "awaiting_approval")
    assert approved.json()["status"] == "resolved"


@pytest.mark.parametrize("action", ["book", "suspense"])
async def test_an_action_that_does_not_fit_the_class_is_refused(world: World, action: str) -> None:
    tenant, (maker, _) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    bill = Bill([line(payment_id, currency="USD")])
    found = await _one(world, maker, tenant, bill)

    answer = await _repair(world, maker, found, action)

    assert found["class"] == "currency_diff"
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/action")


async def test_what_its_own_run_refuses_stays_open_for_people(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    serial = line(payment_id).serial
    world.channel.refund_says[serial] = Declined(code="refused", detail="too late")
    refund = (await world.refund(tenant, payment_id)).json()
    await world.refunded(refund["id"])
    bill = Bill([line(payment_id), refund_line(payment_id, refund["id"])])
    found = await _one(world, maker, tenant, bill)

    again = await _repair(world, maker, found, "book")
    end = await world.deps.client.get_workflow_handle(f"repair/{found['id']}").result()
    await _repair(world, maker, found, "suspense")
    approved = await _say(world, checker, found, "approve")

    assert refund["status"] == "failed"
    assert (found["class"], found["status"]) == ("status_diff", "open")
    assert again.status_code == 202
    assert end["is_resolved"] is False
    assert approved.json()["resolution"] == "suspense"
    assert await booked(world, AccountKind.SUSPENSE_DEBIT, tenant.account_id) == 500


async def test_what_its_own_run_books_meanwhile_is_not_booked_by_hand_too(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    serial = line(payment_id).serial
    world.channel.refund_says[serial] = Pending()
    refund = (await world.refund(tenant, payment_id)).json()
    # Another amount: its own run does not take it for the refund.
    bill = Bill([line(payment_id), refund_line(payment_id, refund["id"], 499)])
    found = await _one(world, maker, tenant, bill)
    await _repair(world, maker, found, "suspense")

    await world.callback(
        tenant.account_id,
        {
            "event": "e-1",
            "about": "refund",
            "serial": refund["id"].removeprefix("ref_"),
            "state": "paid",
            "amount": 500,
            "currency": "CNY",
            "reference": "back-2",
        },
    )
    await world.refunded(refund["id"])
    approved = await _say(world, checker, found, "approve")

    assert found["class"] == "status_diff"
    assert approved.json()["resolution"] == "booked"
    assert await booked(world, AccountKind.SUSPENSE_DEBIT, tenant.account_id) == 0


async def test_every_move_of_a_discrepancy_is_in_its_history(world: World) -> None:
    tenant, (maker, checker) = await world.tenant(), await _people(world)
    found = await _one(world, maker, tenant, Bill([foreign_line(700)]))

    await _repair(world, maker, found, "suspense")
    await _say(world, checker, found, "approve")

    path = f"/v1/discrepancies/{found['id']}"
    history = (await world.call("GET", path, key=maker)).json()["history"]
    assert [move["to_status"] for move in history] == [
        "open",
        "awaiting_approval",
        "approved",
        "resolved",
    ]
    assert history[1]["detail"] == "suspense: looked at it"
    assert history[1]["by"] != history[2]["by"]


async def test_discrepancies_are_listed_by_account_class_and_status(world: World) -> None:
    tenant, (maker, _) = await world.tenant(), await _people(world)
    payment_id = await world.paid_payment(tenant)
    found = await _one(world, maker, tenant, Bill([foreign_line(700), line(payment_id)]))
    mine = f"/v1/discrepancies?account_id={tenant.account_id}"

    listed = (await world.call("GET", f"{mine}&class=channel_only&status=open", key=maker)).json()
    none = (await world.call("GET", f"{mine}&class=duplicate", key=maker)).json()
    one = await world.call("GET", f"/v1/discrepancies/{found['id']}", key=maker)

    assert [item["id"] for item in listed["items"]] == [found["id"]]
    assert none["items"] == []
    assert {name: one.json()[name] for name in found} == found


async def _one(world: World, key: str, tenant: Tenant, bill: Bill) -> dict[str, Any]:
    """The one thing that does not match on a day with this bill."""
    world.channel.bills[tenant.account_id] = bill
    found = await discrepancies(world, key, await reconcile(world, key, tenant))
    assert len(found) == 1, found
    return next(iter(found.values()))


async def _repair(world: World, key: str, found: dict[str, Any], action: str) -> Any:
    body = {"action": action, "reason": "looked at it"}
    return await world.call("POST", f"/v1/discrepancies/{found['id']}/repair", key=key, body=body)


async def _say(world: World, key: str, found: dict[str, Any], word: str) -> Any:
    body = {"reason": "seen"}
    return await world.call("POST", f"/v1/discrepancies/{found['id']}/{word}", key=key, body=body)
