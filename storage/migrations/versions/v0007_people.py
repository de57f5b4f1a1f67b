"""People who work in the console: operators and their sessions."""

from pathlib import Path
from typing import cast

import psycopg
from alembic import op

revision = "v0007"
down_revision = "v0006"
branch_labels = None
depends_on = None

_SQL = Path(__file__).parent.parent / "sql" / "v0007_people.sql"


def upgrade() -> None:
    # Given to the driver without parameters: many statements at once, and % means itself.
    driver = cast(psycopg.Connection, op.get_bind().connection.driver_connection)
    driver.execute(_SQL.read_bytes())


def downgrade() -> None:
    raise NotImplementedError("books are not taken down; restore a backup instead")
