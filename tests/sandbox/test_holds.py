"""Money held first, by Alipay's protocol: frozen, given up and asked about."""

import httpx
import pytest

from tests.sandbox.hold_counter import AGREES, WAITS, Counter, sub_code
from tests.sandbox.merchant import Merchant, merchant_key, public_pem
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver

# ---- holding it -------------------------------------------------------------------------------


async def test_a_code_is_shown_opened_agreed_to_and_told_of(
    counter: Counter, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    made = await counter.voucher()
    unseen = await counter.query()
    page = await browser.get(made.content["code_value"])
    opened = await counter.query()
    agreed = await browser.post(f"{made.content['code_value']}/agree", follow_redirects=True)
    held = await counter.query()
    form = await receiver.next()

    assert made.signed
    assert sub_code(unseen) == "AUTH_ORDER_NOT_EXIST"
    assert "房间 deposit" in page.text
    assert (opened.content["order_status"], opened.content["status"]) == ("INIT", "INIT")
    assert "资金已冻结" in agreed.text
    shown = [held.content[name] for name in ("order_status", "rest_amount", "total_pay_amount")]
    assert shown == ["AUTHORIZED", "19.99", "0.00"]
    assert counter.merchant.accepts(form)
    told = [form[name] for name in ("notify_type", "operation_type", "status", "amount")]
    assert told == ["fund_auth_freeze", "FREEZE", "SUCCESS", "19.99"]
    assert form["auth_no"] == held.content["auth_no"]
    assert form["out_order_no"] == counter.number


async def test_a_person_can_refuse_it_on_the_page(
    counter: Counter, browser: httpx.AsyncClient
) -> None:
    url = (await counter.voucher()).content["code_value"]

    refused = await browser.post(f"{url}/refuse", follow_redirects=True)
    too_late = await browser.post(f"{url}/agree", follow_redirects=True)

    assert "授权已关闭" in refused.text
    assert "授权已关闭" in too_late.text
    assert (await counter.query()).content["order_status"] == "CLOSED"


async def test_a_page_that_is_not_there_is_not_found(
    counter: Counter, browser: httpx.AsyncClient
) -> None:
    url = (await counter.voucher()).content["code_value"]

    for verb, way in (("GET", ""), ("POST", "/agree"), ("POST", "/refuse")):
        assert (await browser.request(verb, f"{url}x{way}")).status_code == 404


async def test_the_same_order_again_is_the_same_code(counter: Counter) -> None:
    first, again = await counter.voucher(), await counter.voucher()

    assert first.content == again.content


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "20.00"}, "UNIQUE_VIOLATION"),
        ({"out_request_no": "another"}, "UNIQUE_VIOLATION"),
        ({"amount": "0.00"}, "ILLEGAL_ARGUMENT"),
        ({"out_order_no": "a-b"}, "ILLEGAL_ARGUMENT"),
        ({"order_title": "x" * 101}, "ILLEGAL_ARGUMENT"),
        ({"product_code": "PRE_AUTH_ONLINE"}, "ILLEGAL_ARGUMENT"),
        ({"payee_user_id": "2088000000000099"}, "ILLEGAL_ARGUMENT"),
        ({"pay_timeout": "soon"}, "ILLEGAL_ARGUMENT"),
        ({"pay_timeout": "16d"}, "ILLEGAL_ARGUMENT"),
    ],
)
async def test_an_order_that_cannot_be_is_refused_in_this_products_words(
    counter: Counter, changes: dict[str, object], code: str
) -> None:
    await counter.voucher()

    assert sub_code(await counter.voucher(**changes)) == code


@pytest.mark.parametrize(
    ("code", "answer", "refusal"),
    [
        (AGREES, "10000", ""),
        (WAITS, "10003", ""),
        ("280215833990941919", "40004", "MONEY_NOT_ENOUGH"),
        ("280315833990941919", "40004", "PAYMENT_AUTH_CODE_INVALID"),
        ("12", "40004", "PAYMENT_AUTH_CODE_INVALID"),
        ("280415833990941919", "20000", "SYSTEM_ERROR"),
    ],
)
async def test_a_payers_code_holds_or_does_not(
    counter: Counter, code: str, answer: str, refusal: str
) -> None:
    answered = await counter.freeze(code)

    assert (answered.content["code"], sub_code(answered)) == (answer, refusal)


