"""The same payment on DBOS: order, Alipay call, callback, ledger, webhook. One process of it.

    .venvs/dbos/bin/python -m bench.dbos_side.app      reads its settings as JSON from DBOS_BENCH

Written as well as we can, from docs.dbos.dev (workflows, steps, communicating with workflows,
configuration; read 2026-11-21): asynchronous workflows started where the request arrives, messages
with an idempotency key, events for what a repeated request asks for, the caller itself answered
from memory. Our adapter, our webhook sender and our SQL function do the same work in both.

What it does beyond the straight path: a lost answer is asked for again with the same serial, an
unknown one is queried until it is known, silence is queried, an order that ran out is closed.
"""

# mypy: disable-error-code="untyped-decorator"

import asyncio
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

import uvicorn
from dbos import DBOS, DBOSConfig, SetWorkflowID, error  # type: ignore[import-not-found]
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field

from activities.webhook import WebhookSender
from bench.dbos_side.books import Books, Payment
from bench.dbos_side.settings import Settings
from channels.alipay.adapter import AlipayChannel
from channels.base import Account
from channels.http import ChannelHttp
from models.channel import (
    Approved,
    Declined,
    NotAttempted,
    Outcome,
    PayRequest,
    Pending,
    QueryRequest,
    Unknown,
)
from models.errors import BadSignature, InvalidRequest
from models.ids import new_id
from models.notification import Endpoint, EventBody, Notification

SETTINGS = Settings.model_validate_json(os.environ["DBOS_BENCH"])

_ANSWER_WITHIN_SECONDS = 10.0
_NEWS, _ANSWER = "news", "answer"
# How long to listen before asking the channel; the last is repeated. The same as ours.
_SILENCE_SECONDS = (30, 60, 120, 300)
_FIND_OUT_TRIES = 60
_CLOSE_TRIES = 4
_ANSWERS: dict[str, asyncio.Future[dict[str, Any]]] = {}


class Parts:
    """What the steps share; opened on the event loop that runs them all."""

    books: Books
    channel: AlipayChannel
    account: Account
    sender: WebhookSender


PARTS = Parts()


class StillUnknown(Exception):
    """The channel did not say; asking again is harmless."""


class NotDelivered(Exception):
    """The app did not take the webhook."""


# ---- the workflow --------------------------------------------------------------------------------


@DBOS.workflow()
async def pay(payment: dict[str, Any]) -> str:
    """One payment from the channel call to the app's webhook. Its id is the payment's."""
    order = Payment.model_validate(payment)
    found = await send(payment)
    if found["kind"] == "unknown":
        found = await find_out(payment)
    answer = {"id": order.id, "status": _status_of(found), "next_action": found.get("next_action")}
    await DBOS.set_event_async(_ANSWER, answer)
    waiting = _ANSWERS.pop(order.id, None)
    if waiting is not None and not waiting.done():
        waiting.set_result(answer)
    if found["kind"] in {"pending", "unknown"}:
        found = await _await_news(order, payment)
    await settle(payment, found)
    await deliver(payment, _status_of(found))
    return _status_of(found)


async def _await_news(order: Payment, payment: dict[str, Any]) -> dict[str, Any]:
    """A callback that decides; a query after each silence; a close when the time is up."""
    silences = 0
    while True:
        silence = _SILENCE_SECONDS[min(silences, len(_SILENCE_SECONDS) - 1)]
        news = await DBOS.recv_async(_NEWS, timeout_seconds=silence)
        silences += 1
        found = news if news is not None else await ask(payment)
        if found["kind"] in {"approved", "declined"}:
            return dict(found)
        if await overdue(payment):
            return await _close(order, payment)


async def _close(order: Payment, payment: dict[str, Any]) -> dict[str, Any]:
    for _ in range(_CLOSE_TRIES):
        await close(payment)
        found = await ask(payment)
        if found["kind"] in {"approved", "declined"}:
            return dict(found)
        await DBOS.sleep_async(20)
    raise RuntimeError(f"{order.id}: nobody knows, and a person has to look")


# ---- its steps -----------------------------------------------------------------------------------


