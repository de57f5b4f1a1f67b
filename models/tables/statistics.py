"""What ended when, counted in slots of time; and what ledger accounts add up to."""

from sqlalchemy import BigInteger, Boolean, Column, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from models.tables.metadata import INSTANT, METADATA

STATISTICS_SLOT = Table(
    "statistics_slot",
    METADATA,
    Column("slot", INSTANT, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("succeeded", BigInteger, nullable=False),
    Column("succeeded_minor", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("not_sent", BigInteger, nullable=False),
    Column("durations", ARRAY(BigInteger), nullable=False),
)

STATISTICS_MARK = Table(
    "statistics_mark",
    METADATA,
    Column("is_the_one", Boolean, primary_key=True),
    Column("counted_until", INSTANT, nullable=False),
    Column("reviewed_at", INSTANT, nullable=False),
)

LEDGER_SLOT = Table(
    "ledger_slot",
    METADATA,
    Column("ledger_account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", INSTANT, primary_key=True),
    Column("event_type", Text, primary_key=True),
    Column("channel_account", Text, primary_key=True),
    Column("transactions", BigInteger, nullable=False),
    Column("debit_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
)

LEDGER_TOTAL = Table(
    "ledger_total",
    METADATA,
    Column("ledger_account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("debit_minor", BigInteger, nullable=False),
    Column("credit_minor", BigInteger, nullable=False),
)

LEDGER_TOTAL_MARK = Table(
    "ledger_total_mark",
    METADATA,
    Column("is_the_one", Boolean, primary_key=True),
    Column("added_until", INSTANT, nullable=False),
)
