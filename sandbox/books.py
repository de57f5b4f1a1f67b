"""The sandbox's own books: what merchants asked for and what was done with money, in SQLite.

Money is history: events are only ever added, and the database refuses to change or remove one. The
`trade` table is a projection that `rebuild` makes again from the events. A transaction is committed
before anything is answered; WAL with synchronous=NORMAL keeps it through kill -9 of this process.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field

_SCHEMA = """
CREATE TABLE IF NOT EXISTS app (
    app_id TEXT PRIMARY KEY, seller_id TEXT NOT NULL, name TEXT NOT NULL, public_key TEXT NOT NULL,
    certificate TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS trade_event (
    seq INTEGER PRIMARY KEY, trade_no TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0), details TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS trade_event_by_trade ON trade_event (trade_no, seq);
CREATE UNIQUE INDEX IF NOT EXISTS trade_is_paid_once ON trade_event (trade_no)
    WHERE kind = 'paid';
CREATE UNIQUE INDEX IF NOT EXISTS refund_is_made_once
    ON trade_event (trade_no, json_extract(details, '$.serial'))
    WHERE kind = 'refunded' AND details <> '';
CREATE TRIGGER IF NOT EXISTS trade_event_is_never_changed BEFORE UPDATE ON trade_event
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS trade_event_is_never_removed BEFORE DELETE ON trade_event
    BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE TABLE IF NOT EXISTS trade (
    trade_no TEXT PRIMARY KEY, app_id TEXT NOT NULL, out_trade_no TEXT NOT NULL,
    code TEXT NOT NULL UNIQUE, method TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    subject TEXT NOT NULL, notify_url TEXT, return_url TEXT, created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL, status TEXT NOT NULL, opened_at TEXT, paid_at TEXT, closed_at TEXT,
    executions INTEGER NOT NULL, refunds INTEGER NOT NULL, requests INTEGER NOT NULL,
    refunded_minor INTEGER NOT NULL DEFAULT 0,
    UNIQUE (app_id, out_trade_no)
) STRICT;
CREATE INDEX IF NOT EXISTS trade_by_number ON trade (out_trade_no);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


# Trades from before there were partial refunds have no such column.
_ADD_REFUNDED = "ALTER TABLE trade ADD COLUMN refunded_minor INTEGER NOT NULL DEFAULT 0"


class TradeStatus(StrEnum):
    """Where a trade stands. PREPARED: not opened by the payer, so the merchant cannot see it.

    REFUNDED: all of it went back; while some is left, it is PAID.
    """

    PREPARED = "prepared"
    WAITING = "waiting"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDED = "refunded"


class EventKind(StrEnum):
    PREPARED = "prepared"
    REPEATED = "repeated"
    OPENED = "opened"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDED = "refunded"
    REFUND_REPEATED = "refund_repeated"


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True)


class App(Entry):
    """A merchant's registered application. `certificate` set means certificate mode."""

    app_id: str
    seller_id: str
    name: str
    public_key: str
    certificate: str | None


class Order(Entry):
    """What a merchant asked for. `code` is what the payer's cashier knows the trade by."""

    trade_no: str
    app_id: str
    out_trade_no: str
    code: str
    method: str
    amount_minor: int
    subject: str
    notify_url: str | None
    return_url: str | None
    created_at: datetime
    expires_at: datetime


class Trade(Order):
    """An order and what became of it. `requests` counts how often the merchant submitted it."""

    status: TradeStatus
    opened_at: datetime | None = None
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    executions: int = 0
    refunds: int = 0
    requests: int = 1
    refunded_minor: int = 0


class TradeEvent(Entry):
    trade_no: str
    kind: EventKind
    at: datetime
    amount_minor: int
    details: str


class TradeFilter(Entry):
    """Which trades to list; `after` is the trade number the page before ended with."""

    out_trade_no: str | None = None
    app_id: str | None = None
    status: str | None = None
    after: str = ""
    limit: int = Field(default=1000, ge=1, le=5000)


