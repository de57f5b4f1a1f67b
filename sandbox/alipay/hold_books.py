"""Books of money that is held first: orders to hold it, and what was done with each.

In the same file and the same transactions as the trades, and kept the same way: events are only
added, the `hold` table is a projection of them. What is captured and what is released are never
more than what was frozen; the database itself refuses it.
"""

import sqlite3
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from sandbox.books import Books, Entry, TradeFilter

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hold_event (
    seq INTEGER PRIMARY KEY, auth_no TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0), request_no TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS hold_event_by_hold ON hold_event (auth_no, seq);
CREATE UNIQUE INDEX IF NOT EXISTS hold_is_frozen_once ON hold_event (auth_no)
    WHERE kind = 'frozen';
CREATE UNIQUE INDEX IF NOT EXISTS hold_moves_once_for_a_number
    ON hold_event (auth_no, kind, request_no) WHERE kind IN ('captured', 'released');
CREATE TRIGGER IF NOT EXISTS hold_event_is_never_changed BEFORE UPDATE ON hold_event
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS hold_event_is_never_removed BEFORE DELETE ON hold_event
    BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
CREATE TABLE IF NOT EXISTS hold (
    auth_no TEXT PRIMARY KEY, app_id TEXT NOT NULL, out_order_no TEXT NOT NULL,
    out_request_no TEXT NOT NULL, code TEXT NOT NULL UNIQUE, method TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, title TEXT NOT NULL, notify_url TEXT, created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL, opened_at TEXT, frozen_at TEXT, closed_at TEXT,
    frozen_minor INTEGER NOT NULL, captured_minor INTEGER NOT NULL, released_minor INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    UNIQUE (app_id, out_order_no),
    CHECK (captured_minor >= 0 AND released_minor >= 0),
    CHECK (captured_minor + released_minor <= frozen_minor)
) STRICT;
CREATE INDEX IF NOT EXISTS hold_by_number ON hold (out_order_no);
"""


class HoldStatus(StrEnum):
    """Where an order to hold stands. PREPARED: not opened, so the merchant cannot see it.

    CAPTURED: nothing is held any more, and some of it was taken.
    """

    PREPARED = "prepared"
    WAITING = "waiting"
    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    CLOSED = "closed"


class HoldEventKind(StrEnum):
    """CANCELED: the merchant undid it; what that moved is an event of its own before."""

    PREPARED = "prepared"
    REPEATED = "repeated"
    OPENED = "opened"
    FROZEN = "frozen"
    CAPTURED = "captured"
    RELEASED = "released"
    CLOSED = "closed"
    CANCELED = "canceled"


class HoldOrder(Entry):
    """What a merchant asked for. `code` is what the payer's page knows it by."""

    auth_no: str
    app_id: str
    out_order_no: str
    out_request_no: str
    code: str
    method: str
    amount_minor: int
    title: str
    notify_url: str | None
    created_at: datetime
    expires_at: datetime


class Hold(HoldOrder):
    """An order to hold money and what became of it."""

    opened_at: datetime | None = None
    frozen_at: datetime | None = None
    closed_at: datetime | None = None
    frozen_minor: int = 0
    captured_minor: int = 0
    released_minor: int = 0
    requests: int = 1

    @property
    def trade_no(self) -> str:
        """The provider's number, under the name that all payables have."""
        return self.auth_no

    @property
    def out_trade_no(self) -> str:
        """The merchant's number, under the name that all payables have."""
        return self.out_order_no

    @property
    def rest_minor(self) -> int:
        return self.frozen_minor - self.captured_minor - self.released_minor

    @property
    def status(self) -> HoldStatus:
        if self.frozen_at is None:
            waiting = HoldStatus.PREPARED if self.opened_at is None else HoldStatus.WAITING
            return waiting if self.closed_at is None else HoldStatus.CLOSED
        if self.rest_minor:
            return HoldStatus.HELD
        return HoldStatus.CAPTURED if self.captured_minor else HoldStatus.RELEASED


class HoldEvent(Entry):
    """One step. `request_no` is the merchant's number of it, where it has one."""

    seq: int
    auth_no: str
    kind: HoldEventKind
    at: datetime
    amount_minor: int
    request_no: str


_COLUMNS = tuple(Hold.model_fields)
_SAVE = (
    f"INSERT OR REPLACE INTO hold ({', '.join(_COLUMNS)}) "  # noqa: S608 - our own names
    f"VALUES ({', '.join(':' + name for name in _COLUMNS)})"
)


def project(hold: Hold, kind: HoldEventKind, at: datetime, amount_minor: int) -> Hold:
    """The hold after an event that follows its preparation."""
    match kind:
        case HoldEventKind.PREPARED:
            raise ValueError(f"hold {hold.auth_no} was prepared twice")
        case HoldEventKind.REPEATED:
            return _with(hold, requests=hold.requests + 1)
        case HoldEventKind.OPENED:
            return _with(hold, opened_at=at)
        case HoldEventKind.FROZEN:
            return _with(hold, frozen_at=at, frozen_minor=amount_minor)
        case HoldEventKind.CAPTURED | HoldEventKind.RELEASED:
            return _moved(hold, kind, at, amount_minor)
        case HoldEventKind.CLOSED:
            return _with(hold, closed_at=at)
        case HoldEventKind.CANCELED:
            return hold
        case _:
            assert_never(kind)


