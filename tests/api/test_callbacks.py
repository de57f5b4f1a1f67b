"""What comes in from a channel: kept first, handed on, acknowledged in its words."""

import json
from uuid import uuid4

from sqlalchemy import text

from models.channel import Approved
from models.money import Money
from models.payment import PaymentStatus
from observability.metrics import CALLBACKS
from tests.api import testpay
from tests.api.world import Tenant, World, code_of, paid, transactions

GOT_IT, AGAIN = "got it", "again"


async def test_a_paid_callback_ends_the_payment_with_one_transaction_of_the_api(
    world: World,
) -> None:
    tenant, payment_id = await _waiting(world)
    before = transactions()

    answer = await world.callback(tenant.account_id, paid(payment_id))

    assert answer.text == GOT_IT
    assert transactions()["keep callback"] - before.get("keep callback", 0) == 1
    await world.ended(payment_id)
    assert await world.status(tenant, payment_id) is PaymentStatus.SUCCEEDED


async def test_a_bad_signature_changes_nothing_and_is_kept_apart(world: World) -> None:
    tenant, payment_id = await _waiting(world)
    body = json.dumps(paid(payment_id)).encode()
    rejected, kept = await world.count("rejected_callback"), await world.count("callback")

    answer = await world.http.post(
        f"/callbacks/{testpay.NAME}/{tenant.account_id}",
        content=body,
        headers={testpay.SIGNATURE: testpay.sign(body, "another secret")},
    )

    assert answer.text == AGAIN
    assert await world.count("rejected_callback") == rejected + 1
    assert await world.count("callback") == kept
    assert await world.status(tenant, payment_id) is PaymentStatus.REQUIRES_ACTION
    assert _counted("bad_signature") >= 1


async def test_a_signed_callback_that_cannot_be_read_is_kept_apart_too(world: World) -> None:
    tenant, _ = await _waiting(world)
    before = await world.count("rejected_callback")

    answer = await world.callback(tenant.account_id, {"event": "no serial"})

    assert answer.text == AGAIN
    assert await world.count("rejected_callback") == before + 1


async def test_a_genuine_callback_about_nothing_of_ours_is_taken_and_kept_nowhere(
    world: World,
) -> None:
    tenant, _ = await _waiting(world)
    before = [await world.count(table) for table in ("callback", "rejected_callback")]

    answer = await world.callback(tenant.account_id, {"event": "about somebody else"})

    assert answer.text == GOT_IT
    assert [await world.count(table) for table in ("callback", "rejected_callback")] == before
    assert _counted("not_ours") >= 1


async def test_the_key_of_another_account_proves_nothing(world: World) -> None:
    _, payment_id = await _waiting(world)
    other = await world.tenant()

    answer = await world.callback(other.account_id, paid(payment_id))

    assert answer.text == AGAIN, "a serial of another account is unknown there: parked"
    assert await _match_of(world, payment_id) == []


async def test_a_serial_nobody_knows_is_parked_and_not_acknowledged(world: World) -> None:
    tenant = await world.tenant()
    news = paid("pay_01KAH3W3F0Q7V2H8T0M4X5N6P7")

    first = await world.callback(tenant.account_id, news)
    again = await world.callback(tenant.account_id, news)

    assert (first.text, again.text) == (AGAIN, AGAIN)
    assert _counted("parked") >= 1


async def test_a_repeated_callback_is_acknowledged_and_books_nothing_twice(world: World) -> None:
    tenant, payment_id = await _waiting(world)
    news = paid(payment_id)

    answers = [await world.callback(tenant.account_id, news) for _ in range(3)]
    await world.ended(payment_id)
    late = await world.callback(tenant.account_id, news)

    assert {answer.text for answer in [*answers, late]} == {GOT_IT}
    assert await _match_of(world, payment_id) == ["matched"]
    assert await _ledger_transactions(world, payment_id) == 1


async def test_another_amount_is_disputed_and_the_channel_is_asked(world: World) -> None:
    tenant, payment_id = await _waiting(world)
    serial = f"{payment_id.removeprefix('pay_')}01"
    world.channel.asked.pop(serial, None)

    first = await world.callback(tenant.account_id, paid(payment_id, amount=1))
    await world.asked(serial)

    assert first.text == AGAIN
    assert await _match_of(world, payment_id) == ["disputed"]
    assert await world.status(tenant, payment_id) is not PaymentStatus.SUCCEEDED
    assert await _ledger_transactions(world, payment_id) == 0


