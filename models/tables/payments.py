"""Payments with their moves, verdicts, attempts and exchanges."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from models.tables.metadata import INSTANT, METADATA

PAYMENT = Table(
    "payment",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("merchant_id", Text, nullable=False),
    Column("order_no", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("method", Text),
    Column("subject", Text, nullable=False),
    Column("capture_method", Text, nullable=False),
    Column("capture_within", Integer),
    Column("capture_before", INSTANT),
    Column("captured_minor", BigInteger),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("notified", Integer, nullable=False),
    Column("attempt_status", Text),
    Column("failure_code", Text),
    Column("failure_detail", Text),
    Column("next_action", JSONB(none_as_null=True)),
    Column("late_success", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("return_url", Text),
    Column("payer_code", Text),
    Column("checkout_token", Text),
    Column("request_id", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("initiate_by", INSTANT, nullable=False),
    Column("succeeded_at", INSTANT),
)

PAYMENT_TRANSITION = Table(
    "payment_transition",
    METADATA,
    Column("payment_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("attempt_status", Text),
    Column("evidence_kind", Text, nullable=False),
    Column("evidence_reference", Text, nullable=False),
    Column("evidence_detail", Text, nullable=False),
    Column("failure_code", Text),
    Column("at", INSTANT, nullable=False),
)

VERDICT = Table(
    "verdict",
    METADATA,
    Column("payment_id", Text, primary_key=True),
    Column("attempt_number", Integer, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("rule_version", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("decided_at", INSTANT, nullable=False),
)

ATTEMPT = Table(
    "attempt",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("payment_id", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("method", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("account_version", Integer, nullable=False),
    Column("fee_bps", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("channel_reference", Text),
    Column("charged_at", INSTANT),
    Column("charged_minor", BigInteger),
    Column("surplus", Boolean, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

EXCHANGE = Table(
    "exchange",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("app_id", Text, nullable=False),
    Column("payment_id", Text, nullable=False),
    Column("serial", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("response", Text),
    Column("http_status", Integer),
    Column("started_at", INSTANT, nullable=False),
    Column("duration_ms", Integer, nullable=False),
)
