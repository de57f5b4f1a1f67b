"""The SDKs, driven in their own environments, and a sandbox for them to talk to."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from channels.alipay.adapter import AlipayChannel
from channels.alipay.parameters import AlipayParameters
from channels.base import Account
from channels.http import ChannelHttp
from tests.cross_check.environments import (
    COMMUNITY,
    OFFICIAL,
    STRIPE,
    Environment,
    EnvironmentMissing,
)
from tests.cross_check.hold_till import Till
from tests.sandbox.merchant import merchant_key, public_pem
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver

_DRIVER_SECONDS = 60

Driver = Callable[..., Any]


@pytest.fixture(scope="session")
def official_sdk() -> Driver:
    return _driver(OFFICIAL)


@pytest.fixture(scope="session")
def community_sdk() -> Driver:
    return _driver(COMMUNITY)


@pytest.fixture(scope="session")
def stripe_sdk() -> Driver:
    return _driver(STRIPE)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    process = SandboxProcess(folder).start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
async def control(sandbox: SandboxProcess, browser: httpx.AsyncClient) -> AsyncIterator[Control]:
    control = Control(sandbox.base_url, browser)
    yield control
    await control.delete("/faults")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def app(control: Control) -> dict[str, str]:
    """A registered app with its own private key, as an SDK is configured with it."""
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    return {**registered, "app_private_key": private_key_pem(merchant_key())}


@pytest.fixture
async def certified_app(control: Control) -> dict[str, str]:
    """The same in certificate mode."""
    registered = await control.post(
        "/alipay/apps", public_key=public_pem(merchant_key()), issue_certificate=True
    )
    return {**registered, "app_private_key": private_key_pem(merchant_key())}


@pytest.fixture
async def till(
    sandbox: SandboxProcess, app: dict[str, str], control: Control
) -> AsyncIterator[Till]:
    names = ("app_id", "seller_id", "app_private_key", "alipay_public_key")
    parameters = AlipayParameters.model_validate({name: app[name] for name in names})
    async with ChannelHttp(
        connect_timeout=timedelta(seconds=3), read_timeout=timedelta(seconds=5)
    ) as http:
        alipay = AlipayChannel(http, gateway_url=sandbox.gateway_url)
        yield Till(alipay, Account(id="acc_1", version=1, parameters=parameters), control)


def private_key_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS #1, the one form that both SDKs read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def _driver(environment: Environment) -> Driver:
    try:
        environment.make()
    except EnvironmentMissing as missing:
        pytest.skip(str(missing))

    def drive(action: str, **order: object) -> Any:
        """One action of the driver script, in a process of its own, by Beijing's clock."""
        done = subprocess.run(
            [str(environment.python), str(environment.driver)],
            input=json.dumps([{"action": action, **order}]),
            capture_output=True,
            text=True,
            timeout=_DRIVER_SECONDS,
            env={"PATH": os.environ["PATH"], "TZ": "Asia/Shanghai"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    return drive
