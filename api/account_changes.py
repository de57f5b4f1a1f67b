"""`/v1/channel-accounts/{id}`: changing an account's terms, and replacing its parameters."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import ChannelAccountAnswer, as_json
from api.changes import Overlap, Recorder, Rotation, Version, check_version
from api.channel_accounts import FEE_MAX_BPS, VALUE_MAX, account_answer, check_methods
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, Identifier, is_id
from api.openapi import describe, problems
from api.requests import invalid, parse, read_body
from channels.base import ChannelParameters
from models.errors import Conflict, NotFound, Problem
from models.merchant import Role
from storage.channel_accounts import (
    StoredParameters,
    change_channel_account,
    lock_parameters,
    rotate_parameters,
)

router = APIRouter(prefix="/v1/channel-accounts", tags=["channel accounts"])


class AccountChange(Body):
    """What is left out stays. Payments ordered before keep the price they were chosen with."""

    methods: Annotated[list[Identifier], Field(min_length=1, max_length=32)] | None = None
    fee_bps: Annotated[int, Field(ge=0, le=FEE_MAX_BPS)] | None = None
    channel_fee_bps: Annotated[int, Field(ge=0, le=FEE_MAX_BPS)] | None = Field(
        default=None, description="null is not compared"
    )
    version: Version | None = None


class NewParameters(Rotation):
    """Those of `parameters` that are replaced; the others stay, and null takes one away."""

    parameters: Annotated[
        dict[Identifier, Annotated[str, Field(max_length=VALUE_MAX)] | None],
        Field(min_length=1, max_length=64),
    ]
    version: Version | None = None
    overlap_seconds: Overlap = Field(
        default=Rotation.model_fields["overlap_seconds"].default,
        description="how long callbacks are taken that are signed for the former parameters",
    )


@router.patch(
    "/{account_id}",
    response_model=ChannelAccountAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(body=AccountChange, example={"fee_bps": 55, "version": 1}),
)
async def change(account_id: str, request: Request, deps: Deps) -> Response:
    """Change methods and fees (admin). The same body twice changes nothing more."""
    raw = await read_body(request)
    async with deps.session(request, "change account", Role.ADMIN) as (connection, caller):
        body = parse(AccountChange, raw)
        _check(body)
        account = (await _locked(connection, deps, account_id)).account
        check_methods(deps.channels.get(account.channel), body.methods or [])
        changed = account.model_copy(update=_values(body))
        if changed != account:
            check_version(body.version, account.version)
            changed = await change_channel_account(connection, changed)
            recorder = Recorder(connection, caller, deps.clock())
            await recorder.record(changed, "change", before=account)
    return as_json(account_answer(changed, deps))


@router.post(
    "/{account_id}/rotate",
    response_model=ChannelAccountAnswer,
    responses=problems(400, 404, 409, 422),
    openapi_extra=describe(
        body=NewParameters,
        example={"parameters": {"webhook_secrets": "whsec_…"}, "overlap_seconds": 86_400},
    ),
)
async def rotate(account_id: str, request: Request, deps: Deps) -> Response:
    """Replace parameters by others of the same account at the channel (admin).

    Calls use the new ones at once, also about payments made before. Callbacks are taken with the
    new ones and, until the overlap ends, with the former ones.
    """
    raw = await read_body(request)
    async with deps.session(request, "rotate parameters", Role.ADMIN) as (connection, caller):
        body, now = parse(NewParameters, raw), deps.clock()
        stored = await _locked(connection, deps, account_id)
        account, parsed = stored.account, _replaced(deps, stored, body.parameters)
        public, secret = deps.channels.split_secrets(parsed)
        if public | secret == stored.parameters:
            return as_json(account_answer(account, deps))
        check_version(body.version, account.version)
        changed = await rotate_parameters(
            connection,
            deps.vault,
            account.model_copy(
                update={"parameters": public, "certificates": parsed.certificates()}
            ),
            secret,
            now=now,
            until=body.ends_at(now),
        )
        recorder = Recorder(connection, caller, now)
        await recorder.record(
            changed,
            "rotate",
            before=account,
            replaced=sorted(body.parameters),
            former_until=body.ends_at(now).isoformat(),
        )
    return as_json(account_answer(changed, deps))


async def _locked(
    connection: AsyncConnection, deps: ApiDependencies, account_id: str
) -> StoredParameters:
    stored = (
        await lock_parameters(connection, deps.vault, account_id)
        if is_id("acc", account_id)
        else None
    )
    if stored is None:
        raise NotFound("there is no such channel account")
    return stored


def _replaced(
    deps: ApiDependencies, stored: StoredParameters, given: Mapping[str, str | None]
) -> ChannelParameters:
    """The stored parameters with those given, which must be of the same account."""
    channel = stored.account.channel
    merged = {
        name: value
        for name, value in (stored.parameters | dict(given)).items()
        if value is not None
    }
    new = deps.channels.parse_parameters(channel, merged)
    before = deps.channels.account(
        stored.account.id, stored.account.version, channel, stored.parameters
    )
    was = before.parameters.identity()
    other = [name for name, value in new.identity().items() if was.get(name) != value]
    if other:
        raise Conflict(
            "this is another account at the channel; create a channel account for it",
            code="identity-changed",
            problems=tuple(
                Problem(
                    pointer=f"#/parameters/{name}",
                    code="identity-changed",
                    detail="says which account it is, and cannot be replaced",
                )
                for name in other
            ),
        )
    return new


def _check(body: AccountChange) -> None:
    wrong = [
        Problem(pointer=f"#/{name}", code="required", detail="this cannot be taken away")
        for name in ("methods", "fee_bps")
        if name in body.model_fields_set and getattr(body, name) is None
    ]
    if wrong:
        raise invalid(*wrong)


def _values(body: AccountChange) -> dict[str, Any]:
    values = body.model_dump(include=body.model_fields_set - {"version"})
    if "methods" in values:
        values["methods"] = tuple(dict.fromkeys(values["methods"]))
    return values
