"""Reconciliations, and what in them does not match."""

from sqlalchemy import BigInteger, Column, Date, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.metadata import INSTANT, METADATA

RECONCILIATION = Table(
    "reconciliation",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("statement_source", Text),
    Column("statement_sha256", Text),
    Column("statement_bytes", BigInteger),
    Column("result", JSONB),
    Column("failure_code", Text),
    Column("failure_detail", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("signed_off_by", Text),
    Column("signed_off_at", INSTANT),
)

DISCREPANCY = Table(
    "discrepancy",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("reconciliation_id", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("business_day", Date, nullable=False),
    Column("class", Text, key="class_", nullable=False),
    Column("kind", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("refund_serial", Text, nullable=False),
    Column("channel_reference", Text, nullable=False),
    Column("payment_id", Text),
    Column("refund_id", Text),
    Column("currency", Text, nullable=False),
    Column("line_minor", BigInteger),
    Column("ours_minor", BigInteger),
    Column("fee_minor", BigInteger),
    Column("occurred_at", INSTANT, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("resolution", Text),
    Column("action", Text),
    Column("reason", Text),
    Column("proposed_by", Text),
    Column("decided_by", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

DISCREPANCY_TRANSITION = Table(
    "discrepancy_transition",
    METADATA,
    Column("discrepancy_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
)
