"""python-alipay-sdk as a merchant of the sandbox, with keys and with certificates."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cross_check.conftest import Driver
from tests.sandbox.merchant import a_number
from tests.sandbox.process import Control
from tests.sandbox.receiver import Receiver

pytestmark = pytest.mark.cross_check


def _call(sdk: Driver, app: Mapping[str, str], method: str, **content: str) -> Any:
    return sdk("execute", method=method, content=content, **app)


@pytest.fixture(params=["app", "certified_app"])
def any_app(request: pytest.FixtureRequest) -> dict[str, str]:
    chosen: dict[str, str] = request.getfixturevalue(request.param)
    return chosen


async def test_it_goes_through_the_life_of_a_payment_in_either_mode(
    community_sdk: Driver, any_app: dict[str, str], control: Control
) -> None:
    number = a_number()
    order = {"out_trade_no": number, "total_amount": "19.99", "subject": "茶叶 & tea"}

    made = _call(community_sdk, any_app, "alipay.trade.precreate", **order)
    await control.post("/trades/open", out_trade_no=number)
    waiting = _call(community_sdk, any_app, "alipay.trade.query", out_trade_no=number)
    closed = _call(community_sdk, any_app, "alipay.trade.close", out_trade_no=number)
    cancelled = _call(community_sdk, any_app, "alipay.trade.cancel", out_trade_no=number)

    assert made["answer"]["code"] == "10000"
    assert waiting["answer"]["trade_status"] == "WAIT_BUYER_PAY"
    assert closed["answer"]["code"] == "10000"
    assert cancelled["answer"]["action"] == "close"


async def test_it_verifies_a_notification_and_sees_a_changed_one(
    community_sdk: Driver, any_app: dict[str, str], control: Control, receiver: Receiver
) -> None:
    number = a_number()
    community_sdk(
        "execute",
        method="alipay.trade.precreate",
        content={"out_trade_no": number, "total_amount": "19.99", "subject": "茶 + 好"},
        notify_url=receiver.url,
        **any_app,
    )

    await control.post("/trades/pay", out_trade_no=number)
    form = await receiver.next()

    assert community_sdk("verify", form=form, **any_app)
    assert not community_sdk("verify", form=form | {"total_amount": "0.01"}, **any_app)


async def test_its_address_leads_there_and_back(
    community_sdk: Driver, app: dict[str, str], browser: httpx.AsyncClient
) -> None:
    number = a_number()
    url = community_sdk(
        "page_url",
        method="alipay.trade.wap.pay",
        content={"out_trade_no": number, "total_amount": "8.80", "subject": "Tea"},
        return_url="http://127.0.0.1:1/done",
        **app,
    )

    cashier = (await browser.get(url)).headers["location"]
    back = (await browser.post(f"{cashier}/pay")).headers["location"]
    form = dict(httpx.QueryParams(back.partition("?")[2]))

    assert community_sdk("verify", form=form, **app)
    assert form["out_trade_no"] == number


async def test_it_refuses_an_answer_signed_wrongly(
    community_sdk: Driver, app: dict[str, str], control: Control
) -> None:
    number = a_number()
    await control.fault("bad_signature", number)

    refused = _call(community_sdk, app, "alipay.trade.query", out_trade_no=number)

    assert refused == {"error": "the signature is wrong"}


async def test_it_names_the_sandboxs_certificates_as_the_sandbox_does(
    community_sdk: Driver, certified_app: dict[str, str]
) -> None:
    named = community_sdk(
        "serials",
        certificate=certified_app["app_certificate"],
        root=certified_app["alipay_root_certificate"],
    )
    alipays = community_sdk(
        "serials",
        certificate=certified_app["alipay_certificate"],
        root=certified_app["alipay_root_certificate"],
    )

    assert named["certificate"] == certified_app["app_cert_sn"]
    assert named["root"] == certified_app["alipay_root_cert_sn"]
    assert alipays["certificate"] == certified_app["alipay_cert_sn"]


def test_it_names_published_certificates_as_the_vectors_say(community_sdk: Driver) -> None:
    vectors = Path(__file__).parents[2].parent / "shared" / "specs" / "alipay" / "vectors"
    if not vectors.exists():
        pytest.skip("the published test vectors are not beside this checkout")

    named = community_sdk(
        "serials",
        certificate=(vectors / "alipayCertPublicKey_RSA2.crt").read_text().split("\n\n")[0],
        root=(vectors / "alipayRootCert.crt").read_text(),
    )

    assert named["certificate"] == "7513daaaa48aa3ba2e4018d84402479c"
    assert named["root"] == ("687b59193f3f462dd5336e5abf83c5d8_02941eef3187dddf3d3b83462e1dfcf6")
