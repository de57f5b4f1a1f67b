"""Merchants and their accounts at channels."""

from sqlalchemy import Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models.tables.metadata import INSTANT, METADATA

MERCHANT = Table(
    "merchant",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("created_at", INSTANT, nullable=False),
)

CHANNEL_ACCOUNT = Table(
    "channel_account",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("methods", ARRAY(Text), nullable=False),
    Column("fee_bps", Integer, nullable=False),
    Column("channel_fee_bps", Integer),
    Column("parameters", JSONB, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("certificates", JSONB, nullable=False, server_default="[]"),
    Column("created_at", INSTANT, nullable=False),
)

CHANNEL_ACCOUNT_VERSION = Table(
    "channel_account_version",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("parameters", JSONB, nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("replaced_at", INSTANT, nullable=False),
    Column("valid_until", INSTANT, nullable=False),
)
