"""The pages of operations: what they say, what they offer to whom, and what comes of it."""

import re
from collections.abc import AsyncIterator

import pytest

from models.merchant import Role
from tests.api.console import Page, logged_in
from tests.api.days import foreign_line, reconcile
from tests.api.ops_scene import CHEAP, HOSTILE, Scene, a_scene
from tests.api.testpay import Bill
from tests.api.world import World

PAGES = ("payments", "queues", "approvals", "notifications", "channels")


@pytest.fixture(scope="module")
async def scene(world: World) -> AsyncIterator[Scene]:
    async with world.with_(passwords=CHEAP) as house:
        made = await a_scene(house)
        yield made
        for person in (made.ops, made.finance, made.admin):
            await person.http.aclose()


# ---- payments ---------------------------------------------------------------------------------


async def test_any_number_of_a_payment_leads_to_its_page(scene: Scene) -> None:
    payment_id = scene.payments["paid"]
    numbers = (payment_id, "A<b>1", f"{payment_id[4:]}01", scene.refund_id)

    for number in numbers:
        answer = await scene.ops.http.get("/console/payments", params={"q": number})
        assert answer.headers.get("location") == scene.path("paid"), number


async def test_a_list_is_narrowed_down_by_what_people_type(scene: Scene) -> None:
    merchant = scene.tenant.merchant_id
    by_amount = await scene.ops.get("/console/payments", amount="5.00", merchant_id=merchant)
    by_status = await scene.ops.get(
        "/console/payments", status="canceled", merchant_id=merchant, channel="testpay"
    )
    nobodys = await scene.ops.get("/console/payments", q="there-is-no-such-number")
    unread = await scene.ops.get("/console/payments", amount="a lot", **{"from": "2026-13-01"})

    assert _linked(by_amount) == [scene.path("open")]
    assert _linked(by_status) == [scene.path("late")]
    assert "No payment fits." in nobodys.text
    assert unread.status == 422
    assert {"#/amount", "#/created_from"} <= set(unread.texts("code"))
    assert unread.one("input", name="amount").attributes["value"] == "a lot"


async def test_a_payments_page_tells_everything_about_it(scene: Scene) -> None:
    page = await scene.finance.get(scene.path("paid"))

    for words in (
        "19.99 CNY",
        "nothing: the payment has ended",
        f"{scene.payments['paid'][4:]}01",
        "2026112022001",
        "payment captured",
        "Channel clearing",
        "payment.succeeded",
        "pending approval",
        "order A<b>1",
    ):
        assert words in page.text, words
    run = page.one("a", rel="noreferrer").attributes["href"]
    assert f"pay%2F{scene.payments['paid']}" in run
    # 19.99 less our 0.12 is the merchant's; what the channel owes is both.
    assert page.texts("td", **{"class": "right"}).count("19.87 CNY") == 2


async def test_what_others_typed_is_text_wherever_it_is_shown(scene: Scene) -> None:
    pages = [
        await scene.ops.get(path)
        for path in (
            "/console/payments",
            scene.path("paid"),
            "/console/approvals",
            "/console/queues?queue=parked",
            f"/console/queues/callbacks/{scene.parked_id}",
            "/console/notifications",
        )
    ]

    shown = [page for page in pages if HOSTILE in page.text]
    assert len(shown) >= 4
    for page in pages:
        assert page.status == 200
        assert page.all("script") == []
        assert page.all("b") == []


async def test_a_cancel_by_ops_says_who_and_why(scene: Scene) -> None:
    payment_id = (await scene.world.pay(scene.tenant)).json()["id"]
    path = f"/console/payments/{payment_id}"

    nameless = await scene.ops.post(f"{path}/cancel")
    answer = await scene.ops.post(f"{path}/cancel", reason="the buyer called us")
    page = await scene.ops.get(path)

    assert nameless.status_code == 422
    assert "#/reason" in nameless.text
    assert answer.headers["location"] == path
    assert page.texts("p", **{"class": "flash"}) == ["It is canceled."]
    assert page.texts("summary", **{"class": "button danger"}) == []


