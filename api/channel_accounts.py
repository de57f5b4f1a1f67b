"""`/v1/channel-accounts` and `/v1/channels`: a merchant's accounts at third parties."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.answers import (
    CertificateAnswer,
    ChannelAccountAnswer,
    ChannelAccountList,
    ChannelAnswer,
    ChannelList,
    MethodAnswer,
    as_json,
)
from api.changes import Recorder, Why
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, Identifier, Nothing, is_id
from api.openapi import describe, problems
from api.paging import ChannelAccountQuery, next_after
from api.requests import invalid, parse, parse_query, read_body
from channels.base import Channel, ChannelParameters
from models.change import warning_of
from models.channel import ChannelAccount, ChannelAccountStatus
from models.errors import NotFound, Problem
from models.ids import new_id
from models.merchant import Merchant, Role
from storage.channel_accounts import (
    create_channel_account,
    list_channel_accounts,
    read_channel_account,
    set_status,
)
from storage.merchants import read_merchant

router = APIRouter(prefix="/v1", tags=["channel accounts"])

_READERS = (Role.ADMIN, Role.OPS, Role.FINANCE)
FEE_MAX_BPS = 10_000  # all of the amount
VALUE_MAX = 16 * 1024  # a chain of three certificates in PEM
_EXAMPLE = {
    "merchant_id": "mer_01KAH3W3F0Q7V2H8T0M4X5N6P7",
    "channel": "alipay",
    "methods": ["alipay_qr"],
    "fee_bps": 60,
    "parameters": {"app_id": "2021000000000000"},
}


class NewChannelAccount(Body):
    """`parameters` follow the channel's schema in `GET /v1/channels`."""

    merchant_id: Identifier
    channel: Identifier
    methods: Annotated[list[Identifier], Field(min_length=1, max_length=32)]
    fee_bps: Annotated[int, Field(ge=0, le=FEE_MAX_BPS, description="what we keep, 60 is 0.6%")]
    channel_fee_bps: Annotated[int, Field(ge=0, le=FEE_MAX_BPS)] | None = Field(
        default=None, description="what the channel is agreed to take; null is not compared"
    )
    parameters: Annotated[
        dict[Identifier, Annotated[str, Field(max_length=VALUE_MAX)]], Field(max_length=64)
    ]


@router.post(
    "/channel-accounts",
    status_code=201,
    response_model=ChannelAccountAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=NewChannelAccount, example=_EXAMPLE),
)
async def create(request: Request, deps: Deps) -> Response:
    """Give a merchant an account at a channel (admin). Secrets are encrypted and never returned."""
    raw = await read_body(request)
    async with deps.session(request, "create channel account", Role.ADMIN) as (connection, caller):
        body = parse(NewChannelAccount, raw)
        channel = _channel(deps, body)
        parameters = deps.channels.parse_parameters(channel.name, body.parameters)
        secret = deps.channels.split_secrets(parameters)[1]
        merchant = (
            await read_merchant(connection, body.merchant_id, app_id=None)
            if is_id("mer", body.merchant_id)
            else None
        )
        account = _account(body, _existing(merchant), parameters, deps)
        await create_channel_account(connection, deps.vault, account, secret)
        await Recorder(connection, caller, account.created_at).record(account, "create")
    return as_json(
        account_answer(account, deps),
        status_code=201,
        location=f"/v1/channel-accounts/{account.id}",
    )


