"""People who work in the console, and their sessions."""

from sqlalchemy import Boolean, Column, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import INSTANT, METADATA

OPERATOR = Table(
    "operator",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("login", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("disabled_at", INSTANT),
)

OPERATOR_SESSION = Table(
    "operator_session",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("operator_id", Text, nullable=False),
    Column("csrf_token", Text, nullable=False),
    Column("flash", JSONB(none_as_null=True)),
    Column("created_at", INSTANT, nullable=False),
    Column("last_seen_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
)

LOGIN_FAILURE = Table(
    "login_failure",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("wait_until", INSTANT, nullable=False),
    Column("last_at", INSTANT, nullable=False),
)
