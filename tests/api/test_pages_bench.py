"""What the bench of pages stands on: its business can be filled in, and it knows every page."""

import asyncio

import psycopg
from fastapi.routing import APIRoute
from sqlalchemy import text

from api.checkout.router import router as checkout_router
from api.console.routes import ROUTERS
from bench.pages_database import seed
from bench.pages_found import found_pages
from storage.database import Database
from storage.explain import timeline
from tests.api.world import World

_ROWS_READ = text(
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
)
_UNEVEN = """
SELECT count(*) FROM (
    SELECT FROM ledger_entry GROUP BY ledger_transaction_id, currency HAVING sum(amount_minor) <> 0
) AS uneven
"""


async def test_a_business_of_thousands_is_filled_in_and_every_page_has_something_to_show(
    world: World, owner_url: str, database_url: str
) -> None:
    await asyncio.to_thread(
        seed, owner_url, database_url, payments=2000, public_url="http://api.example"
    )
    await world.call(
        "POST",
        "/v1/operators",
        key=await world.admin(),
        body={"login": "bench", "name": "Bench", "role": "ops"},
    )

    pages = found_pages(world.app.openapi(), owner_url)

    asked = {page.label.partition("?")[0] for page in pages}
    routes = [route for router in ROUTERS for route in router.routes]
    console = {r.path for r in routes if isinstance(r, APIRoute) and "GET" in (r.methods or ())}
    assert console - asked == {"/console/login"}
    assert checkout_router.prefix + "/{token}" in asked
    assert len({page.label for page in pages}) == len(pages)
    with psycopg.connect(owner_url) as connection:
        (payments,) = connection.execute("SELECT count(*) FROM payment").fetchone() or (0,)
        (uneven,) = connection.execute(_UNEVEN).fetchone() or (1,)
    assert (payments, uneven) == (2000, 0)
    # Refunds and ledger accounts are few and are read whole; of the thousands nothing is.
    assert await _rows_read_to_explain(world.deps.database, owner_url) < 1000


async def _rows_read_to_explain(database: Database, owner_url: str) -> int:
    """How many rows are touched to tell the story of one payment."""
    with psycopg.connect(owner_url) as connection:
        refunded = connection.execute("SELECT payment_id FROM refund LIMIT 1").fetchone()
    assert refunded is not None
    async with database.transaction("explain") as transaction:
        before = await transaction.scalar(_ROWS_READ)
        assert await timeline(transaction, refunded[0])
        return int(await transaction.scalar(_ROWS_READ)) - int(before)