@router.get(
    "/channel-accounts",
    response_model=ChannelAccountList,
    responses=problems(422),
    openapi_extra=describe(query=ChannelAccountQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Channel accounts, of one merchant or of all (admin, ops, finance)."""
    async with deps.session(request, "list channel accounts", *_READERS) as (connection, _):
        query = parse_query(ChannelAccountQuery, request)
        found = await list_channel_accounts(
            connection,
            app_id=None,
            merchant_id=query.merchant_id,
            limit=query.limit,
            after=query.cursor,
        )
    items = tuple(account_answer(account, deps) for account in found)
    cursor = next_after(tuple(account.id for account in found), query.limit)
    return as_json(ChannelAccountList(items=items, next_cursor=cursor))


@router.get(
    "/channel-accounts/{account_id}",
    response_model=ChannelAccountAnswer,
    responses=problems(404),
)
async def get_account(account_id: str, request: Request, deps: Deps) -> Response:
    """One channel account (admin, ops, finance)."""
    async with deps.session(request, "read channel account", *_READERS) as (connection, _):
        account = (
            await read_channel_account(connection, account_id, app_id=None)
            if is_id("acc", account_id)
            else None
        )
    return _shown(account, deps)


@router.post(
    "/channel-accounts/{account_id}/disable",
    response_model=ChannelAccountAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Why, example={"reason": "the contract has ended"}),
)
async def disable(account_id: str, request: Request, deps: Deps) -> Response:
    """Route nothing new to it (admin). Payments under way go on, and callbacks are taken."""
    return await _set_status(account_id, request, deps, Why)


@router.post(
    "/channel-accounts/{account_id}/enable",
    response_model=ChannelAccountAnswer,
    responses=problems(400, 404, 422),
    openapi_extra=describe(body=Nothing),
)
async def enable(account_id: str, request: Request, deps: Deps) -> Response:
    """Route payments to it again (admin)."""
    return await _set_status(account_id, request, deps, Nothing)


@router.get("/channels", response_model=ChannelList, responses=problems())
async def list_channels(request: Request, deps: Deps) -> Response:
    """The channels we can use, with their methods, limits and the parameters an account needs."""
    async with deps.session(request, "list channels", *_READERS, Role.APP):
        channels = tuple(deps.channels.get(name) for name in deps.channels.names())
    return as_json(ChannelList(items=tuple(_channel_answer(channel) for channel in channels)))


async def _set_status(
    account_id: str, request: Request, deps: ApiDependencies, model: type[Why] | type[Nothing]
) -> Response:
    """Off for a body that says why, on for one that says nothing."""
    raw = await read_body(request)
    async with deps.session(request, "set account status", Role.ADMIN) as (connection, caller):
        body = parse(model, raw)
        reason = body.reason if isinstance(body, Why) else None
        status = ChannelAccountStatus.DISABLED if reason else ChannelAccountStatus.ACTIVE
        before = (
            await read_channel_account(connection, account_id, app_id=None)
            if is_id("acc", account_id)
            else None
        )
        account = await set_status(connection, account_id, status) if before else None
        if account is not None and account.status is not _status_of(before):
            recorder = Recorder(connection, caller, deps.clock())
            action = "disable" if reason else "enable"
            await recorder.record(account, action, before=before, reason=reason)
    return _shown(account, deps)


def account_answer(account: ChannelAccount, deps: ApiDependencies) -> ChannelAccountAnswer:
    """An account with what runs out of it."""
    certificates = tuple(
        CertificateAnswer(**one.model_dump(), warning=warning_of(one.expires_at, deps.clock()))
        for one in account.certificates
    )
    return ChannelAccountAnswer(
        **account.model_dump(exclude={"certificates"}), certificates=certificates
    )


def _status_of(account: ChannelAccount | None) -> ChannelAccountStatus | None:
    return account.status if account else None


def _shown(account: ChannelAccount | None, deps: ApiDependencies) -> Response:
    if account is None:
        raise NotFound("there is no such channel account")
    return as_json(account_answer(account, deps))


def _existing(merchant: Merchant | None) -> Merchant:
    if merchant is None:
        raise NotFound(
            "there is no such merchant",
            code="merchant-not-found",
            problems=(
                Problem(
                    pointer="#/merchant_id", code="merchant-not-found", detail="no such merchant"
                ),
            ),
        )
    return merchant


def _account(
    body: NewChannelAccount,
    merchant: Merchant,
    parameters: ChannelParameters,
    deps: ApiDependencies,
) -> ChannelAccount:
    return ChannelAccount(
        id=new_id("acc"),
        merchant_id=merchant.id,
        app_id=merchant.app_id,
        channel=body.channel,
        version=1,
        status=ChannelAccountStatus.ACTIVE,
        methods=tuple(dict.fromkeys(body.methods)),
        fee_bps=body.fee_bps,
        channel_fee_bps=body.channel_fee_bps,
        parameters=deps.channels.split_secrets(parameters)[0],
        certificates=parameters.certificates(),
        created_at=deps.clock(),
    )


def _channel(deps: ApiDependencies, body: NewChannelAccount) -> Channel:
    if body.channel not in deps.channels.names():
        raise invalid(
            Problem(pointer="#/channel", code="not-a-choice", detail="there is no such channel")
        )
    channel = deps.channels.get(body.channel)
    check_methods(channel, body.methods)
    return channel


def check_methods(channel: Channel, methods: list[str]) -> None:
    """Raises InvalidRequest for methods the channel does not offer."""
    offered = {method.name for method in channel.capabilities.methods}
    unknown = [index for index, name in enumerate(methods) if name not in offered]
    if unknown:
        raise invalid(
            *(
                Problem(
                    pointer=f"#/methods/{index}",
                    code="not-a-choice",
                    detail=f"the channel offers {', '.join(sorted(offered))}",
                )
                for index in unknown
            )
        )


def _channel_answer(channel: Channel) -> ChannelAnswer:
    can = channel.capabilities
    return ChannelAnswer(
        name=channel.name,
        methods=tuple(
            MethodAnswer(name=m.name, title=m.title, needs_payer_code=m.needs_payer_code)
            for m in can.methods
        ),
        operations=tuple(sorted(can.operations)),
        currencies=tuple(sorted(can.currencies)),
        amount_min=can.amount_min_minor,
        amount_max=can.amount_max_minor,
        expires_in_max=can.expiry_max_seconds,
        parameters_schema=channel.parameters.model_json_schema(),
    )
