"""Rounds of looking around."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import INSTANT, METADATA

CHECK_ROUND = Table(
    "check_round",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("started_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT, nullable=False),
    Column("result", JSONB, nullable=False),
)
