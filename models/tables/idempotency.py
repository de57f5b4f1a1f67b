"""Answers kept under the Idempotency-Key they were asked with."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text

from models.tables.metadata import INSTANT, METADATA

IDEMPOTENCY_KEY = Table(
    "idempotency_key",
    METADATA,
    Column("app_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_until", INSTANT, nullable=False),
    Column("status_code", Integer),
    Column("body", LargeBinary),
    Column("object_id", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
)
