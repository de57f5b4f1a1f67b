"""Apps and where they want their notifications."""

from datetime import datetime

from sqlalchemy import Row, bindparam, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.merchant import App
from models.notification import Endpoint
from models.tables.apps import APP
from storage.vault import Vault

_SECRET_COLUMNS = ("webhook_secret", "former_webhook_secret", "former_webhook_secret_until")
APP_COLUMNS = tuple(column for column in APP.c if column.name not in _SECRET_COLUMNS)


_READ_APP = select(*APP_COLUMNS).where(APP.c.id == bindparam("app_id"))


async def create_app(
    connection: AsyncConnection, vault: Vault, app: App, webhook_secret: bytes
) -> None:
    sealed = vault.seal(webhook_secret, context=_secret_context(app.id))
    values = app.model_dump() | {"return_urls": list(app.return_urls), "webhook_secret": sealed}
    await connection.execute(insert(APP).values(**values))


async def read_app(connection: AsyncConnection, app_id: str) -> App | None:
    result = await connection.execute(_READ_APP, {"app_id": app_id})
    row = result.one_or_none()
    return _to_app(row) if row else None


async def list_apps(
    connection: AsyncConnection, *, limit: int, after: str | None
) -> tuple[App, ...]:
    """In the order in which they were made; `after` is the id of the last one seen."""
    query = select(*APP_COLUMNS).order_by(APP.c.id).limit(limit)
    if after is not None:
        query = query.where(APP.c.id > after)
    return tuple(_to_app(row) for row in await connection.execute(query))


async def set_webhook_paused(
    connection: AsyncConnection, app_id: str, paused_at: datetime | None
) -> None:
    """Stop delivering to an app, or with None go on. What is due meanwhile is kept."""
    await connection.execute(
        update(APP).where(APP.c.id == app_id).values(webhook_paused_at=paused_at)
    )


async def lock_app(connection: AsyncConnection, app_id: str) -> App | None:
    """One app, kept from being changed by others until the transaction ends."""
    result = await connection.execute(_READ_APP.with_for_update(), {"app_id": app_id})
    row = result.one_or_none()
    return _to_app(row) if row else None


async def change_app(connection: AsyncConnection, app: App) -> App:
    """Keep `app`, locked before, as it is now; its version rises by one."""
    changed = app.model_copy(update={"version": app.version + 1})
    values = changed.model_dump(exclude={"id", "created_at", "webhook_paused_at"})
    values["return_urls"] = list(app.return_urls)
    await connection.execute(update(APP).where(APP.c.id == app.id).values(**values))
    return changed


async def rotate_webhook_secret(
    connection: AsyncConnection, vault: Vault, app_id: str, secret: bytes, *, until: datetime
) -> None:
    """Sign with `secret` from now on, and until then with the present one too.

    The one before that, if its time is not over, ends now: there are two at a time.
    """
    await connection.execute(
        update(APP)
        .where(APP.c.id == app_id)
        .values(
            former_webhook_secret=APP.c.webhook_secret,
            former_webhook_secret_until=until,
            webhook_secret=vault.seal(secret, context=_secret_context(app_id)),
        )
    )


async def read_endpoint(connection: AsyncConnection, vault: Vault, app_id: str) -> Endpoint | None:
    """Where to deliver and how to sign; None when the app wants no notifications, or none now."""
    result = await connection.execute(
        select(
            APP.c.webhook_url,
            APP.c.webhook_secret,
            case(
                (APP.c.former_webhook_secret_until > func.now(), APP.c.former_webhook_secret)
            ).label("former"),
        ).where(
            APP.c.id == app_id,
            APP.c.webhook_url.is_not(None),
            APP.c.webhook_paused_at.is_(None),
        )
    )
    row = result.one_or_none()
    if row is None:
        return None
    sealed = [row.webhook_secret] if row.former is None else [row.webhook_secret, row.former]
    context = _secret_context(app_id)
    secrets = tuple(vault.open(one, context=context) for one in sealed)
    return Endpoint(app_id=app_id, url=row.webhook_url, secrets=secrets)


async def read_webhook_secret(connection: AsyncConnection, vault: Vault, app_id: str) -> bytes:
    """What we sign with for an app, whether it wants notifications or not."""
    found = await connection.execute(select(APP.c.webhook_secret).where(APP.c.id == app_id))
    return vault.open(found.scalar_one(), context=_secret_context(app_id))


def _to_app(row: Row[tuple[object, ...]]) -> App:
    return App.model_validate(dict(row._mapping))


def _secret_context(app_id: str) -> str:
    return f"app|{app_id}|webhook_secret"
