"""Apps and the keys that open the API."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from models.tables.metadata import INSTANT, METADATA

APP = Table(
    "app",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("webhook_url", Text),
    Column("webhook_secret", LargeBinary, nullable=False),
    Column("webhook_paused_at", INSTANT),
    Column("late_success", Text, nullable=False),
    Column("payment_limit_minor", BigInteger),
    Column("refund_approval_above_minor", BigInteger),
    Column("return_urls", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("former_webhook_secret", LargeBinary),
    Column("former_webhook_secret_until", INSTANT),
    Column("created_at", INSTANT, nullable=False),
)

API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("role", Text, nullable=False),
    Column("app_id", Text),
    Column("name", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("disabled_at", INSTANT),
    Column("expires_at", INSTANT),
    Column("last_used_at", INSTANT),
    Column("disabled_reason", Text),
)
