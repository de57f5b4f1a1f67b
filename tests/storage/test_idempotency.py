"""Idempotency keys on a real PostgreSQL: one owner at a time, one answer for ever."""

import asyncio
from datetime import datetime, timedelta

from models.ids import new_id
from models.views import IdempotencyRecord
from storage.database import Database
from storage.idempotency import claim, finish, release
from tests.factories import NOON

LEASE = timedelta(seconds=30)
ROUTE = "POST /v1/payments"


async def test_a_new_key_is_ours_and_another_owner_sees_that_it_is_in_hand(
    database: Database,
) -> None:
    key = new_id("key")

    mine = await _claim(database, key, owner="me")
    theirs = await _claim(database, key, owner="them")

    assert mine is None
    assert theirs is not None
    assert not theirs.done
    assert not theirs.lease_expired


async def test_of_many_at_once_one_gets_the_key(database: Database) -> None:
    key = new_id("key")

    claims = await asyncio.gather(
        *(_claim(database, key, owner=f"owner-{number}") for number in range(12))
    )

    assert claims.count(None) == 1


async def test_an_answer_is_kept_byte_for_byte(database: Database) -> None:
    key = new_id("key")
    await _claim(database, key, owner="me")
    await _finish(database, key, owner="me", body=b'{"a" :1}')

    found = await _claim(database, key, owner="them", now=NOON + timedelta(days=1))

    assert found == IdempotencyRecord(
        fingerprint="print",
        done=True,
        status_code=201,
        body=b'{"a" :1}',
        object_id="pay_1",
        lease_expired=False,
    )


async def test_a_lease_that_ran_out_is_taken_over_by_one(database: Database) -> None:
    key, late = new_id("key"), NOON + LEASE
    await _claim(database, key, owner="crashed")

    claims = await asyncio.gather(
        *(_claim(database, key, owner=f"owner-{number}", now=late) for number in range(6))
    )
    await _finish(database, key, owner="crashed", body=b"from the grave")
    found = await _claim(database, key, owner="another", now=late)

    assert claims.count(None) == 1
    assert found is not None
    assert not found.done


async def test_a_lease_that_ran_out_is_not_taken_over_for_another_request(
    database: Database,
) -> None:
    key = new_id("key")
    await _claim(database, key, owner="crashed")

    found = await _claim(database, key, owner="me", fingerprint="other", now=NOON + LEASE)

    assert found is not None
    assert (found.fingerprint, found.lease_expired) == ("print", True)


async def test_a_key_that_was_let_go_may_be_used_for_another_request(database: Database) -> None:
    key = new_id("key")
    await _claim(database, key, owner="me")
    async with database.transaction("test") as connection:
        await release(connection, app_id="app_1", route=ROUTE, key=key, owner="me")

    assert await _claim(database, key, owner="me", fingerprint="other") is None


async def test_a_kept_answer_is_not_let_go(database: Database) -> None:
    key = new_id("key")
    await _claim(database, key, owner="me")
    await _finish(database, key, owner="me", body=b"{}")
    async with database.transaction("test") as connection:
        await release(connection, app_id="app_1", route=ROUTE, key=key, owner="me")

    found = await _claim(database, key, owner="me")

    assert found is not None
    assert found.done


async def test_the_same_key_of_another_app_is_another_key(database: Database) -> None:
    key = new_id("key")
    await _claim(database, key, owner="me")

    assert await _claim(database, key, owner="them", app_id="app_2") is None


async def _claim(
    database: Database,
    key: str,
    *,
    owner: str,
    app_id: str = "app_1",
    fingerprint: str = "print",
    now: datetime = NOON,
) -> IdempotencyRecord | None:
    async with database.transaction("claim") as connection:
        return await claim(
            connection,
            app_id=app_id,
            route=ROUTE,
            key=key,
            fingerprint=fingerprint,
            owner=owner,
            now=now,
            lease=LEASE,
        )


async def _finish(database: Database, key: str, *, owner: str, body: bytes) -> None:
    async with database.transaction("finish") as connection:
        await finish(
            connection,
            app_id="app_1",
            route=ROUTE,
            key=key,
            owner=owner,
            status_code=201,
            body=body,
            object_id="pay_1",
            now=NOON,
        )
