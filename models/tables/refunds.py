"""Refunds and their moves."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text

from models.tables.metadata import INSTANT, METADATA

REFUND = Table(
    "refund",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("payment_id", Text, nullable=False),
    Column("attempt_id", Text, nullable=False),
    Column("refund_no", Text, nullable=False),
    Column("refund_serial", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("funding", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("decided_by", Text),
    Column("fingerprint", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("notified", Integer, nullable=False),
    Column("failure_code", Text),
    Column("failure_detail", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    Column("succeeded_at", INSTANT),
    Column("retry_after", INSTANT, nullable=False),
    Column("reads", Integer, nullable=False),
)

REFUND_TRANSITION = Table(
    "refund_transition",
    METADATA,
    Column("refund_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("evidence_kind", Text, nullable=False),
    Column("evidence_reference", Text, nullable=False),
    Column("evidence_detail", Text, nullable=False),
    Column("failure_code", Text),
    Column("at", INSTANT, nullable=False),
)
