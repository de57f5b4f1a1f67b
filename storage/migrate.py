"""Brings a database's tables to what this version of the code needs, and says whether they are.

Run by a role that owns the tables, before the code that needs them starts. The application itself
connects as `paycenter_app`, which may not change tables.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import driver_url

# Two that migrate at once (two copies starting) take turns. The number is ours, no more than that.
_MIGRATION_LOCK = 7_020_140_001


def upgrade(url: str, *, revision: str = "head") -> None:
    """Apply the migrations up to `revision` that are missing. Harmless twice, also at once."""
    engine = create_engine(driver_url(url))
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        engine.dispose()


def head() -> str:
    """The revision this version of the code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None  # noqa: S101  # there is at least the first one
    return revision


async def current(connection: AsyncConnection) -> str | None:
    """The revision of the database; None when it was never migrated."""
    if not await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return None
    revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


async def is_current(connection: AsyncConnection) -> bool:
    """Whether the database is what this version of the code needs: for `readyz`."""
    return await current(connection) == head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
