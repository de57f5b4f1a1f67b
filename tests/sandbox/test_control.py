"""The control API's own manners."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.sandbox.merchant import Merchant, a_number, merchant_key, public_pem
from tests.sandbox.process import Control, SandboxProcess


async def test_a_number_that_is_not_there_is_not_found(control: Control) -> None:
    answer = await control.post_raw("/trades/pay", out_trade_no="nothing")

    assert (answer.status_code, answer.json()["error"]) == (404, "not-found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"public_key": "nonsense"},
        {"app_certificate": "nonsense"},
        {"public_key": "x", "app_id": "short"},
        {"public_key": "x", "unknown": 1},
    ],
)
async def test_an_app_that_cannot_work_is_refused(
    control: Control, body: dict[str, object]
) -> None:
    assert (await control.post_raw("/alipay/apps", **body)).status_code == 422


async def test_a_key_can_be_replaced(control: Control, merchant: Merchant) -> None:
    other_key = merchant.registered["alipay_public_key"]

    replaced = await control.post("/alipay/apps", public_key=other_key, app_id=merchant.app_id)
    refused = await merchant.query("T1")
    await control.post(
        "/alipay/apps", public_key=public_pem(merchant_key()), app_id=merchant.app_id
    )
    welcome = await merchant.query("T1")

    assert replaced["seller_id"] == merchant.registered["seller_id"]
    assert refused.content["sub_code"] == "isv.invalid-signature"
    assert welcome.content["sub_code"] == "ACQ.TRADE_NOT_EXIST"


async def test_a_bare_base64_key_is_read_too(control: Control) -> None:
    bare = "".join(public_pem(merchant_key()).splitlines()[1:-1])

    registered = await control.post("/alipay/apps", public_key=bare)

    assert registered["mode"] == "key"


async def test_a_certificate_from_elsewhere_is_refused(control: Control) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox Root CA")])
    now = datetime.now(UTC)
    foreign = (
        x509.CertificateBuilder(name, name, merchant_key().public_key(), 1, now, now)
        .sign(merchant_key(), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )

    refused = await control.post_raw("/alipay/apps", app_certificate=foreign.decode())

    assert (refused.status_code, refused.json()["error"]) == (422, "unusable-key")


async def test_trades_are_listed_page_by_page(merchant: Merchant, control: Control) -> None:
    numbers = [a_number() for _ in range(3)]
    for number in numbers:
        await merchant.precreate(number)

    first = await control.get("/trades", app_id=merchant.app_id, limit="2")
    second = await control.get("/trades", app_id=merchant.app_id, limit="2", after=first["next"])

    listed = [trade["out_trade_no"] for trade in first["trades"] + second["trades"]]
    assert listed == numbers
    assert second["next"] is None


async def test_the_token_is_asked_for_when_there_is_one(
    tmp_path: Path, browser: httpx.AsyncClient
) -> None:
    guarded = SandboxProcess(tmp_path, "--control-token", "let-me-in").start()
    welcome = Control(guarded.base_url, browser, token="let-me-in")
    stranger = Control(guarded.base_url, browser)

    totals = await welcome.get("/totals")
    refused = await stranger.post_raw("/trades/pay", out_trade_no="x")
    health = await browser.get(f"{guarded.base_url}/healthz")
    guarded.stop()

    assert totals["executions"] == 0
    assert refused.status_code == 401
    assert health.json() == {"status": "ok"}


def test_the_port_file_names_the_port(sandbox: SandboxProcess) -> None:
    named = (sandbox.folder / "port").read_text()

    assert sandbox.base_url == f"http://127.0.0.1:{named}"
