"""What all tables share. Constraints, triggers and indexes are written in `storage/migrations`."""

from sqlalchemy import DateTime, MetaData

METADATA = MetaData()

INSTANT = DateTime(timezone=True)