class HoldBooks:
    """The tables of holds, on the connection of the books."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self._connection = books.connection
        self._connection.executescript(_SCHEMA)

    def prepare(self, order: HoldOrder) -> Hold:
        """Write a new order. Raises sqlite3.IntegrityError when its number is taken."""
        hold = Hold(**order.model_dump())
        with self.books.transaction():
            self._add_event(hold, HoldEventKind.PREPARED, order.created_at, 0, order.out_request_no)
            self._save(hold)
        return hold

    def append(
        self,
        hold: Hold,
        kind: HoldEventKind,
        at: datetime,
        amount_minor: int = 0,
        request_no: str = "",
    ) -> Hold:
        """Add an event to a hold's history and return the hold as it is then."""
        moved = project(hold, kind, at, amount_minor)
        with self.books.transaction():
            self._add_event(hold, kind, at, amount_minor, request_no)
            self._save(moved)
        return moved

    def find(self, app_id: str, out_order_no: str) -> Hold | None:
        return self._one("app_id = ? AND out_order_no = ?", app_id, out_order_no)

    def find_by_auth_no(self, auth_no: str) -> Hold | None:
        return self._one("auth_no = ?", auth_no)

    def find_by_code(self, code: str) -> Hold | None:
        return self._one("code = ?", code)

    def find_by_number(self, out_order_no: str, app_id: str | None) -> Hold | None:
        """By the merchant's number alone, when the app is not known; the newest one then."""
        if app_id is not None:
            return self.find(app_id, out_order_no)
        return self._one("out_order_no = ? ORDER BY auth_no DESC LIMIT 1", out_order_no)

    def list_holds(self, wanted: TradeFilter, *, captured_too: bool = False) -> tuple[Hold, ...]:
        """In the order of their numbers; those that no trade has come of, or all."""
        rows = self._connection.execute(
            "SELECT * FROM hold WHERE (:out_trade_no IS NULL OR out_order_no = :out_trade_no)"
            " AND (:app_id IS NULL OR app_id = :app_id) AND auth_no > :after"
            " AND (:captured_too OR NOT EXISTS (SELECT 1 FROM trade"
            " WHERE trade.app_id = hold.app_id AND trade.out_trade_no = hold.out_order_no))"
            " ORDER BY auth_no",
            {
                "out_trade_no": wanted.out_trade_no,
                "app_id": wanted.app_id,
                "after": wanted.after,
                "captured_too": captured_too,
            },
        )
        found: list[Hold] = []
        for hold in map(_read, rows):
            if wanted.status in {None, hold.status.value}:
                found.append(hold)
            if len(found) == wanted.limit:
                break
        return tuple(found)

    def waiting(self) -> tuple[Hold, ...]:
        rows = self._connection.execute(
            "SELECT * FROM hold WHERE frozen_at IS NULL AND closed_at IS NULL ORDER BY auth_no"
        )
        return tuple(map(_read, rows))

    def events(self, auth_no: str) -> tuple[HoldEvent, ...]:
        rows = self._connection.execute(
            "SELECT * FROM hold_event WHERE auth_no = ? ORDER BY seq", (auth_no,)
        )
        return tuple(HoldEvent.model_validate(dict(row)) for row in rows)

    def totals(self) -> dict[str, int]:
        """Sums of money by what was done with it, from the events themselves."""
        rows = self._connection.execute(
            "SELECT kind, sum(amount_minor) FROM hold_event"
            " WHERE kind IN ('frozen', 'captured', 'released') GROUP BY kind"
        )
        return {"frozen": 0, "captured": 0, "released": 0} | {row[0]: row[1] for row in rows}

    def _add_event(
        self, hold: Hold, kind: HoldEventKind, at: datetime, amount_minor: int, request_no: str
    ) -> None:
        self._connection.execute(
            "INSERT INTO hold_event (auth_no, kind, at, amount_minor, request_no)"
            " VALUES (?, ?, ?, ?, ?)",
            (hold.auth_no, kind, at.isoformat(), amount_minor, request_no),
        )

    def _save(self, hold: Hold) -> None:
        self._connection.execute(_SAVE, hold.model_dump(mode="json"))

    def _one(self, condition: str, *values: str) -> Hold | None:
        row = self._connection.execute(
            f"SELECT * FROM hold WHERE {condition}",  # noqa: S608 - our own conditions
            values,
        ).fetchone()
        return _read(row) if row else None


def _moved(hold: Hold, kind: HoldEventKind, at: datetime, amount_minor: int) -> Hold:
    if kind is HoldEventKind.CAPTURED:
        moved = _with(hold, captured_minor=hold.captured_minor + amount_minor)
    else:
        moved = _with(hold, released_minor=hold.released_minor + amount_minor)
    return moved if moved.rest_minor else _with(moved, closed_at=at)


def _with(hold: Hold, **changes: object) -> Hold:
    return hold.model_copy(update=changes)


def _read(row: sqlite3.Row) -> Hold:
    return Hold.model_validate(dict(row))
