"""Callbacks about refunds: kept, handed to the run, acknowledged in the channel's words."""

from sqlalchemy import text

from models.channel import Declined, Pending
from tests.api.world import Tenant, World, given_back

GOT_IT, AGAIN = "got it", "again"


async def test_a_callback_ends_the_refund_that_waits_for_it(world: World) -> None:
    tenant, refund_id = await _under_way(world)

    answer = await world.callback(tenant.account_id, given_back(refund_id))
    await world.refunded(refund_id)

    assert answer.text == GOT_IT
    assert await _status(world, tenant, refund_id) == "succeeded"
    assert await _callbacks(world, refund_id) == [("matched", True)]


async def test_a_repeated_callback_books_nothing_twice(world: World) -> None:
    tenant, refund_id = await _under_way(world)
    news = given_back(refund_id)

    answers = [await world.callback(tenant.account_id, news) for _ in range(3)]
    await world.refunded(refund_id)
    late = await world.callback(tenant.account_id, news)

    assert {answer.text for answer in [*answers, late]} == {GOT_IT}
    assert await _callbacks(world, refund_id) == [("matched", True)]


async def test_another_amount_is_disputed_and_the_channel_is_asked(world: World) -> None:
    tenant, refund_id = await _under_way(world)

    answer = await world.callback(tenant.account_id, given_back(refund_id, amount=1))
    await world.asked(refund_id.removeprefix("ref_"))

    assert answer.text == AGAIN
    assert [match for match, _ in await _callbacks(world, refund_id)] == ["disputed"]
    assert await _status(world, tenant, refund_id) == "pending"


async def test_news_of_a_refund_that_has_ended_is_handled_at_once(world: World) -> None:
    tenant, refund_id = await _under_way(world)
    await world.callback(tenant.account_id, given_back(refund_id))
    await world.refunded(refund_id)

    answer = await world.callback(tenant.account_id, given_back(refund_id))

    assert answer.text == GOT_IT
    assert await _callbacks(world, refund_id) == [("matched", True)] * 2


async def test_money_given_back_for_a_refund_that_failed_moves_nothing_by_itself(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    says = world.channel.refund_says
    says[_serial(payment_id)] = Declined(code="refused", detail="too long ago")
    refund_id = (await world.refund(tenant, payment_id)).json()["id"]
    await world.refunded(refund_id)

    await world.callback(tenant.account_id, given_back(refund_id))

    assert await _status(world, tenant, refund_id) == "failed"
    assert await _callbacks(world, refund_id) == [("matched", True)]


async def test_a_callback_for_a_refund_without_a_run_stays_until_there_is_one(
    world: World,
) -> None:
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    async with world.without_temporal() as cut_off:
        refund_id = (await cut_off.refund(tenant, payment_id)).json()["id"]

    answer = await world.callback(tenant.account_id, given_back(refund_id))

    assert answer.text == GOT_IT
    assert await _callbacks(world, refund_id) == [("matched", False)]


async def _under_way(world: World) -> tuple[Tenant, str]:
    """A refund that its channel has taken and not done yet."""
    tenant = await world.tenant()
    payment_id = await world.paid_payment(tenant)
    world.channel.refund_says[_serial(payment_id)] = Pending()
    refund = await world.refund(tenant, payment_id)
    assert (refund.status_code, refund.json()["status"]) == (201, "pending")
    return tenant, refund.json()["id"]


async def _status(world: World, tenant: Tenant, refund_id: str) -> str:
    kept = await world.call("GET", f"/v1/refunds/{refund_id}", key=tenant.key)
    status: str = kept.json()["status"]
    return status


async def _callbacks(world: World, refund_id: str) -> list[tuple[str, bool]]:
    """How each callback about the refund came in, and whether it is done with."""
    query = text(
        "SELECT match, handled_at IS NOT NULL FROM callback"
        " WHERE refund_id = :id ORDER BY received_at"
    )
    async with world.deps.database.transaction("test read") as connection:
        rows = await connection.execute(query, {"id": refund_id})
        return [(row[0], row[1]) for row in rows]


def _serial(payment_id: str) -> str:
    return f"{payment_id.removeprefix('pay_')}01"
