"""Merchants' accounts at channels. Secrets are sealed; workers and callbacks open them."""

import json
from collections.abc import Mapping

from pydantic import Field, TypeAdapter
from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import ChannelAccount, ChannelAccountStatus, Frozen
from models.tables.merchants import CHANNEL_ACCOUNT
from storage.vault import Vault

ACCOUNT_COLUMNS = tuple(
    column for column in CHANNEL_ACCOUNT.c if column is not CHANNEL_ACCOUNT.c.secrets
)

_READ_PARAMETERS = select(CHANNEL_ACCOUNT).where(CHANNEL_ACCOUNT.c.id == bindparam("account_id"))

_SECRETS = TypeAdapter(dict[str, str])


class StoredParameters(Frozen):
    """An account with all its parameters, secrets included. Never leaves a worker or the API."""

    account: ChannelAccount
    parameters: dict[str, str] = Field(repr=False)


async def create_channel_account(
    connection: AsyncConnection, vault: Vault, account: ChannelAccount, secrets: Mapping[str, str]
) -> None:
    """`account.parameters` are the public ones; `secrets` are sealed together."""
    sealed = vault.seal(json.dumps(dict(secrets)).encode(), context=_secrets_context(account.id))
    values = account.model_dump() | {"methods": list(account.methods), "secrets": sealed}
    await connection.execute(insert(CHANNEL_ACCOUNT).values(**values))


async def read_channel_account(
    connection: AsyncConnection, account_id: str, *, app_id: str | None
) -> ChannelAccount | None:
    """One account; `app_id` None looks in every app."""
    query = _of_app(app_id).where(CHANNEL_ACCOUNT.c.id == account_id)
    row = (await connection.execute(query)).one_or_none()
    return ChannelAccount.model_validate(dict(row._mapping)) if row else None


async def list_channel_accounts(
    connection: AsyncConnection,
    *,
    app_id: str | None,
    merchant_id: str | None,
    limit: int,
    after: str | None,
) -> tuple[ChannelAccount, ...]:
    """In the order in which they were made; `after` is the id of the last one seen."""
    query = _of_app(app_id).order_by(CHANNEL_ACCOUNT.c.id).limit(limit)
    if merchant_id is not None:
        query = query.where(CHANNEL_ACCOUNT.c.merchant_id == merchant_id)
    if after is not None:
        query = query.where(CHANNEL_ACCOUNT.c.id > after)
    rows = await connection.execute(query)
    return tuple(ChannelAccount.model_validate(dict(row._mapping)) for row in rows)


async def read_parameters(
    connection: AsyncConnection, vault: Vault, account_id: str
) -> StoredParameters | None:
    """An account with its secrets opened."""
    found = await connection.execute(_READ_PARAMETERS, {"account_id": account_id})
    row = found.one_or_none()
    if row is None:
        return None
    public = dict(row._mapping)
    opened = vault.open(public.pop("secrets"), context=_secrets_context(account_id))
    account = ChannelAccount.model_validate(public)
    return StoredParameters(
        account=account, parameters=account.parameters | _SECRETS.validate_json(opened)
    )


async def set_status(
    connection: AsyncConnection, account_id: str, status: ChannelAccountStatus
) -> ChannelAccount | None:
    """Turn an account on or off; its version rises by one. None when there is no such account."""
    result = await connection.execute(
        update(CHANNEL_ACCOUNT)
        .where(CHANNEL_ACCOUNT.c.id == account_id)
        .values(status=status, version=CHANNEL_ACCOUNT.c.version + 1)
        .returning(*ACCOUNT_COLUMNS)
    )
    row = result.one_or_none()
    return ChannelAccount.model_validate(dict(row._mapping)) if row else None


def _of_app(app_id: str | None) -> Select[tuple[object, ...]]:
    query = select(*ACCOUNT_COLUMNS)
    return query if app_id is None else query.where(CHANNEL_ACCOUNT.c.app_id == app_id)


def _secrets_context(account_id: str) -> str:
    return f"channel_account|{account_id}|secrets"
