"""Ops at work in a real browser: find, look, tell an app again, give money back, shut a key out."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import expect

from devstack.api_client import ApiClient, ApiProblem
from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop, new_order_number
from devstack.supervisor import Stack

pytestmark = pytest.mark.stack
AtWork = Callable[..., Any]


async def test_a_payment_is_found_looked_into_and_told_again(
    at_work: AtWork, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    number = new_order_number()
    payment = await shop.order(Order(), order_no=number)
    await sandbox.pay(await shop.serial_of(payment["id"]))
    told = await receiver.wait_for(payment["id"])
    kim = await at_work("kim")

    await kim.get_by_role("searchbox").fill(number)
    await kim.keyboard.press("Enter")
    await expect(kim.get_by_role("heading", level=1)).to_have_text("Two tickets")
    timeline = kim.locator(".timeline")
    await expect(timeline).to_contain_text("requires_action -> succeeded (callback)")
    await timeline.get_by_text("Evidence").first.click()
    await kim.get_by_role("button", name="Send again").click()
    await expect(kim.get_by_role("status")).to_have_text("It is due again.")

    await receiver.wait_for(payment["id"], lambda one: one is not told)
    again = receiver.about(payment["id"])
    assert [one.webhook_id for one in again] == [told.webhook_id] * 2


async def test_a_refund_goes_out_when_a_second_person_approves_it(
    at_work: AtWork, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    payment = await shop.order(Order(amount=19_99))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await receiver.wait_for(payment["id"])
    kim = await at_work("kim", f"/payments/{payment['id']}")

    await kim.get_by_text("Order a refund").click()
    await kim.get_by_label("Amount in CNY").fill("5.00")
    await kim.get_by_label("Reason").first.fill("Came too late")
    await kim.get_by_role("button", name="Order it").click()
    await expect(kim.get_by_role("status")).to_contain_text("somebody else approves")
    await kim.get_by_role("link", name="decide").click()
    mine = kim.get_by_role("article").filter(has_text="Came too late").first
    await expect(mine).to_contain_text("Somebody else has to decide")
    assert await mine.get_by_role("button").count() == 0
    refund = await mine.get_attribute("id")

    ana = await at_work("ana", "/approvals")
    case = ana.locator(f"#{refund}")
    await expect(case).to_contain_text("5.00 CNY back")
    await case.get_by_role("button", name="Approve").click()
    await expect(ana.get_by_role("status")).to_contain_text("Decided")

    news = await receiver.wait_for(str(refund))
    assert news.type == "refund.succeeded"
    assert (await shop.payment(payment["id"]))["amount_refunded"] == 5_00


async def test_a_key_is_rotated_its_secret_shown_once_and_the_old_one_shut_out(
    stack: Stack, at_work: AtWork, shop: Shop
) -> None:
    ada = await at_work("ada", f"/apps/{shop.app_id}")
    old = ada.get_by_role("row", name="first key")

    await old.get_by_text("Rotate").click()
    await old.get_by_label("The old one works on for").select_option("not at all: it ends now")
    await old.get_by_role("button", name="Make the new key").click()
    await expect(ada.get_by_role("alert")).to_contain_text("it will not be shown again")
    secret = await ada.locator(".secret").inner_text()
    await ada.get_by_role("link", name="I have copied it").click()

    assert secret not in await ada.content()
    async with ApiClient(stack.api_url, secret) as api:
        assert (await api.get(f"/v1/apps/{shop.app_id}"))["id"] == shop.app_id
    with pytest.raises(ApiProblem) as shut_out:
        await shop.api.get(f"/v1/apps/{shop.app_id}")
    assert shut_out.value.status == 401