async def test_a_refund_ordered_by_ops_waits_for_another_person(scene: Scene) -> None:
    payment_id = await scene.world.paid_payment(scene.tenant)
    path = f"/console/payments/{payment_id}"
    form = await scene.ops.get(path)
    fields = {
        name: form.one("input", name=name).attributes["value"] for name in ("refund_no", "currency")
    }

    ordered = await scene.ops.post(f"{path}/refund", amount="3.50", reason="late train", **fields)
    again = await scene.ops.post(f"{path}/refund", amount="3.50", reason="late train", **fields)
    refunds = await scene.world.call(
        "GET", f"/v1/refunds?payment_id={payment_id}", key=scene.tenant.key
    )

    assert (ordered.status_code, again.status_code) == (303, 303)
    (refund,) = refunds.json()["items"]
    assert (refund["amount"], refund["status"]) == (350, "pending_approval")
    assert refund["requested_by"] == scene.ops.id


async def test_late_money_goes_back_when_two_people_want_it(scene: Scene) -> None:
    path = scene.path("late")
    form = await scene.ops.get(path)
    number = form.one("input", name="refund_no").attributes["value"]

    too_much = await scene.ops.post(
        f"{path}/refund", amount="20", currency="CNY", refund_no=number, reason="came late"
    )
    await scene.ops.post(
        f"{path}/refund", amount="19.99", currency="CNY", refund_no=number, reason="came late"
    )
    waiting = await scene.finance.get("/console/approvals")
    (article,) = [one for one in waiting.all("article") if "came late" in one.text]
    refund_id = article.attributes["id"]
    await scene.finance.post(f"/console/approvals/refunds/{refund_id}/approve", reason="right")
    await scene.world.refunded(refund_id)
    after = await scene.ops.get(path)
    queue = await scene.ops.get("/console/queues", queue="late")

    assert too_much.status_code == 422
    assert "late money in suspense" in article.text
    assert "Suspense, owed" in after.text
    assert scene.payments["late"] not in _linked_ids(queue)


@pytest.mark.parametrize(("who", "offers"), [("ops", 2), ("finance", 1), ("admin", 0)])
async def test_a_page_offers_what_the_role_may_do(scene: Scene, who: str, offers: int) -> None:
    payment_id = await scene.world.held_payment(scene.tenant)
    held = await getattr(scene, who).get(f"/console/payments/{payment_id}")
    paid_one = await getattr(scene, who).get(scene.path("paid"))

    shown = [*held.texts("summary"), *paid_one.texts("summary")]
    assert sum(text in ("Cancel", "Order a refund") for text in shown) == offers


# ---- queues -----------------------------------------------------------------------------------


async def test_each_queue_counts_and_shows_what_waits(scene: Scene) -> None:
    for name in ("unknown", "review"):
        page = await scene.ops.get("/console/queues", queue=name)
        assert scene.payments[name] in _linked_ids(page), name
    disputed = await scene.ops.get("/console/queues", queue="disputed")
    rejected = await scene.ops.get("/console/queues", queue="rejected")

    assert "4.99 CNY" in disputed.text
    assert "ours: 5.00 CNY" in disputed.text
    assert "bad signature" in rejected.text


async def test_a_message_is_shown_without_its_body_and_what_headers_may_hold(
    scene: Scene,
) -> None:
    rejected = await scene.ops.get("/console/queues", queue="rejected")
    links = [link.attributes["href"] for link in rejected.all("a")]
    path = next(link for link in links if link.startswith("/console/queues/callbacks/"))

    page = await scene.ops.get(path)
    foreign = await scene.ops.get("/console/queues/callbacks/cb_1")

    assert "x-odd" in page.text
    assert HOSTILE not in page.text
    assert "forged" not in page.text
    assert "2 bytes" in page.text
    assert foreign.status == 404


