"""The outbox: what apps are told."""

from sqlalchemy import Column, Integer, Table, Text

from models.tables.metadata import INSTANT, METADATA

NOTIFICATION = Table(
    "notification",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", INSTANT),
    Column("delivered_at", INSTANT),
    Column("last_error", Text),
)