@DBOS.step()
async def send(payment: dict[str, Any]) -> dict[str, Any]:
    """Ask for the money. A QR code may be asked for again: the serial is the same."""
    order = Payment.model_validate(payment)
    request = PayRequest(
        payment_id=order.id,
        serial=order.serial,
        method=order.method,
        money=order.money,
        subject=order.subject,
        expires_at=order.expires_at,
        notify_url=SETTINGS.notify_url,
    )
    for number in range(3):
        answer = await PARTS.channel.pay(PARTS.account, request, _now())
        is_certain = not isinstance(answer.outcome, Unknown | NotAttempted)
        if is_certain or (isinstance(answer.outcome, NotAttempted) and number == 0):
            return _as_news(answer.outcome)
    return {"kind": "unknown"}


@DBOS.step(retries_allowed=True, interval_seconds=1, backoff_rate=1.5, max_attempts=_FIND_OUT_TRIES)
async def find_out(payment: dict[str, Any]) -> dict[str, Any]:
    """Query until it is known."""
    found = await _query(payment)
    if found["kind"] == "unknown":
        raise StillUnknown(payment["id"])
    return found


@DBOS.step()
async def ask(payment: dict[str, Any]) -> dict[str, Any]:
    """Query once."""
    return await _query(payment)


@DBOS.step()
async def close(payment: dict[str, Any]) -> None:
    """Tell the channel to take no more money; the query after it decides."""
    await PARTS.channel.close(PARTS.account, _query_of(payment), _now())


@DBOS.step()
async def overdue(payment: dict[str, Any]) -> bool:
    """Whether the payer's time is up; a step, since it reads the clock."""
    return _now() >= Payment.model_validate(payment).expires_at


@DBOS.step(retries_allowed=True, interval_seconds=0.1, backoff_rate=2, max_attempts=20)
async def settle(payment: dict[str, Any], found: dict[str, Any]) -> None:
    """Status and ledger in one statement; a repeat changes nothing."""
    order = Payment.model_validate(payment)
    await PARTS.books.settle(order, status=_status_of(found), at=_now())


@DBOS.step(retries_allowed=True, interval_seconds=1, backoff_rate=2, max_attempts=12)
async def deliver(payment: dict[str, Any], status: str) -> None:
    """Tell the app. Its id comes from the payment, so that twice is the same event."""
    order = Payment.model_validate(payment)
    event_id = f"ntf_{order.serial}"
    now = _now()
    body = EventBody(
        id=event_id,
        type=f"payment.{status}",
        timestamp=now,
        sequence=1,
        data={
            "id": order.id,
            "order_no": order.order_no,
            "status": status,
            "amount": order.amount,
            "currency": order.currency,
        },
    )
    notification = Notification(
        id=event_id,
        app_id=SETTINGS.app_id,
        object_id=order.id,
        sequence=1,
        type=body.type,
        body=body.model_dump_json(),
        created_at=now,
    )
    endpoint = Endpoint(
        app_id=SETTINGS.app_id, url=SETTINGS.webhook_url, secrets=(SETTINGS.webhook_key,)
    )
    result = await PARTS.sender.send(endpoint, notification)
    if not result.delivered:
        raise NotDelivered(result.error)


async def _query(payment: dict[str, Any]) -> dict[str, Any]:
    answer = await PARTS.channel.query(PARTS.account, _query_of(payment), _now())
    return _as_news(answer.outcome)


def _query_of(payment: dict[str, Any]) -> QueryRequest:
    order = Payment.model_validate(payment)
    return QueryRequest(
        payment_id=order.id,
        serial=order.serial,
        method=order.method,
        money=order.money,
        expires_at=order.expires_at,
    )


