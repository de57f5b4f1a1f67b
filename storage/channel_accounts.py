"""Merchants' accounts at channels. Secrets are sealed; workers and callbacks open them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field, TypeAdapter
from sqlalchemy import Row, Select, bindparam, insert, select, text, update
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
    values = account.model_dump() | {
        "methods": list(account.methods),
        "certificates": _certificates(account),
        "secrets": sealed,
    }
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
    return _to_stored(row, vault)


async def lock_parameters(
    connection: AsyncConnection, vault: Vault, account_id: str
) -> StoredParameters | None:
    """Like `read_parameters`, and nobody else changes the account until the transaction ends."""
    found = await connection.execute(_READ_PARAMETERS.with_for_update(), {"account_id": account_id})
    row = found.one_or_none()
    return _to_stored(row, vault) if row else None


async def change_channel_account(
    connection: AsyncConnection, account: ChannelAccount
) -> ChannelAccount:
    """Keep prices and methods of `account`, locked before, as they are now; a new version."""
    changed = account.model_copy(update={"version": account.version + 1})
    await connection.execute(
        update(CHANNEL_ACCOUNT)
        .where(CHANNEL_ACCOUNT.c.id == account.id)
        .values(
            methods=list(account.methods),
            fee_bps=account.fee_bps,
            channel_fee_bps=account.channel_fee_bps,
            version=changed.version,
        )
    )
    return changed


_KEEP_VERSION = text("""
INSERT INTO channel_account_version
    (account_id, version, parameters, secrets, replaced_at, valid_until)
SELECT id, version, parameters, secrets, :now, :until FROM channel_account WHERE id = :account_id
""")


async def rotate_parameters(
    connection: AsyncConnection,
    vault: Vault,
    account: ChannelAccount,
    secrets: Mapping[str, str],
    *,
    now: datetime,
    until: datetime,
) -> ChannelAccount:
    """Use `account.parameters` and `secrets` from now on, as a new version.

    The account was locked before. The present ones are kept: callbacks may be signed for them
    until then.
    """
    await connection.execute(_KEEP_VERSION, {"account_id": account.id, "now": now, "until": until})
    changed = account.model_copy(update={"version": account.version + 1})
    sealed = vault.seal(json.dumps(dict(secrets)).encode(), context=_secrets_context(account.id))
    await connection.execute(
        update(CHANNEL_ACCOUNT)
        .where(CHANNEL_ACCOUNT.c.id == account.id)
        .values(
            parameters=account.parameters,
            certificates=_certificates(account),
            secrets=sealed,
            version=changed.version,
        )
    )
    return changed


_FORMER = text("""
SELECT version, parameters, secrets FROM channel_account_version
WHERE account_id = :account_id AND valid_until > :now
ORDER BY version DESC
LIMIT :limit
""")
# Of former parameters so many are tried: rotating more often within one overlap is no use.
_FORMER_MAX = 5


async def read_former_parameters(
    connection: AsyncConnection, vault: Vault, stored: StoredParameters, *, now: datetime
) -> tuple[StoredParameters, ...]:
    """What `stored` had before and may still be called back with, newest first."""
    account = stored.account
    rows = await connection.execute(
        _FORMER, {"account_id": account.id, "now": now, "limit": _FORMER_MAX}
    )
    return tuple(
        StoredParameters(
            account=account.model_copy(
                update={"version": row.version, "parameters": row.parameters}
            ),
            parameters=row.parameters
            | _SECRETS.validate_json(vault.open(row.secrets, context=_secrets_context(account.id))),
        )
        for row in rows
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


def _to_stored(row: Row[tuple[object, ...]], vault: Vault) -> StoredParameters:
    public = dict(row._mapping)
    opened = vault.open(public.pop("secrets"), context=_secrets_context(public["id"]))
    account = ChannelAccount.model_validate(public)
    return StoredParameters(
        account=account, parameters=account.parameters | _SECRETS.validate_json(opened)
    )


def _certificates(account: ChannelAccount) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in account.certificates]
