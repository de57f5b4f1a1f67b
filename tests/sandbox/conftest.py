"""One sandbox for the session; a fresh merchant with its own endpoint for every test."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from sandbox.books import Books
from sandbox.desk import TradeDesk
from tests.sandbox.card_shop import CardShop, Endpoint
from tests.sandbox.hold_counter import Counter
from tests.sandbox.merchant import Merchant, merchant_key, public_pem
from tests.sandbox.process import Control, SandboxProcess
from tests.sandbox.receiver import Receiver

START = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)

TIME_SCALE = "0.0001"  # the first retry comes after 24 ms instead of 4 minutes


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    folder: Path = tmp_path_factory.mktemp("sandbox")
    port_file = str(folder / "port")
    process = SandboxProcess(folder, "--time-scale", TIME_SCALE, "--port-file", port_file).start()
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
    await control.put("/auto-pay", enabled=False)
    await control.put("/settings", time_scale=float(TIME_SCALE))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def merchant(control: Control, receiver: Receiver, browser: httpx.AsyncClient) -> Merchant:
    registered = await control.post("/alipay/apps", public_key=public_pem(merchant_key()))
    return Merchant(registered, browser, receiver.url)


@pytest.fixture
def counter(merchant: Merchant, control: Control) -> Counter:
    return Counter(merchant, control)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path / "books.sqlite3")
    yield books
    books.close()


@pytest.fixture
def desk(books: Books, clock: Clock) -> TradeDesk:
    return TradeDesk(books, clock, lambda _: None)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def shop(control: Control, endpoint: Endpoint, browser: httpx.AsyncClient) -> CardShop:
    """A fresh account at Stripe, told of everything."""
    registered = await control.post("/stripe/accounts", webhook_url=endpoint.url)
    return CardShop(registered, browser)
