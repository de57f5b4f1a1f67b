"""Merchants. With `app_id` given, another app's merchant does not exist."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.merchant import Merchant
from models.tables.merchants import MERCHANT


async def create_merchant(connection: AsyncConnection, merchant: Merchant) -> None:
    await connection.execute(insert(MERCHANT).values(**merchant.model_dump()))


async def read_merchant(
    connection: AsyncConnection, merchant_id: str, *, app_id: str | None
) -> Merchant | None:
    """One merchant; `app_id` None looks in every app."""
    query = select(MERCHANT).where(MERCHANT.c.id == merchant_id)
    if app_id is not None:
        query = query.where(MERCHANT.c.app_id == app_id)
    row = (await connection.execute(query)).one_or_none()
    return Merchant.model_validate(dict(row._mapping)) if row else None


async def change_merchant(
    connection: AsyncConnection, merchant: Merchant, *, name: str, status: str
) -> Merchant:
    """Rename a merchant, locked before, or turn it on or off; its version rises by one."""
    values = {"name": name, "status": status, "version": merchant.version + 1}
    await connection.execute(update(MERCHANT).where(MERCHANT.c.id == merchant.id).values(**values))
    return merchant.model_copy(update=values)


async def lock_merchant(
    connection: AsyncConnection, merchant_id: str, *, app_id: str | None
) -> Merchant | None:
    """One merchant, kept from being changed by others; `app_id` None looks in every app."""
    query = select(MERCHANT).where(MERCHANT.c.id == merchant_id).with_for_update()
    if app_id is not None:
        query = query.where(MERCHANT.c.app_id == app_id)
    row = (await connection.execute(query)).one_or_none()
    return Merchant.model_validate(dict(row._mapping)) if row else None


async def list_merchants(
    connection: AsyncConnection, *, app_id: str | None, limit: int, after: str | None
) -> tuple[Merchant, ...]:
    """In the order in which they were made; `after` is the id of the last one seen."""
    query = select(MERCHANT).order_by(MERCHANT.c.id).limit(limit)
    if app_id is not None:
        query = query.where(MERCHANT.c.app_id == app_id)
    if after is not None:
        query = query.where(MERCHANT.c.id > after)
    rows = await connection.execute(query)
    return tuple(Merchant.model_validate(dict(row._mapping)) for row in rows)
