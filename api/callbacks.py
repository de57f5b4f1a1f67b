"""`/callbacks/{channel}/{account}`: verify the raw bytes, keep them, hand them over, acknowledge.

The acknowledgement says "kept", so it comes after the commit and does not wait for anything else:
a callback that Temporal could not be told about is on disk, and a sweeper tells it later.
"""

from contextlib import suppress
from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api.dependencies import ApiDependencies, Deps
from api.dispatch import deliver_callback, event_of, is_disputed
from api.fields import is_id
from api.refund_dispatch import deliver_refund_callback
from api.requests import RawBody, read_body
from channels.base import Account, Acknowledgement, Channel
from models.channel import CallbackFacts
from models.errors import (
    BadSignature,
    ChannelMisconfigured,
    InvalidRequest,
    Unavailable,
)
from models.ids import new_id
from models.views import CallbackMatch, KeptCallback
from observability.logs import logger
from observability.metrics import CALLBACKS
from storage.callbacks import keep_callback, keep_rejected_callback
from storage.channel_accounts import (
    StoredParameters,
    read_former_parameters,
    read_parameters,
)

router = APIRouter(prefix="/callbacks", tags=["callbacks"])

_log = logger(__name__)

_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

# Genuine, and about nothing we asked for: taken, so that the channel does not send it for days.
_NOT_OURS = "not_ours"


@dataclass(frozen=True)
class _Kept:
    """A callback on disk with what it says, or the name of what became of it instead."""

    result: str
    callback: KeptCallback | None = None
    facts: CallbackFacts | None = None


@router.post(
    "/{channel}/{channel_account}",
    responses={200: {"description": "kept, in the channel's own words"}},
    response_class=Response,
    openapi_extra={
        "requestBody": {
            "description": "whatever the channel sends; its signature is checked over these bytes",
            "required": True,
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def receive(channel: str, channel_account: str, request: Request, deps: Deps) -> Response:
    """News from a channel about one of our serials."""
    adapter = deps.channels.get(channel)
    raw = await read_body(request)
    try:
        kept = await _keep(deps, adapter, channel_account, request, raw)
    except Unavailable as error:
        _log.error("callback_not_kept", channel=channel, reason=error.detail)
        kept = _Kept("unavailable")
    accepted = await _hand_over(deps, kept)
    CALLBACKS.labels(channel, kept.result).inc()
    return _in_their_words(adapter.acknowledgement(accepted=accepted))


async def _keep(
    deps: ApiDependencies, channel: Channel, account_id: str, request: Request, raw: RawBody
) -> _Kept:
    async with deps.database.statement("keep callback") as connection:
        stored = (
            await read_parameters(connection, deps.vault, account_id)
            if is_id("acc", account_id)
            else None
        )
        if stored is None or stored.account.channel != channel.name:
            return _Kept("unknown_account")
        headers = {
            name: value for name, value in request.headers.items() if name not in _SECRET_HEADERS
        }
        arrived = _Arrived(channel.name, account_id, headers, raw.content)
        try:
            facts = await _facts(deps, connection, channel, stored, arrived)
        except (BadSignature, InvalidRequest, ChannelMisconfigured) as error:
            _log.warning(
                "callback_rejected", channel=channel.name, account_id=account_id, reason=error.code
            )
            return await _reject(deps, connection, arrived, error.code)
        if facts is None:
            return _Kept(_NOT_OURS)
        callback = await keep_callback(
            connection,
            callback_id=new_id("cb"),
            channel=arrived.channel,
            account_id=arrived.account_id,
            facts=facts,
            headers=arrived.headers,
            body=arrived.body,
            received_at=deps.clock(),
        )
    return _Kept(_result_of(callback), callback, facts)


@dataclass(frozen=True)
class _Arrived:
    channel: str
    account_id: str
    headers: dict[str, str]
    body: bytes


async def _facts(
    deps: ApiDependencies,
    connection: AsyncConnection,
    channel: Channel,
    stored: StoredParameters,
    arrived: _Arrived,
) -> CallbackFacts | None:
    """What the bytes say, as the account's parameters prove it.

    After a rotation the former ones prove it too, until their overlap ends. They are read only when
    the newest do not fit.
    """
    now = deps.clock()
    try:
        account = _account(deps, stored)
        return channel.parse_callback(account, arrived.headers, arrived.body, now)
    except (BadSignature, ChannelMisconfigured) as refused:
        for former in await read_former_parameters(connection, deps.vault, stored, now=now):
            with suppress(BadSignature, ChannelMisconfigured):
                account = _account(deps, former)
                return channel.parse_callback(account, arrived.headers, arrived.body, now)
        raise refused from None


def _account(deps: ApiDependencies, stored: StoredParameters) -> Account:
    """Ready to use; parsed once per version, which is read afresh for every callback."""
    return deps.channels.account(
        stored.account.id,
        version=stored.account.version,
        channel=stored.account.channel,
        parameters=stored.parameters,
    )


async def _reject(
    deps: ApiDependencies, connection: AsyncConnection, arrived: _Arrived, reason: str
) -> _Kept:
    await keep_rejected_callback(
        connection,
        callback_id=new_id("cb"),
        channel=arrived.channel,
        account_id=arrived.account_id,
        reason=reason,
        headers=arrived.headers,
        body=arrived.body,
        received_at=deps.clock(),
    )
    return _Kept("bad_signature" if reason == BadSignature.code else "rejected")


async def _hand_over(deps: ApiDependencies, kept: _Kept) -> bool:
    """Tell the payment's run what was kept. Whether the channel may stop sending it."""
    callback, facts = kept.callback, kept.facts
    if kept.result == _NOT_OURS:
        return True
    if callback is None or facts is None or callback.payment_id is None:
        return False
    business_id = callback.refund_id or callback.payment_id
    with structlog.contextvars.bound_contextvars(business_id=business_id):
        if not callback.handled:
            deliver = deliver_refund_callback if callback.refund_id else deliver_callback
            delivery = await deliver(
                deps.client,
                deps.database,
                business_id,
                event_of(callback, facts),
                now=deps.clock(),
            )
            _log.info("callback_kept", result=kept.result, delivery=delivery)
    return not is_disputed(callback)


def _result_of(callback: KeptCallback) -> str:
    if callback.match is CallbackMatch.DUPLICATE:
        return "duplicate"
    return "disputed" if is_disputed(callback) else callback.match.value


def _in_their_words(acknowledgement: Acknowledgement) -> Response:
    return Response(
        acknowledgement.body,
        status_code=acknowledgement.status_code,
        media_type=acknowledgement.content_type,
    )
