"""Apps, keys, merchants and channel accounts on a real PostgreSQL, each app seeing its own."""

import hashlib

import pytest

from models.channel import ChannelAccountStatus
from models.errors import InvariantBroken
from models.ids import new_id
from models.merchant import Caller, Role
from storage.apps import (
    create_app,
    list_apps,
    read_app,
    read_endpoint,
    set_webhook_paused,
)
from storage.channel_accounts import (
    create_channel_account,
    list_channel_accounts,
    read_channel_account,
    read_parameters,
    set_status,
)
from storage.database import Database
from storage.keys import create_key, disable_key, find_caller
from storage.merchants import list_merchants, read_merchant
from tests.factories import NOON, a_channel_account, an_app
from tests.storage.arrange import SECRETS, VAULT, WEBHOOK_SECRET, a_shop


async def test_an_apps_endpoint_comes_with_its_secret_opened(database: Database) -> None:
    told, silent = await a_shop(database), await a_shop(database, webhook_url=None)

    async with database.transaction("test") as connection:
        app = await read_app(connection, told.app.id)
        endpoint = await read_endpoint(connection, VAULT, told.app.id)
        none = await read_endpoint(connection, VAULT, silent.app.id)

    assert app == told.app
    assert endpoint is not None
    assert (endpoint.url, endpoint.secrets) == ("https://shop.example", (WEBHOOK_SECRET,))
    assert none is None


async def test_a_paused_app_has_no_endpoint_until_it_resumes(database: Database) -> None:
    shop = await a_shop(database)

    async with database.transaction("test") as connection:
        await set_webhook_paused(connection, shop.app.id, NOON)
        paused = await read_endpoint(connection, VAULT, shop.app.id)
        await set_webhook_paused(connection, shop.app.id, None)
        resumed = await read_endpoint(connection, VAULT, shop.app.id)

    assert paused is None
    assert resumed is not None


async def test_a_secret_moved_to_another_app_does_not_open(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)

    async with database.transaction("test") as connection:
        await connection.exec_driver_sql(
            "UPDATE app SET webhook_secret = (SELECT webhook_secret FROM app WHERE id = %s)"
            " WHERE id = %s",
            (mine.app.id, theirs.app.id),
        )
        with pytest.raises(InvariantBroken):
            await read_endpoint(connection, VAULT, theirs.app.id)


async def test_secrets_of_an_account_are_sealed_on_disk_and_opened_for_use(
    database: Database,
) -> None:
    shop = await a_shop(database)

    async with database.transaction("test") as connection:
        stored = await read_parameters(connection, VAULT, shop.account.id)
        raw = await connection.exec_driver_sql(
            "SELECT secrets, parameters::text AS public FROM channel_account WHERE id = %s",
            (shop.account.id,),
        )
        on_disk = raw.mappings().one()

    assert stored is not None
    assert stored.account == shop.account
    assert stored.parameters == {"public": "parameter"} | SECRETS
    assert SECRETS["private_key"].encode() not in on_disk["secrets"]
    assert SECRETS["private_key"] not in on_disk["public"]


async def test_turning_an_account_off_raises_its_version(database: Database) -> None:
    shop = await a_shop(database)

    async with database.transaction("test") as connection:
        off = await set_status(connection, shop.account.id, ChannelAccountStatus.DISABLED)
        unknown = await set_status(connection, "acc_x", ChannelAccountStatus.DISABLED)

    assert off is not None
    assert (off.status, off.version) == (ChannelAccountStatus.DISABLED, 2)
    assert unknown is None


async def test_another_apps_merchants_and_accounts_do_not_exist(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)

    async with database.transaction("test") as connection:
        merchant = await read_merchant(connection, theirs.merchant.id, app_id=mine.app.id)
        account = await read_channel_account(connection, theirs.account.id, app_id=mine.app.id)
        merchants = await list_merchants(connection, app_id=mine.app.id, limit=10, after=None)
        accounts = await list_channel_accounts(
            connection, app_id=mine.app.id, merchant_id=None, limit=10, after=None
        )
        of_their_merchant = await list_channel_accounts(
            connection, app_id=mine.app.id, merchant_id=theirs.merchant.id, limit=10, after=None
        )
        by_admin = await read_channel_account(connection, theirs.account.id, app_id=None)

    assert merchant is None
    assert account is None
    assert merchants == (mine.merchant,)
    assert accounts == (mine.account,)
    assert of_their_merchant == ()
    assert by_admin == theirs.account


async def test_an_account_cannot_belong_to_another_apps_merchant(database: Database) -> None:
    mine, theirs = await a_shop(database), await a_shop(database)
    crossed = a_channel_account(theirs.merchant).model_copy(update={"app_id": mine.app.id})

    with pytest.raises(InvariantBroken, match="channel_account_merchant_of_the_app"):
        async with database.transaction("test") as connection:
            await create_channel_account(connection, VAULT, crossed, {})


async def test_lists_go_on_after_the_last_one_seen(database: Database) -> None:
    async with database.transaction("test") as connection:
        for _ in range(3):
            await create_app(connection, VAULT, an_app(), WEBHOOK_SECRET)
        everything = await list_apps(connection, limit=1000, after=None)

        rest = await list_apps(connection, limit=2, after=everything[-3].id)

    assert rest == everything[-2:]


async def test_a_key_names_its_caller_until_it_is_disabled(database: Database) -> None:
    shop = await a_shop(database)
    key_id, secret_hash = new_id("key"), hashlib.sha256(b"secret").digest()

    async with database.transaction("test") as connection:
        await create_key(
            connection,
            key_id=key_id,
            secret_hash=secret_hash,
            role=Role.APP,
            app_id=shop.app.id,
            name="till",
            now=NOON,
        )
        found = await find_caller(connection, key_id=key_id)
        disabled = await disable_key(connection, key_id=key_id, now=NOON)
        again = await disable_key(connection, key_id=key_id, now=NOON)
        after = await find_caller(connection, key_id=key_id)
        unknown = await find_caller(connection, key_id="nobody's")

    assert found is not None
    assert found.caller == Caller(key_id=key_id, role=Role.APP, app_id=shop.app.id)
    assert (found.secret_hash, found.disabled) == (secret_hash, False)
    assert (disabled, again) == (True, False)
    assert after is not None
    assert after.disabled
    assert unknown is None


async def test_a_disabled_app_disables_its_keys(database: Database) -> None:
    app, key_id = an_app(status="disabled"), new_id("key")

    async with database.transaction("test") as connection:
        await create_app(connection, VAULT, app, WEBHOOK_SECRET)
        await create_key(
            connection,
            key_id=key_id,
            secret_hash=bytes(32),
            role=Role.APP,
            app_id=app.id,
            name="till",
            now=NOON,
        )
        found = await find_caller(connection, key_id=key_id)

    assert found is not None
    assert found.disabled


async def test_an_admin_key_belongs_to_no_app(database: Database) -> None:
    shop = await a_shop(database)

    with pytest.raises(InvariantBroken, match="api_key_of_an_app_names_it"):
        async with database.transaction("test") as connection:
            await create_key(
                connection,
                key_id=new_id("key"),
                secret_hash=bytes(32),
                role=Role.ADMIN,
                app_id=shop.app.id,
                name="admin",
                now=NOON,
            )
