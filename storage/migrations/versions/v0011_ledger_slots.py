"""Ledger accounts that are read from a moment on, and what they add up to by then."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op

revision = "v0011"
down_revision = "v0010"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql" / "v0011_ledger_slots.sql"


def upgrade() -> None:
    # Given to the driver without parameters: many statements at once, and % means itself.
    driver = cast(psycopg.Connection, op.get_bind().connection.driver_connection)
    driver.execute(_SQL.read_bytes())


def downgrade() -> None:
    raise NotImplementedError("books are not taken down; restore a backup instead")
