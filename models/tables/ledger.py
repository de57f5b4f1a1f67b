"""The books: accounts, transactions, and their signed entries."""

from sqlalchemy import BigInteger, Column, Identity, LargeBinary, Table, Text

from models.tables.metadata import INSTANT, METADATA

LEDGER_ACCOUNT = Table(
    "ledger_account",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("currency", Text, nullable=False),
)

LEDGER_TRANSACTION = Table(
    "ledger_transaction",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("event_type", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("payment_id", Text),
    Column("content_hash", LargeBinary, nullable=False),
    Column("occurred_at", INSTANT, nullable=False),
    Column("posted_at", INSTANT, nullable=False),
)

LEDGER_ENTRY = Table(
    "ledger_entry",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ledger_transaction_id", Text, nullable=False),
    Column("ledger_account_id", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("occurred_at", INSTANT, nullable=False),
)
