"""The API over a real database and a real Temporal, with tenants to call it as."""

import dataclasses
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import uuid4

import httpx
from fastapi import FastAPI
from sqlalchemy import text
from temporalio.service import RPCError, RPCStatusCode

from api.app import build_app
from api.auth import mint_key
from api.clock import utc_now
from api.dependencies import ApiDependencies
from api.dispatch import start_payment
from engine.client import TemporalConnection, connect
from models.merchant import Role
from models.payment import PaymentStatus
from models.views import RecordedOrder
from observability.metrics import SQL_TRANSACTIONS
from storage.database import Database
from storage.keys import create_key
from storage.payments import read_order
from tests.api import testpay

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Tenant:
    """An app with a merchant that has an account at the test channel."""

    app_id: str
    key: str = field(repr=False)
    merchant_id: str
    account_id: str


@dataclass
class World:
    app: FastAPI
    deps: ApiDependencies
    http: httpx.AsyncClient
    channel: testpay.TestPay
    _admin: str = ""

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str = "",
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        sent = {"authorization": f"Bearer {key}"} if key else {}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            sent["content-type"] = "application/json"
        return await self.http.request(
            method, path, content=content, headers=sent | (headers or {})
        )

    async def key(self, role: Role, app_id: str | None = None) -> str:
        minted = mint_key()
        async with self.deps.database.transaction("test key") as connection:
            await create_key(
                connection,
                key_id=minted.key_id,
                secret_hash=minted.secret_hash,
                role=role,
                app_id=app_id,
                name="test",
                now=utc_now(),
            )
        return minted.text

    async def admin(self) -> str:
        self._admin = self._admin or await self.key(Role.ADMIN)
        return self._admin

    async def tenant(self, **app: Any) -> Tenant:
        admin = await self.admin()
        created = await self.call("POST", "/v1/apps", key=admin, body={"name": "Shop"} | app)
        assert created.status_code == 201, created.text
        key = created.json()["api_key"]
        merchant = await self.call("POST", "/v1/merchants", key=key, body={"name": "Cinema"})
        assert merchant.status_code == 201, merchant.text
        account = await self.call(
            "POST",
            "/v1/channel-accounts",
            key=admin,
            body={
                "merchant_id": merchant.json()["id"],
                "channel": testpay.NAME,
                "methods": ["test_qr", "test_hold", "test_hold_qr", "test_slow", "test_code"],
                "fee_bps": 60,
                "parameters": testpay.PARAMETERS,
            },
        )
        assert account.status_code == 201, account.text
        return Tenant(created.json()["id"], key, merchant.json()["id"], account.json()["id"])

    async def pay(
        self, tenant: Tenant, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        return await self.call(
            "POST", "/v1/payments", key=tenant.key, body=order(tenant, **fields), headers=headers
        )

    async def paid_payment(self, tenant: Tenant, **fields: Any) -> str:
        """The id of a payment that succeeded."""
        answer = await self.pay(tenant, **fields)
        payment_id: str = answer.json()["id"]
        await self.callback(tenant.account_id, paid(payment_id, amount=answer.json()["amount"]))
        await self.ended(payment_id)
        return payment_id

    async def refund(
        self,
        tenant: Tenant,
        payment_id: str,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        body = refund_body(payment_id, **fields)
        return await self.call("POST", "/v1/refunds", key=tenant.key, body=body, headers=headers)

    async def held_payment(self, tenant: Tenant, **fields: Any) -> str:
        """The id of a payment whose money the channel holds."""
        answer = await self.pay(
            tenant, **({"method": "test_hold", "capture_method": "manual"} | fields)
        )
        assert answer.json()["status"] == "requires_capture", answer.text
        payment_id: str = answer.json()["id"]
        return payment_id

    async def capture(self, tenant: Tenant, payment_id: str, **fields: Any) -> httpx.Response:
        path = f"/v1/payments/{payment_id}/capture"
        return await self.call("POST", path, key=tenant.key, body=fields)

    async def refunded(self, refund_id: str) -> None:
        """Wait for the end of a refund's run."""
        await self.deps.client.get_workflow_handle(f"refund/{refund_id}").result()

    async def callback(self, account_id: str, news: dict[str, Any]) -> httpx.Response:
        body = json.dumps(news).encode()
        return await self.http.post(
            f"/callbacks/{testpay.NAME}/{account_id}",
            content=body,
            headers={testpay.SIGNATURE: testpay.sign(body)},
        )

    async def count(self, table: str) -> int:
        async with self.deps.database.transaction("test count") as connection:
            found: int = await connection.scalar(
                text(f"SELECT count(*) FROM {table}")  # noqa: S608
            )
        return found

    async def status(self, tenant: Tenant, payment_id: str) -> PaymentStatus:
        found = await self.call("GET", f"/v1/payments/{payment_id}", key=tenant.key)
        return PaymentStatus(found.json()["status"])

    async def called(self, times: int) -> None:
        """Wait until the slow method of the channel was called so often since it was held up."""
        while self.channel.waiting < times:
            await self.channel.news.wait()
            self.channel.news.clear()

    async def asked(self, serial: str) -> None:
        """Wait until the channel was asked where `serial` stands."""
        while not self.channel.asked.get(serial):
            await self.channel.news.wait()
            self.channel.news.clear()

    def with_(self, **changed: Any) -> "World":
        """The same world behind another instance of the API; use it as a context manager."""
        deps = dataclasses.replace(self.deps, **changed)
        return dataclasses.replace(self, deps=deps).over(build_app(deps))

    def over(self, app: FastAPI) -> "World":
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://api.example", timeout=60
        )
        return dataclasses.replace(self, app=app, http=http)

    def with_options(self, **changed: Any) -> "World":
        return self.with_(options=dataclasses.replace(self.deps.options, **changed))

    def impatient(self) -> "World":
        """With no time to wait for a channel."""
        return self.with_options(initiation_timeout=timedelta(milliseconds=300))

    @asynccontextmanager
    async def without_temporal(self) -> AsyncIterator["World"]:
        """With a Temporal that cannot be reached."""
        nowhere = TemporalConnection(
            address=f"127.0.0.1:{_closed_port()}",
            namespace="default",
            payload_keys={"k1": b"1" * 32},
        )
        client = await connect(nowhere, lazy=True)
        async with self.with_(client=client).impatient() as cut_off:
            yield cut_off

    @asynccontextmanager
    async def without_database(self) -> AsyncIterator["World"]:
        """With a PostgreSQL that cannot be reached."""
        database = Database(f"postgresql://nobody@127.0.0.1:{_closed_port()}/none", pool_size=2)
        async with self.with_(database=database) as cut_off:
            yield cut_off
        await database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def has_run(self, payment_id: str) -> bool:
        try:
            await self.deps.client.get_workflow_handle(f"pay/{payment_id}").describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return True

    async def started(self, payment_id: str) -> None:
        """Wait until the channel has answered the payment's first attempt."""
        recorded = await self.recorded(payment_id)
        await start_payment(self.deps.client, recorded.order, within=timedelta(seconds=20))

    async def recorded(self, payment_id: str) -> RecordedOrder:
        async with self.deps.database.transaction("test read") as connection:
            recorded = await read_order(connection, payment_id)
        assert recorded is not None
        return recorded

    async def ended(self, payment_id: str) -> None:
        """Wait for the run's own end."""
        await self.deps.client.get_workflow_handle(f"pay/{payment_id}").result()


def order(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    return {
        "order_no": uuid4().hex,
        "merchant_id": tenant.merchant_id,
        "amount": 1999,
        "currency": "CNY",
        "method": "test_qr",
        "subject": "Two tickets",
    } | fields


def refund_body(payment_id: str, **fields: Any) -> dict[str, Any]:
    return {"payment_id": payment_id, "refund_no": uuid4().hex, "amount": 500} | fields


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def paid(payment_id: str, **fields: Any) -> dict[str, Any]:
    """A callback that says the first attempt of the payment is paid."""
    return {
        "event": uuid4().hex,
        "serial": f"{payment_id.removeprefix('pay_')}01",
        "state": "paid",
        "amount": 1999,
        "currency": "CNY",
        "reference": "2026112022001",
    } | fields


def given_back(refund_id: str, **fields: Any) -> dict[str, Any]:
    """A callback that says the refund is done."""
    return {
        "event": uuid4().hex,
        "about": "refund",
        "serial": refund_id.removeprefix("ref_"),
        "state": "paid",
        "amount": 500,
        "currency": "CNY",
        "reference": "2026112022002",
    } | fields


def transactions() -> dict[str, float]:
    """Committed SQL transactions so far, by name."""
    return {
        sample.labels["name"]: sample.value
        for metric in SQL_TRANSACTIONS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def code_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == PROBLEM, response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    code: str = problem["code"]
    return code
