"""The audit trail of account management."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import INSTANT, METADATA

CHANGE_LOG = Table(
    "change_log",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
)
