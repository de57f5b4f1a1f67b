"""Both loads of the ledger bench post the same: ours through Python, pgbench through its script."""

import re
from datetime import UTC, datetime

import psycopg
import pytest

from bench.pgbench import script
from bench.postings import Crowd, apps, capture
from storage import ledger
from storage.database import Database

# The channel takes 19.99, of which the merchant is owed 19.87 and we keep 12 (60 bps, half-even).
ENTRIES = [1987, -1987, 12, -12]


@pytest.mark.parametrize("crowd", list(Crowd))
async def test_the_script_of_pgbench_makes_the_entries_that_our_own_posting_makes(
    database: Database, owner_url: str, crowd: Crowd
) -> None:
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "INSERT INTO app (id, name, status, webhook_secret, late_success, created_at)"
            " VALUES (%s, 'bench', 'active', '', 'accept', now()) ON CONFLICT DO NOTHING",
            [apps()[0]],
        )
    async with database.transaction("post") as connection_of_ours:
        assert await ledger.post(connection_of_ours, capture(f"{crowd}", 0, datetime.now(UTC)))

    with psycopg.connect(owner_url) as connection:
        connection.execute(_with_values(script(crowd), event=7 if crowd is Crowd.HOT else 8))
        rows = connection.execute(
            "SELECT event_id, content_hash, array_agg(amount_minor ORDER BY ledger_entry.id)"
            " FROM ledger_transaction JOIN ledger_entry ON ledger_transaction_id ="
            " ledger_transaction.id WHERE event_id IN (%s, %s) GROUP BY 1, 2",
            [f"{crowd}", "native_7" if crowd is Crowd.HOT else "native_8"],
        ).fetchall()

    assert len(rows) == 2
    assert rows[0][1] == rows[1][1]
    assert [entries for _, _, entries in rows] == [ENTRIES, ENTRIES]


def _with_values(text: str, *, event: int) -> str:
    """What pgbench makes of its script, for one event of merchant 0."""
    statement = re.sub(r"^\\set.*\n", "", text, flags=re.MULTILINE)
    return statement.replace(":event", str(event)).replace(":merchant", "0")