# ---- approvals --------------------------------------------------------------------------------


async def test_who_asked_is_told_that_somebody_else_decides(scene: Scene) -> None:
    payment_id = await scene.world.paid_payment(scene.tenant)
    await scene.finance.post(
        f"/console/payments/{payment_id}/refund",
        amount="1",
        currency="CNY",
        refund_no="mine-1",
        reason="asked by finance",
    )
    page = await scene.finance.get("/console/approvals")
    (article,) = [one for one in page.all("article") if "asked by finance" in one.text]
    refund_id = article.attributes["id"]

    own = await scene.finance.post(f"/console/approvals/refunds/{refund_id}/approve")
    other = await logged_in(scene.world, Role.FINANCE)
    rejected = await other.post(f"/console/approvals/refunds/{refund_id}/reject", reason="no")
    gone = await other.get("/console/approvals")

    assert "Somebody else has to decide." in article.text
    assert own.status_code == 409
    assert "same-person" in own.text
    assert rejected.status_code == 303
    assert "It is rejected." in gone.text
    assert "asked by finance" not in gone.text
    await other.http.aclose()


async def test_ops_see_refunds_that_wait_and_cannot_decide_on_them(scene: Scene) -> None:
    page = await scene.ops.get("/console/approvals")

    forced = await scene.ops.post(f"/console/approvals/refunds/{scene.refund_id}/approve")

    assert scene.refund_id in [one.attributes["id"] for one in page.all("article")]
    assert "Your role does not decide on this." in page.text
    assert forced.status_code == 403


async def test_a_repair_says_what_it_would_book_and_takes_two(scene: Scene) -> None:
    tenant = await scene.world.tenant()
    key = await scene.world.key(Role.FINANCE)
    scene.world.channel.bills[tenant.account_id] = Bill([foreign_line(700)])
    day = await reconcile(scene.world, key, tenant)
    path = f"/v1/reconciliations/{day['id']}/discrepancies?class=channel_only"
    (found,) = (await scene.world.call("GET", path, key=key)).json()["items"]
    await scene.ops.post(
        f"/console/discrepancies/{found['id']}/repair", action="suspense", reason="nobody knows it"
    )

    waiting = await scene.finance.get("/console/approvals")
    own = await scene.ops.get("/console/approvals")
    approved = await scene.finance.post(f"/console/approvals/repairs/{found['id']}/approve")
    gone = await scene.finance.get("/console/approvals")

    (article,) = [one for one in waiting.all("article") if one.attributes["id"] == found["id"]]
    # 7.00 that the channel has and nobody here asked for: it owes us, and we owe somebody.
    assert article.text.count("7.00 CNY") == 3
    assert "Suspense, owed" in article.text
    (mine,) = [one for one in own.all("article") if one.attributes["id"] == found["id"]]
    assert "Somebody else has to decide." in mine.text
    assert approved.status_code == 303
    assert found["id"] not in [one.attributes["id"] for one in gone.all("article")]


# ---- notifications ----------------------------------------------------------------------------


async def test_an_endpoint_is_paused_resumed_and_told_again(scene: Scene) -> None:
    tenant = await scene.world.tenant(webhook_url="https://shop.example/hook?secret=1", name="Shoe")
    await scene.world.paid_payment(tenant)
    base = f"/console/notifications/apps/{tenant.app_id}"

    await scene.ops.post(f"{base}/pause")
    paused = await scene.ops.get("/console/notifications", app_id=tenant.app_id)
    replayed = await scene.ops.post(f"{base}/replay", since="2026-01-01", until="2026-01-02")
    too_long = await scene.ops.post(f"{base}/replay", since="2026-01-01", until="2026-02-02")
    await scene.ops.post(f"{base}/resume")
    resumed = await scene.ops.get("/console/notifications", app_id=tenant.app_id)

    assert "paused" in _row_of(paused, "Shoe")
    assert "shop.example" in _row_of(paused, "Shoe")
    assert "secret=1" not in paused.text
    assert replayed.status_code == 303
    assert too_long.status_code == 422
    assert "paused" not in _row_of(resumed, "Shoe")


