"""The payer at our cash desk: a real browser, the channel's own pages, and what the books say."""

import asyncio
import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from devstack.receiver import Receiver
from devstack.sandbox_control import SandboxControl
from devstack.shop import Shop
from tests.end_to_end.browser.chromium import decoded

Somebody = Callable[..., Any]
expect.set_options(timeout=20_000)


async def shows(page: Page, state: str) -> None:
    await expect(page.locator("main")).to_have_attribute("data-state", state)


async def choose(page: Page, method: str) -> None:
    await page.locator(f"[data-method={method}]").click()


async def pay_at_alipay(page: Page) -> None:
    await page.get_by_role("button", name="Pay ¥19.99").click()


async def serials_charged(sandbox: SandboxControl, payment_id: str) -> list[str]:
    """The serials of a payment that the channel took money for."""
    begins = payment_id.removeprefix("pay_")
    return [
        str(trade["out_trade_no"])
        for trade in await sandbox.every_trade()
        if str(trade["out_trade_no"]).startswith(begins) and trade["status"] == "paid"
    ]


async def test_a_code_is_scanned_and_paid_on_the_phone_and_the_desk_knows_by_itself(
    somebody: Somebody, desk_of: Callable[..., Any], receiver: Receiver, shop: Shop
) -> None:
    payment_id, url = await desk_of()
    payer, phone = await somebody(), await somebody(phone=True)
    page = await payer.open(url)
    await choose(page, "alipay_qr")
    await shows(page, "waiting")

    cashier = await phone.open(await decoded(page))
    await pay_at_alipay(cashier)

    await shows(page, "paid")
    await page.locator("[data-action=return]").click()
    await page.wait_for_url("https://shop.example/return?**")
    hint = parse_qs(urlsplit(payer.returned_to[-1]).query)
    assert hint["shop"] == ["1"]
    assert hint["payment_id"] == [payment_id]
    assert hint["status"] == ["succeeded"]
    signed = ".".join(hint[name][0] for name in ("payment_id", "order_no", "status", "timestamp"))
    secret = base64.b64decode(receiver.secret_of("shop").removeprefix("whsec_"))
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    assert hint["signature"] == [f"v1,{base64.b64encode(digest).decode()}"]
    assert (await shop.payment(payment_id))["status"] == "succeeded"


async def test_a_redirect_leads_to_the_channel_and_back_to_the_desk(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of()
    page = await (await somebody()).open(url)

    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)

    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")


async def test_on_a_phone_the_phones_own_page_is_offered_and_nothing_is_too_wide_or_small(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of()
    page = await (await somebody(phone=True)).open(url)

    assert await page.locator("[data-method=alipay_page]").count() == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for target in await page.locator("button, a:visible:not(.skip)").all():
        box = await target.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    await choose(page, "alipay_wap")
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)

    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")


async def test_a_card_is_paid_on_stripes_page_after_a_refused_one_and_a_proof(
    somebody: Somebody, desk_of: Callable[..., Any], sandbox: SandboxControl
) -> None:
    payment_id, url = await desk_of(currency="USD")
    page = await (await somebody()).open(url)
    await choose(page, "stripe_checkout")
    await page.wait_for_url("**/stripe/checkout/**")

    await page.locator("#card").fill("4000 0000 0000 9995")
    await page.locator("#pay").click()
    await expect(page.get_by_role("alert")).to_have_text("Your card has insufficient funds.")
    await page.locator("#card").fill("4000 0000 0000 3220")
    await page.locator("#pay").click()
    await page.wait_for_url("**/stripe/3ds/**")
    await page.get_by_role("button", name="Yes, pay").click()

    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")
    assert len(await serials_charged(sandbox, payment_id)) == 1


async def test_a_payer_leaves_stripes_page_and_pays_another_way(
    somebody: Somebody, desk_of: Callable[..., Any], sandbox: SandboxControl
) -> None:
    payment_id, url = await desk_of()
    page = await (await somebody()).open(url)
    await choose(page, "stripe_checkout")
    await page.wait_for_url("**/stripe/checkout/**")
    hosted = page.url
    await page.locator("#cancel").click()
    await shows(page, "waiting")

    await page.get_by_text("Pay another way").click()
    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)

    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")
    await page.goto(hosted)
    await expect(page.get_by_role("heading")).to_contain_text("This page has expired")
    assert len(await serials_charged(sandbox, payment_id)) == 1


