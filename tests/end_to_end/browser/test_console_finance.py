"""Finance at work in a real browser: a day is run, repaired by two people, and signed off."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Order, Shop

pytestmark = pytest.mark.stack
AtWork = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def bills(sandbox: SandboxControl) -> AsyncIterator[None]:
    """Today's bill is out, with a line in it that nobody here knows."""
    await sandbox.bill_settings(fee_bps=60, same_day=True)
    await sandbox.plant("extra_row", number="T-NOBODY-KNOWS", amount_minor=1_23)
    yield
    await sandbox.clear_plants()
    await sandbox.bill_settings(fee_bps=60, same_day=False)


async def test_a_day_is_run_repaired_by_two_people_and_signed_off(
    at_work: AtWork, shop: Shop, sandbox: SandboxControl, receiver: Receiver
) -> None:
    payment = await shop.order(Order(amount=19_99))
    await sandbox.pay(await shop.serial_of(payment["id"]))
    await receiver.wait_for(payment["id"])
    day = f"/reconciliation/{shop.account_id}/{_today()}"
    ana, kim = await at_work("ana", day), await at_work("kim", "/approvals")

    await ana.get_by_role("button", name="Run now").click()
    # 19.99 and 1.23 on the statement; 19.99 in our books.
    payments = ana.get_by_role("row", name="Payments")
    await expect(payments.get_by_role("cell")).to_contain_text(
        ["21.22 CNY", "19.99 CNY", "1.23 CNY"]
    )

    await ana.get_by_role("button", name="Sign the day off").click()
    await expect(ana.get_by_role("alert")).to_be_visible()
    await ana.get_by_role("link", name="only at the channel", exact=True).click()
    discrepancy = ana.url.rpartition("/")[2]
    await ana.get_by_label("Book the difference to suspense").check()
    await ana.get_by_label("Reason").fill("Nobody knows it")
    await ana.get_by_role("button", name="Propose").click()
    await expect(ana.get_by_role("heading", name="Proposed")).to_be_visible()
    await ana.get_by_role("button", name="Approve").click()
    await expect(ana.get_by_role("alert")).to_contain_text("same-person")

    await kim.reload()
    case = kim.locator(f"#{discrepancy}")
    await expect(case).to_contain_text("Nobody knows it")
    await case.get_by_role("button", name="Approve").click()
    await expect(kim.get_by_role("status")).to_contain_text("resolved")

    await ana.get_by_role("link", name=f"alipay, {_today()}").click()
    await ana.get_by_role("button", name="Sign the day off").click()
    await expect(ana.get_by_role("status")).to_contain_text("signed off")
    await ana.get_by_role("link", name="Reconciliation").click()
    cell = await _cell_of(ana, day)
    await expect(cell).to_have_accessible_name(re.compile("signed off"))


async def _cell_of(page: Page, day: str) -> Locator:
    """The day in the calendar, where the oldest accounts come first, a page at a time."""
    cell = page.locator(f'a[href="/console{day}"]')
    while not await cell.count():
        async with page.expect_navigation():
            await page.get_by_role("link", name="More accounts").click()
    return cell


def _today() -> str:
    return str(datetime.now(ZoneInfo("Asia/Shanghai")).date())