async def test_money_that_comes_after_a_cancel_goes_by_the_apps_policy(world: World) -> None:
    tenant, payment_id = await _waiting(world, late_success="accept")
    await world.call("POST", f"/v1/payments/{payment_id}/cancel", key=tenant.key)
    await world.ended(payment_id)

    world.channel.says[f"{payment_id.removeprefix('pay_')}01"] = Approved(
        channel_reference="2026112022001", money=Money(amount_minor=1999, currency="CNY")
    )

    answer = await world.callback(tenant.account_id, paid(payment_id))
    callback_id = await _callback_id(world, payment_id)
    await world.deps.client.get_workflow_handle(f"late/{payment_id}/{callback_id}").result()

    assert answer.text == GOT_IT
    assert await world.status(tenant, payment_id) is PaymentStatus.SUCCEEDED


async def test_news_without_money_for_an_ended_payment_is_handled_at_once(world: World) -> None:
    tenant, payment_id = await _waiting(world)
    await world.callback(tenant.account_id, paid(payment_id))
    await world.ended(payment_id)

    answer = await world.callback(tenant.account_id, paid(payment_id, state="refused"))

    assert answer.text == GOT_IT
    assert await _unhandled(world, payment_id) == 0
    assert await world.status(tenant, payment_id) is PaymentStatus.SUCCEEDED


async def test_an_unknown_account_gets_the_failure_word_and_an_unknown_channel_404(
    world: World,
) -> None:
    account = await world.callback(f"acc_{uuid4().hex}", paid("pay_1"))
    channel = await world.http.post("/callbacks/nobody/acc_1", content=b"{}")

    assert account.text == AGAIN
    assert code_of(channel) == "channel-not-found"


async def test_a_huge_callback_is_refused_before_anything_else(world: World) -> None:
    tenant = await world.tenant()
    before = await world.count("rejected_callback")

    answer = await world.http.post(
        f"/callbacks/{testpay.NAME}/{tenant.account_id}", content=b"x" * 70_000
    )

    assert (answer.status_code, code_of(answer)) == (413, "too-large")
    assert await world.count("rejected_callback") == before


async def test_a_callback_is_acknowledged_although_temporal_is_away(world: World) -> None:
    tenant, payment_id = await _waiting(world)

    async with world.without_temporal() as cut_off:
        answer = await cut_off.callback(tenant.account_id, paid(payment_id))

    assert answer.text == GOT_IT
    assert await _unhandled(world, payment_id) == 1


async def test_a_callback_is_not_acknowledged_while_the_database_is_away(world: World) -> None:
    tenant = await world.tenant()

    async with world.without_database() as cut_off:
        answer = await cut_off.callback(tenant.account_id, paid("pay_1"))

    assert answer.text == AGAIN


async def _waiting(world: World, **fields: str) -> tuple[Tenant, str]:
    tenant = await world.tenant()
    payment = await world.pay(tenant, None, **fields)
    assert payment.status_code == 201, payment.text
    return tenant, payment.json()["id"]


async def _match_of(world: World, payment_id: str) -> list[str]:
    return await _column(world, "SELECT match FROM callback WHERE payment_id = :id", payment_id)


async def _callback_id(world: World, payment_id: str) -> str:
    found = await _column(world, "SELECT id FROM callback WHERE payment_id = :id", payment_id)
    return found[0]


async def _unhandled(world: World, payment_id: str) -> int:
    query = "SELECT id FROM callback WHERE payment_id = :id AND handled_at IS NULL"
    return len(await _column(world, query, payment_id))


async def _ledger_transactions(world: World, payment_id: str) -> int:
    query = "SELECT id FROM ledger_transaction WHERE event_id LIKE '%' || substr(:id, 5) || '%'"
    return len(await _column(world, query, payment_id))


async def _column(world: World, query: str, payment_id: str) -> list[str]:
    async with world.deps.database.transaction("test read") as connection:
        return list(await connection.scalars(text(query), {"id": payment_id}))


def _counted(result: str) -> float:
    counted: float = CALLBACKS.labels(testpay.NAME, result)._value.get()
    return counted