async def test_one_event_is_shown_and_sent_again(scene: Scene) -> None:
    page = await scene.ops.get("/console/notifications", object_id=scene.payments["paid"])
    (event,) = [
        link.attributes["href"]
        for link in page.all("a")
        if link.attributes["href"].startswith("/console/notifications/ntf_")
    ]

    shown = await scene.ops.get(event)
    sent = await scene.ops.post(f"{event}/redeliver", back=scene.path("paid"))
    elsewhere = await scene.ops.post(f"{event}/redeliver", back="https://evil.example/")
    by_finance = await scene.finance.post(f"{event}/redeliver")

    assert scene.payments["paid"] in shown.one("pre").text
    assert sent.headers["location"] == scene.path("paid")
    assert elsewhere.headers["location"] == "/console/"
    assert by_finance.status_code == 403


# ---- channels ---------------------------------------------------------------------------------


async def test_an_accounts_health_is_what_happened_to_it(scene: Scene) -> None:
    page = await scene.ops.get("/console/channels", cursor=_just_before(scene.tenant.account_id))
    (article,) = [
        one for one in page.all("article") if one.attributes["id"] == scene.tenant.account_id
    ]

    assert "testpay" in article.text
    assert "bad signature" in article.text
    assert "never" in article.text  # reconciled
    assert "Disable" not in page.texts("summary")


async def test_only_an_admin_turns_an_account_off_and_on(scene: Scene) -> None:
    other = await scene.world.tenant()
    path = f"/console/channels/{other.account_id}"

    refused = await scene.ops.post(f"{path}/disable", reason="no contract")
    disabled = await scene.admin.post(f"{path}/disable", reason="no contract")
    after = await scene.world.call(
        "GET", f"/v1/channel-accounts/{other.account_id}", key=await scene.world.admin()
    )
    enabled = await scene.admin.post(f"{path}/enable")

    assert refused.status_code == 403
    assert disabled.headers["location"] == f"/console/channels#{other.account_id}"
    assert after.json()["status"] == "disabled"
    assert enabled.status_code == 303


async def test_a_page_with_nothing_on_it_says_so(scene: Scene) -> None:
    cursor = "acc_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"

    channels = await scene.ops.get("/console/channels", cursor=cursor)
    parked = await scene.ops.get("/console/queues", queue="unanswered")

    assert "No merchant has an account" in channels.text
    assert "Nothing waits here." in parked.text


@pytest.mark.parametrize("page", PAGES)
async def test_a_cursor_that_is_not_ours_is_told_and_breaks_nothing(
    scene: Scene, page: str
) -> None:
    names = ("cursor", "refunds_after", "apps_after")

    answer = await scene.ops.get(f"/console/{page}", **dict.fromkeys(names, "<b>no</b>"))

    assert answer.status == 422
    assert answer.all("b") == []
    assert "#/cursor" in answer.texts("code")


def _linked(page: Page) -> list[str]:
    """The payments that a list leads to, in its order."""
    links = [link.attributes["href"] for link in page.all("a")]
    return [link for link in links if re.fullmatch(r"/console/payments/pay_\w+", link)]


def _linked_ids(page: Page) -> set[str]:
    return {link.rpartition("/")[2] for link in _linked(page)}


def _row_of(page: Page, name: str) -> str:
    return next(row.text for row in page.all("tr") if name in row.text)


def _just_before(identifier: str) -> str:
    """A cursor that comes right before this id: ids are read after it."""
    last = identifier[-1]
    return identifier[:-1] + chr(ord(last) - 1) if last not in "0A" else identifier[:-1]
