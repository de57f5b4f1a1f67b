"""Notifications to merchants and every attempt to deliver them, kept beside the books.

Here are no amounts: a notification names a trade and what to say about it, and is written out anew
for each attempt. Its id stays the same over all of them.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, TypeAdapter

from sandbox.books import Books

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notification (
    notify_id TEXT PRIMARY KEY, trade_no TEXT NOT NULL, app_id TEXT NOT NULL,
    out_trade_no TEXT NOT NULL, method TEXT NOT NULL, trade_status TEXT NOT NULL, url TEXT NOT NULL,
    status TEXT NOT NULL, created_at TEXT NOT NULL, next_at TEXT, attempts INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notification_by_trade ON notification (trade_no);
CREATE INDEX IF NOT EXISTS notification_due ON notification (next_at) WHERE status = 'pending';
CREATE TABLE IF NOT EXISTS notification_attempt (
    seq INTEGER PRIMARY KEY, notify_id TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL,
    http_status INTEGER, answer TEXT NOT NULL, acknowledged INTEGER NOT NULL, error TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempt_by_notification ON notification_attempt (notify_id, seq);
"""

# Books from before there was a second provider have no such column.
_ADD_PROVIDER = "ALTER TABLE notification ADD COLUMN provider TEXT NOT NULL DEFAULT 'alipay'"

# Nor had they news of refunds.
_ADD_ABOUT = "ALTER TABLE notification ADD COLUMN about TEXT NOT NULL DEFAULT ''"

_INSTANT = TypeAdapter(datetime)


class NotificationStatus(StrEnum):
    PENDING = "pending"
    HELD = "held"
    ACKNOWLEDGED = "acknowledged"
    EXHAUSTED = "exhausted"
    LOST = "lost"


class Notification(BaseModel):
    """`next_at` is when it is due next; `attempts` how often it was tried on schedule."""

    model_config = ConfigDict(frozen=True)

    notify_id: str
    provider: str
    trade_no: str
    app_id: str
    out_trade_no: str
    method: str
    trade_status: str
    url: str
    about: str = ""
    status: NotificationStatus
    created_at: datetime
    next_at: datetime | None
    attempts: int = 0

    def is_due(self, now: datetime) -> bool:
        waits = self.status is NotificationStatus.PENDING
        return waits and self.next_at is not None and self.next_at <= now


class Attempt(BaseModel):
    """One POST of a notification. `answer` is the start of what the merchant said."""

    model_config = ConfigDict(frozen=True)

    number: int
    at: datetime
    http_status: int | None = None
    answer: str = ""
    acknowledged: bool = False
    error: str = ""


class Outbox:
    """The notification tables, in the same file and the same transactions as the books."""

    def __init__(self, books: Books) -> None:
        self._connection = books.connection
        self._connection.executescript(_SCHEMA)
        columns = self._connection.execute("PRAGMA table_info(notification)")
        known = {column["name"] for column in columns}
        for name, statement in (("provider", _ADD_PROVIDER), ("about", _ADD_ABOUT)):
            if name not in known:
                self._connection.execute(statement)
        self.books = books

    def add(self, notification: Notification) -> None:
        self._connection.execute(
            "INSERT INTO notification (notify_id, provider, trade_no, app_id, out_trade_no, method,"
            " trade_status, url, about, status, created_at, next_at, attempts) VALUES (:notify_id,"
            " :provider, :trade_no, :app_id, :out_trade_no, :method, :trade_status, :url, :about,"
            " :status, :created_at, :next_at, :attempts)",
            notification.model_dump(mode="json"),
        )

    def find(self, notify_id: str) -> Notification | None:
        row = self._connection.execute(
            "SELECT * FROM notification WHERE notify_id = ?", (notify_id,)
        ).fetchone()
        return Notification.model_validate(dict(row)) if row else None

    def due(self, now: datetime, limit: int) -> tuple[Notification, ...]:
        rows = self._connection.execute(
            "SELECT * FROM notification WHERE status = 'pending' AND next_at <= ?"
            " ORDER BY next_at LIMIT ?",
            (_text(now), limit),
        )
        return tuple(Notification.model_validate(dict(row)) for row in rows)

    def next_due_after(self, now: datetime) -> datetime | None:
        row = self._connection.execute(
            "SELECT min(next_at) FROM notification WHERE status = 'pending' AND next_at > ?",
            (_text(now),),
        ).fetchone()
        return datetime.fromisoformat(row[0]) if row[0] else None

    def list_notifications(
        self, *, out_trade_no: str | None = None, status: str | None = None, limit: int = 1000
    ) -> tuple[Notification, ...]:
        rows = self._connection.execute(
            "SELECT * FROM notification WHERE (:number IS NULL OR out_trade_no = :number)"
            " AND (:status IS NULL OR status = :status) ORDER BY created_at LIMIT :limit",
            {"number": out_trade_no, "status": status, "limit": limit},
        )
        return tuple(Notification.model_validate(dict(row)) for row in rows)

    def attempts(self, notify_id: str) -> tuple[Attempt, ...]:
        rows = self._connection.execute(
            "SELECT number, at, http_status, answer, acknowledged, error FROM notification_attempt"
            " WHERE notify_id = ? ORDER BY seq",
            (notify_id,),
        )
        return tuple(Attempt.model_validate(dict(row)) for row in rows)

    def record(self, notification: Notification, attempts: tuple[Attempt, ...]) -> None:
        """Write what an attempt came to (several rows when it was sent several times at once)."""
        with self.books.transaction():
            for attempt in attempts:
                values = attempt.model_dump(mode="json") | {"notify_id": notification.notify_id}
                self._connection.execute(
                    "INSERT INTO notification_attempt (notify_id, number, at, http_status, answer,"
                    " acknowledged, error) VALUES (:notify_id, :number, :at, :http_status, :answer,"
                    " :acknowledged, :error)",
                    values,
                )
            self._connection.execute(
                "UPDATE notification SET status = :status, next_at = :next_at,"
                " attempts = :attempts WHERE notify_id = :notify_id",
                notification.model_dump(mode="json"),
            )

    def release(self, *, out_trade_no: str | None, now: datetime) -> int:
        """Let held notifications go out now."""
        cursor = self._connection.execute(
            "UPDATE notification SET status = 'pending', next_at = :now WHERE status = 'held'"
            " AND (:number IS NULL OR out_trade_no = :number)",
            {"now": _text(now), "number": out_trade_no},
        )
        return cursor.rowcount

    def counts(self) -> dict[str, int]:
        rows = self._connection.execute("SELECT status, count(*) FROM notification GROUP BY status")
        return {row[0]: row[1] for row in rows}

    def attempt_count(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM notification_attempt").fetchone()
        return int(row[0])

    def trade_counts(self, trade_no: str) -> tuple[int, int]:
        """How many notifications a trade has, and how many of them were acknowledged."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(status = 'acknowledged'), 0) FROM notification"
            " WHERE trade_no = ?",
            (trade_no,),
        ).fetchone()
        return row[0], row[1]


def _text(instant: datetime) -> str:
    """Spelled as the models spell instants, so that texts compare as times do."""
    text: str = _INSTANT.dump_python(instant, mode="json")
    return text
