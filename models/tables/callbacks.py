"""The inbox: what channels told us, and what claimed to be a channel."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import INSTANT, METADATA

CALLBACK = Table(
    "callback",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("channel_event_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("outcome", JSONB, nullable=False),
    Column("channel_reference", Text),
    Column("match", Text, nullable=False),
    Column("app_id", Text),
    Column("payment_id", Text),
    Column("about", Text, nullable=False),
    Column("refund_id", Text),
    Column("expected_minor", BigInteger),
    Column("expected_currency", Text),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", INSTANT, nullable=False),
    Column("handled_at", INSTANT),
    Column("retry_after", INSTANT, nullable=False),
    Column("reads", Integer, nullable=False),
)

REJECTED_CALLBACK = Table(
    "rejected_callback",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_length", Integer, nullable=False),
    Column("received_at", INSTANT, nullable=False),
)