def _as_news(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Approved(money=money):
            return {"kind": "approved", "amount": money.amount_minor if money else None}
        case Pending(next_action=action):
            shown = action.model_dump(mode="json") if action else None
            return {"kind": "pending", "next_action": shown}
        case Declined(code=code):
            return {"kind": "declined", "code": code}
        case NotAttempted():
            return {"kind": "declined", "code": "channel_unreachable"}
    return {"kind": "unknown"}


def _status_of(found: dict[str, Any]) -> str:
    return {"approved": "succeeded", "declined": "failed", "pending": "requires_action"}.get(
        found["kind"], "processing"
    )


# ---- the front door ------------------------------------------------------------------------------


class NewPayment(BaseModel):
    """What an app orders; the fields that our API takes for a QR code."""

    order_no: Annotated[str, Field(min_length=1, max_length=64)]
    merchant_id: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Annotated[int, Field(strict=True, gt=0, le=10_000_000_000)]
    currency: Annotated[str, Field(pattern="^CNY$")]
    method: Annotated[str, Field(pattern="^alipay_qr$")]
    subject: Annotated[str, Field(min_length=1, max_length=128)]
    expires_in: Annotated[int, Field(ge=60, le=86_400)] = 900


def known_app(authorization: Annotated[str, Header()] = "") -> str:
    given = sha256(authorization.removeprefix("Bearer ").encode()).hexdigest()
    if not hmac.compare_digest(given, SETTINGS.api_key_sha256):
        raise HTTPException(401)
    return SETTINGS.app_id


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with (
        Books.opened(SETTINGS.database_url, SETTINGS.pool_size) as PARTS.books,
        ChannelHttp(
            connect_timeout=timedelta(seconds=3), read_timeout=timedelta(seconds=10)
        ) as http,
        WebhookSender(allow_private=True) as PARTS.sender,
    ):
        PARTS.channel = AlipayChannel(http, gateway_url=SETTINGS.gateway_url)
        PARTS.account = Account(
            id=SETTINGS.account_id,
            version=1,
            parameters=AlipayChannel.parameters.model_validate(SETTINGS.channel_parameters),
        )
        DBOS.launch()  # inside the loop: what it recovers runs here too
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/v1/payments", status_code=201)
async def create(
    body: NewPayment, app_id: Annotated[str, Depends(known_app)], response: Response
) -> dict[str, Any]:
    """Order and serial are on disk before the workflow starts; both are harmless twice."""
    fingerprint = sha256(body.model_dump_json().encode()).hexdigest()
    payment_id = new_id("pay")
    offered = Payment(
        id=payment_id,
        serial=payment_id.removeprefix("pay_") + "01",
        app_id=app_id,
        fingerprint=fingerprint,
        expires_at=_now() + timedelta(seconds=body.expires_in),
        **body.model_dump(exclude={"expires_in"}),
    )
    order = await PARTS.books.keep(offered)
    if order.fingerprint != fingerprint:
        raise HTTPException(409, "another order has this number")
    waiting = asyncio.get_running_loop().create_future()
    if order.id == payment_id:
        _ANSWERS[order.id] = waiting
    with SetWorkflowID(order.id):
        await DBOS.start_workflow_async(pay, order.model_dump(mode="json"))
    answer = await _answer(order.id, waiting, is_new=order.id == payment_id)
    if answer is None:
        response.status_code = 202
        return {"id": order.id, "status": "processing"}
    return answer


async def _answer(
    payment_id: str, waiting: asyncio.Future[dict[str, Any]], *, is_new: bool
) -> dict[str, Any] | None:
    """The first answer of the channel; a repeated request reads it from the workflow's event."""
    if not is_new:
        stored: dict[str, Any] | None = await DBOS.get_event_async(
            payment_id, _ANSWER, timeout_seconds=_ANSWER_WITHIN_SECONDS
        )
        return stored
    try:
        return await asyncio.wait_for(waiting, _ANSWER_WITHIN_SECONDS)
    except TimeoutError:
        return None
    finally:
        _ANSWERS.pop(payment_id, None)


@app.post("/callbacks/alipay")
async def callback(request: Request) -> Response:
    """Verify, hand over durably, acknowledge. A message is kept once for each notice."""
    raw = await request.body()
    try:
        facts = PARTS.channel.parse_callback(PARTS.account, request.headers, raw, _now())
    except (BadSignature, InvalidRequest):
        return Response("fail")
    if facts is None:  # genuine, and about nothing we asked for
        return Response("success")
    payment_id = f"pay_{facts.serial[:-2]}"
    try:
        await DBOS.send_async(
            payment_id,
            _as_news(facts.outcome) | {"raw": raw.decode()},
            topic=_NEWS,
            idempotency_key=facts.channel_event_id,
        )
    except error.DBOSNonExistentWorkflowError:
        return Response("fail")
    return Response("success")


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


def _now() -> datetime:
    return datetime.now(UTC)


def main() -> None:
    config = DBOSConfig(
        name="bench",
        system_database_url=SETTINGS.database_url,
        executor_id=SETTINGS.executor_id,
        application_version="bench",
        sys_db_pool_size=SETTINGS.pool_size,
        notification_coalesce_sec=0.001,
        log_level="WARNING",
    )
    DBOS(config=config)
    uvicorn.run(app, port=SETTINGS.port, log_level="warning", access_log=False, server_header=False)


if __name__ == "__main__":
    main()