async def test_after_a_refusal_another_method_pays(
    somebody: Somebody, desk_of: Callable[..., Any], sandbox: SandboxControl
) -> None:
    payment_id, url = await desk_of()
    page = await (await somebody()).open(url)
    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")
    await page.get_by_role("button", name="Refuse").click()
    await page.goto(url)
    await shows(page, "choose")
    await expect(page.get_by_role("alert")).to_contain_text("You were not charged")

    await choose(page, "alipay_qr")
    await shows(page, "waiting")
    phone = await (await somebody(phone=True)).open(await decoded(page))
    await pay_at_alipay(phone)

    await shows(page, "paid")
    assert await serials_charged(sandbox, payment_id) == [f"{payment_id.removeprefix('pay_')}02"]


async def test_another_way_is_chosen_while_a_code_waits_and_money_moves_once(
    somebody: Somebody, desk_of: Callable[..., Any], sandbox: SandboxControl
) -> None:
    payment_id, url = await desk_of()
    page = await (await somebody()).open(url)
    await choose(page, "alipay_qr")
    await shows(page, "waiting")

    await page.get_by_text("Pay another way").click()
    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)

    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")
    assert len(await serials_charged(sandbox, payment_id)) == 1


async def test_two_tabs_end_on_the_same_and_money_moves_once(
    somebody: Somebody, desk_of: Callable[..., Any], sandbox: SandboxControl
) -> None:
    payment_id, url = await desk_of()
    payer, phone = await somebody(), await somebody(phone=True)
    one, other = await payer.open(url), await payer.open(url)

    await asyncio.gather(choose(one, "alipay_qr"), choose(other, "alipay_qr"))
    await asyncio.gather(shows(one, "waiting"), shows(other, "waiting"))
    codes = await decoded(one), await decoded(other)
    await pay_at_alipay(await phone.open(codes[0]))

    await asyncio.gather(shows(one, "paid"), shows(other, "paid"))
    assert codes[0] == codes[1]
    assert len(await serials_charged(sandbox, payment_id)) == 1


async def test_the_back_button_leads_to_the_desk_as_it_stands(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of()
    page = await (await somebody()).open(url)
    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")

    await page.go_back()
    await shows(page, "waiting")
    await page.locator("#continue").click()
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)
    await page.wait_for_url(f"{url}**")
    await shows(page, "paid")
    await page.go_back()
    await page.goto(url)

    await shows(page, "paid")
    assert await page.locator("[data-method]").count() == 0


async def test_a_payer_without_javascript_pays_by_redirect(
    somebody: Somebody, desk_of: Callable[..., Any], receiver: Receiver
) -> None:
    payment_id, url = await desk_of()
    page = await (await somebody(java_script_enabled=False)).open(url)

    await choose(page, "alipay_page")
    await page.wait_for_url("**/alipay/cashier/**")
    await pay_at_alipay(page)

    await page.wait_for_url(f"{url}**")
    await receiver.wait_for(payment_id)
    await page.reload()
    await shows(page, "paid")


async def test_a_desk_without_event_streams_asks_by_itself(
    somebody: Somebody, desk_of: Callable[..., Any], shop: Shop
) -> None:
    payment_id, url = await desk_of()
    payer = await somebody()
    await payer.context.add_init_script("delete window.EventSource")
    page = await payer.open(url)

    await shop.cancel(payment_id)

    await shows(page, "canceled")


async def test_time_that_runs_out_is_told_without_a_click(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of(expires_in=None)
    page = await (await somebody()).open(url)

    await shows(page, "expired")

    assert await page.locator("[data-method]").count() == 0


async def test_a_tampered_address_shows_nothing_of_any_payment(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of()
    other = "A" if url[-1] != "A" else "B"

    page = await (await somebody()).open(f"{url[:-1]}{other}")

    await expect(page.get_by_role("heading")).to_have_text("There is no such cash desk")
    assert "19.99" not in await page.content()


async def test_the_desk_is_used_with_the_keyboard_alone_in_chinese(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    _, url = await desk_of()
    page = await (await somebody(locale="zh-CN")).open(url)
    await expect(page.get_by_role("heading", level=1)).to_have_text("请选择付款方式")

    for _ in range(10):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.dataset.method") == "alipay_qr":
            break
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", level=1)).to_have_text("扫码付款")
    text = await page.locator("body").inner_text()
    # What is ours is in Chinese; the app's own words and the other language's name are not ours.
    assert set(re.findall(r"[A-Za-z]{4,}", text)) == {"English", "shop", "tickets"}


async def test_what_an_app_writes_never_runs(
    somebody: Somebody, desk_of: Callable[..., Any]
) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"
    _, url = await desk_of(subject=hostile)

    page = await (await somebody()).open(url)

    await expect(page.locator(".subject")).to_have_text(hostile)
    assert "owned" not in await page.title()