async def test_what_is_held_already_is_not_held_again(counter: Counter) -> None:
    await counter.freeze()

    again = await counter.freeze()

    assert sub_code(again) == "FREEZE_ALREADY_SUCCESS"
    assert (await counter.books())["authorized_minor"] == 19_99


# ---- giving it up -----------------------------------------------------------------------------


async def test_a_release_happens_once_for_each_number(counter: Counter) -> None:
    await counter.freeze()

    first, again = await counter.unfreeze("5.00"), await counter.unfreeze("5.00")
    other = await counter.unfreeze("6.00")
    too_much = await counter.unfreeze("15.00", "U2")
    rest = await counter.unfreeze("14.99", "U3")
    over = await counter.unfreeze("0.01", "U4")

    assert first.content == again.content
    assert (sub_code(other), sub_code(too_much)) == ("UNIQUE_VIOLATION", "REQUEST_AMOUNT_EXCEED")
    assert rest.content["status"] == "SUCCESS"
    assert sub_code(over) == "ORDER_ALREADY_CLOSED"
    assert (await counter.query()).content["order_status"] == "CLOSED"
    assert (await counter.books())["status"] == "released"


@pytest.mark.parametrize("missing", ["auth_no", "out_request_no", "amount", "remark"])
async def test_a_release_names_everything(counter: Counter, missing: str) -> None:
    await counter.freeze()

    assert sub_code(await counter.unfreeze(**{missing: ""})) == "ILLEGAL_ARGUMENT"


async def test_a_cancel_closes_what_waits_and_releases_what_is_held(
    counter: Counter, merchant: Merchant, control: Control
) -> None:
    held = Counter(merchant, control)
    await counter.freeze(WAITS)
    await held.freeze()

    closed, unfrozen = await counter.cancel(), await held.cancel()
    again = await held.cancel()

    assert (closed.content["action"], unfrozen.content["action"]) == ("close", "unfreeze")
    assert again.content["action"] == "unfreeze"
    assert (await counter.books())["status"] == "closed"
    assert (await held.books())["status"] == "released"


async def test_what_nobody_opened_cannot_be_cancelled(counter: Counter) -> None:
    await counter.voucher()

    assert sub_code(await counter.cancel()) == "AUTH_ORDER_NOT_EXIST"


async def test_time_that_runs_out_gives_it_up(counter: Counter, receiver: Receiver) -> None:
    await counter.freeze()
    await receiver.next()

    ended = await counter.control.post("/alipay/holds/expire", out_trade_no=counter.number)
    form = await receiver.next()
    absent = await counter.control.post_raw("/alipay/holds/expire", out_trade_no="nothing")

    assert ended["status"] == "released"
    assert (form["notify_type"], form["total_unfreeze_amount"]) == ("fund_auth_unfreeze", "19.99")
    assert absent.status_code == 404


# ---- asking, and whose it is ------------------------------------------------------------------


async def test_each_operation_is_found_by_its_number_and_kind(counter: Counter) -> None:
    await counter.freeze()
    await counter.unfreeze("4.00", "U1")
    await counter.capture("15.00")
    named = {"auth_no": counter.auth_no}

    unfrozen = await counter.query(**named, out_request_no="U1")
    paid = await counter.query(**named, out_request_no=counter.number, operation_type="PAY")
    by_id = await counter.query(**named, operation_id=unfrozen.content["operation_id"])
    wrong_kind = await counter.query(**named, out_request_no="U1", operation_type="FREEZE")

    assert [unfrozen.content[name] for name in ("operation_type", "amount")] == ["UNFREEZE", "4.00"]
    assert [paid.content[name] for name in ("operation_type", "amount")] == ["PAY", "15.00"]
    assert by_id.content == unfrozen.content
    assert sub_code(wrong_kind) == "AUTH_OPERATION_NOT_EXIST"


async def test_another_merchants_hold_is_not_there(
    counter: Counter, control: Control, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    await counter.freeze()
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    stranger = Counter(Merchant(registered, browser, receiver.url), control)
    stranger.auth_no, stranger.number = counter.auth_no, counter.number

    assert sub_code(await stranger.query()) == "AUTH_ORDER_NOT_EXIST"
    assert sub_code(await stranger.unfreeze()) == "AUTH_ORDER_NOT_EXIST"
    assert sub_code(await stranger.cancel()) == "AUTH_ORDER_NOT_EXIST"
    assert sub_code(await stranger.capture()) == "ACQ.AUTH_NO_ERROR"
