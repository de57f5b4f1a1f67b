"""Apps, payments, books, inbox and outbox."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op

revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    for name in ("v0001_tables", "v0001_ledger", "v0001_roles"):
        # Given to the driver without parameters: many statements at once, and % means itself.
        driver = cast(psycopg.Connection, op.get_bind().connection.driver_connection)
        driver.execute((_SQL / f"{name}.sql").read_bytes())


def downgrade() -> None:
    raise NotImplementedError("books are not taken down; restore a backup instead")