_TRADE_COLUMNS = tuple(Trade.model_fields)
_SAVE_TRADE = (
    f"INSERT OR REPLACE INTO trade ({', '.join(_TRADE_COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(':' + name for name in _TRADE_COLUMNS)})"
)


def project(trade: Trade, kind: EventKind, at: datetime, amount_minor: int) -> Trade:
    """The trade after an event that follows its preparation."""
    match kind:
        case EventKind.PREPARED:
            raise ValueError(f"trade {trade.trade_no} was prepared twice")
        case EventKind.REPEATED:
            return _with(trade, requests=trade.requests + 1)
        case EventKind.OPENED:
            return _with(trade, status=TradeStatus.WAITING, opened_at=at)
        case EventKind.PAID:
            paid = trade.executions + 1
            return _with(trade, status=TradeStatus.PAID, paid_at=at, executions=paid)
        case EventKind.CLOSED:
            return _with(trade, status=TradeStatus.CLOSED, closed_at=at)
        case EventKind.REFUNDED:
            return _refunded(trade, at, amount_minor)
        case EventKind.REFUND_REPEATED:
            return trade
        case _:
            assert_never(kind)


class Books:
    """One SQLite file, used from one thread.

    Every public method that writes is one transaction; called inside `transaction()` they are one
    together.
    """

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(_SCHEMA)
        self._depth = 0
        columns = self.connection.execute("PRAGMA table_info(trade)")
        if "refunded_minor" not in {column["name"] for column in columns}:
            self.connection.execute(_ADD_REFUNDED)
            self.rebuild()

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._depth:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        else:
            self.connection.execute("COMMIT")
        finally:
            self._depth = 0

    # -- apps

    def save_app(self, app: App) -> None:
        """Add an app, or give a known one new keys."""
        self.connection.execute(
            "INSERT OR REPLACE INTO app VALUES (:app_id, :seller_id, :name, :public_key,"
            " :certificate)",
            app.model_dump(),
        )

    def find_app(self, app_id: str) -> App | None:
        row = self._one("SELECT * FROM app WHERE app_id = ?", app_id)
        return App(**row) if row else None

    def apps(self) -> tuple[App, ...]:
        rows = self.connection.execute("SELECT * FROM app ORDER BY app_id")
        return tuple(App(**row) for row in rows)

    # -- trades

    def prepare(self, order: Order) -> Trade:
        """Write a new order. Raises sqlite3.IntegrityError when its number is taken."""
        trade = Trade(**order.model_dump(), status=TradeStatus.PREPARED)
        details = order.model_dump_json()
        with self.transaction():
            self._add_event(order.trade_no, EventKind.PREPARED, order.created_at, 0, details)
            self._save_trade(trade)
        return trade

    def append(
        self, trade: Trade, kind: EventKind, at: datetime, amount_minor: int = 0, details: str = ""
    ) -> Trade:
        """Add an event to a trade's history and return the trade as it is then."""
        moved = project(trade, kind, at, amount_minor)
        with self.transaction():
            self._add_event(trade.trade_no, kind, at, amount_minor, details)
            self._save_trade(moved)
        return moved

    def find_trade(self, app_id: str, out_trade_no: str) -> Trade | None:
        return self._trade("app_id = ? AND out_trade_no = ?", app_id, out_trade_no)

    def find_by_trade_no(self, trade_no: str) -> Trade | None:
        return self._trade("trade_no = ?", trade_no)

    def find_by_code(self, code: str) -> Trade | None:
        return self._trade("code = ?", code)

    def find_by_number(self, out_trade_no: str, app_id: str | None) -> Trade | None:
        """By the merchant's number alone, when the app is not known; the newest one then."""
        if app_id is not None:
            return self.find_trade(app_id, out_trade_no)
        return self._trade("out_trade_no = ? ORDER BY trade_no DESC LIMIT 1", out_trade_no)

    def list_trades(self, wanted: TradeFilter) -> tuple[Trade, ...]:
        rows = self.connection.execute(
            "SELECT * FROM trade WHERE (:out_trade_no IS NULL OR out_trade_no = :out_trade_no)"
            " AND (:app_id IS NULL OR app_id = :app_id) AND (:status IS NULL OR status = :status)"
            " AND trade_no > :after ORDER BY trade_no LIMIT :limit",
            wanted.model_dump(),
        )
        return tuple(_read_trade(row) for row in rows)

    def events(self, trade_no: str) -> tuple[TradeEvent, ...]:
        rows = self.connection.execute(
            "SELECT trade_no, kind, at, amount_minor, details FROM trade_event"
            " WHERE trade_no = ? ORDER BY seq",
            (trade_no,),
        )
        return tuple(_read_event(row) for row in rows)

    def status_counts(self) -> dict[str, int]:
        rows = self.connection.execute("SELECT status, count(*) FROM trade GROUP BY status")
        return {row[0]: row[1] for row in rows}

    def money_moved(self, kind: EventKind) -> tuple[int, int]:
        """How often money moved this way and how much in all, from the events themselves."""
        row = self.connection.execute(
            "SELECT count(*), coalesce(sum(amount_minor), 0) FROM trade_event WHERE kind = ?",
            (kind,),
        ).fetchone()
        return row[0], row[1]

    def rebuild(self) -> None:
        """Throw the projection away and make it again from the events."""
        rows = self.connection.execute(
            "SELECT trade_no, kind, at, amount_minor, details FROM trade_event ORDER BY seq"
        )
        trades: dict[str, Trade] = {}
        for event in map(_read_event, rows):
            if event.kind is EventKind.PREPARED:
                order = Order.model_validate_json(event.details)
                trades[event.trade_no] = Trade(**order.model_dump(), status=TradeStatus.PREPARED)
                continue
            trades[event.trade_no] = project(
                trades[event.trade_no], event.kind, event.at, event.amount_minor
            )
        with self.transaction():
            self.connection.execute("DELETE FROM trade")
            for trade in trades.values():
                self._save_trade(trade)

    # -- settings

    def read_setting(self, name: str) -> str | None:
        row = self._one("SELECT value FROM setting WHERE name = ?", name)
        return row["value"] if row else None

    def write_setting(self, name: str, value: str) -> None:
        self.connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def _add_event(
        self, trade_no: str, kind: EventKind, at: datetime, amount_minor: int, details: str
    ) -> None:
        self.connection.execute(
            "INSERT INTO trade_event (trade_no, kind, at, amount_minor, details)"
            " VALUES (?, ?, ?, ?, ?)",
            (trade_no, kind, at.isoformat(), amount_minor, details),
        )

    def _save_trade(self, trade: Trade) -> None:
        self.connection.execute(_SAVE_TRADE, trade.model_dump(mode="json"))

    def _trade(self, condition: str, *values: str) -> Trade | None:
        row = self._one(f"SELECT * FROM trade WHERE {condition}", *values)  # noqa: S608 - ours
        return _read_trade(row) if row else None

    def _one(self, statement: str, *values: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self.connection.execute(statement, values).fetchone()
        return row


def _refunded(trade: Trade, at: datetime, amount_minor: int) -> Trade:
    refunded = trade.refunded_minor + amount_minor
    given_back = _with(trade, refunds=trade.refunds + 1, refunded_minor=refunded)
    if refunded < trade.amount_minor:
        return given_back
    return _with(given_back, status=TradeStatus.REFUNDED, closed_at=at)


def _with(trade: Trade, **changes: object) -> Trade:
    return trade.model_copy(update=changes)


def _read_trade(row: sqlite3.Row) -> Trade:
    return Trade.model_validate(dict(row))


def _read_event(row: sqlite3.Row) -> TradeEvent:
    return TradeEvent.model_validate(dict(row))
