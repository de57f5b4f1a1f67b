"""Stripe's books, in the same SQLite file and transactions as the others.

Each change of an object is added to its history together with the object as it is then; the
`stripe_object` table is only its latest state and can be made again. Balance transactions and
events are added and never changed; the database refuses anything else.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from sandbox.books import Books
from sandbox.stripe.models import (
    Charge,
    Intent,
    Kind,
    Posting,
    Record,
    Refund,
    SavedAnswer,
    Session,
    StripeEvent,
)


def _append_only(table: str) -> str:
    return f"""
CREATE TRIGGER IF NOT EXISTS {table}_is_never_changed BEFORE UPDATE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is never changed'); END;
CREATE TRIGGER IF NOT EXISTS {table}_is_never_removed BEFORE DELETE ON {table}
    BEGIN SELECT RAISE(ABORT, '{table} is never shortened'); END;
"""


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS stripe_change (
    seq INTEGER PRIMARY KEY, object_id TEXT NOT NULL, class TEXT NOT NULL, kind TEXT NOT NULL,
    at TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0), body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS stripe_change_by_object ON stripe_change (object_id, seq);
CREATE UNIQUE INDEX IF NOT EXISTS stripe_intent_is_captured_once ON stripe_change (object_id)
    WHERE kind = 'captured' AND class = 'intent';
CREATE TABLE IF NOT EXISTS stripe_object (
    id TEXT PRIMARY KEY, class TEXT NOT NULL, account_id TEXT NOT NULL, intent TEXT NOT NULL,
    order_no TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, created INTEGER NOT NULL,
    settles_at TEXT, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS stripe_object_by_account ON stripe_object (class, account_id, id);
CREATE INDEX IF NOT EXISTS stripe_object_by_order ON stripe_object (class, order_no, id);
CREATE INDEX IF NOT EXISTS stripe_object_by_intent ON stripe_object (class, intent, id);
CREATE INDEX IF NOT EXISTS stripe_object_unsettled ON stripe_object (settles_at)
    WHERE settles_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS stripe_posting (
    id TEXT PRIMARY KEY, account_id TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL,
    amount INTEGER NOT NULL, fee INTEGER NOT NULL CHECK (fee >= 0), currency TEXT NOT NULL,
    available_at TEXT NOT NULL, UNIQUE (source, type)
) STRICT;
CREATE INDEX IF NOT EXISTS stripe_posting_by_account ON stripe_posting (account_id, currency);
CREATE TABLE IF NOT EXISTS stripe_answer (
    account_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, body TEXT NOT NULL, request_id TEXT NOT NULL, made TEXT,
    PRIMARY KEY (account_id, key)
) STRICT;
{_append_only("stripe_change")}{_append_only("stripe_posting")}{_append_only("stripe_answer")}
"""

AnyRecord = TypeVar("AnyRecord", Intent, Charge, Refund, Posting, Session, StripeEvent)
_CLASSES: dict[type[Record], str] = {
    Intent: "intent",
    Charge: "charge",
    Refund: "refund",
    Posting: "posting",
    Session: "session",
    StripeEvent: "event",
}
_BY_CLASS = {name: kind for kind, name in _CLASSES.items()}


class Wanted(BaseModel):
    """Which objects to list, newest first. `after` and `before` are ids, `created` is seconds."""

    model_config = ConfigDict(frozen=True)

    account_id: str | None = None
    intent: str | None = None
    order_no: str | None = None
    types: tuple[str, ...] = ()
    source: str | None = None
    currency: str | None = None
    created_from: int = 0
    created_until: int = 2**53
    after: str | None = None
    before: str | None = None
    limit: int = 10


class Change(BaseModel):
    """One line of an object's history."""

    object_id: str
    kind: Kind
    at: datetime
    amount: int


class StripeBooks:
    """Used from one thread, like the books it is part of."""

    def __init__(self, books: Books) -> None:
        self._connection = books.connection
        self._connection.executescript(_SCHEMA)
        self.transaction = books.transaction

    def save(
        self, thing: Intent | Charge | Refund | Session, kind: Kind, at: datetime, amount: int = 0
    ) -> None:
        """Add to an object's history; the object is as given from now on."""
        body = thing.model_dump_json()
        with self.transaction():
            self._connection.execute(
                "INSERT INTO stripe_change (object_id, class, kind, at, amount, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (thing.id, _CLASSES[type(thing)], kind, at.isoformat(), amount, body),
            )
            self._keep(thing, body)

    def post(self, posting: Posting) -> None:
        """Raises sqlite3.IntegrityError when this was posted before."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO stripe_posting VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(posting.id, posting.account_id, posting.type, posting.source),
                    *(posting.amount, posting.fee, posting.currency),
                    posting.available_at.isoformat(),
                ),
            )
            self._keep(posting, posting.model_dump_json())

    def add_event(self, event: StripeEvent) -> None:
        self._keep(event, event.model_dump_json())

    def find(
        self, kind: type[AnyRecord], object_id: str, account_id: str | None = None
    ) -> AnyRecord | None:
        row = self._connection.execute(
            "SELECT body FROM stripe_object WHERE id = ? AND class = ?"
            " AND (? IS NULL OR account_id = ?)",
            (object_id, _CLASSES[kind], account_id, account_id),
        ).fetchone()
        return kind.model_validate_json(row["body"]) if row else None

    def order_no(self, object_id: str) -> str | None:
        """The order that an object of any kind belongs to."""
        row = self._connection.execute(
            "SELECT order_no FROM stripe_object WHERE id = ?", (object_id,)
        ).fetchone()
        return row["order_no"] if row else None

    def list_objects(self, kind: type[AnyRecord], wanted: Wanted) -> tuple[AnyRecord, ...]:
        """Newest first; with `before` the ones just newer than it."""
        values = wanted.model_dump(exclude={"types"}) | {"class": _CLASSES[kind]}
        values |= {f"type{index}": name for index, name in enumerate(wanted.types)}
        direction = "ASC" if wanted.before else "DESC"
        rows = self._connection.execute(
            f"SELECT body FROM stripe_object WHERE {' AND '.join(_conditions(wanted))}"  # noqa: S608
            f" ORDER BY id {direction} LIMIT :limit",
            values,
        ).fetchall()
        found = [kind.model_validate_json(row["body"]) for row in rows]
        return tuple(reversed(found) if wanted.before else found)

    def oldest_intents(
        self, *, account_id: str | None = None, order_no: str | None = None, after: str = ""
    ) -> Iterator[Intent]:
        """Every intent after the given id, oldest first."""
        rows = self._connection.execute(
            "SELECT body FROM stripe_object WHERE class = 'intent' AND id > :after"
            " AND (:order_no IS NULL OR order_no = :order_no)"
            " AND (:account_id IS NULL OR account_id = :account_id) ORDER BY id",
            {"order_no": order_no, "account_id": account_id, "after": after},
        )
        for row in rows:
            yield Intent.model_validate_json(row["body"])

    def status_counts(self) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT body ->> 'status', count(*) FROM stripe_object WHERE class = 'intent'"
            " GROUP BY 1"
        )
        return {row[0]: row[1] for row in rows}

    def unsettled(self) -> tuple[Intent | Refund, ...]:
        """What time is still to bring to an end."""
        rows = self._connection.execute(
            "SELECT class, body FROM stripe_object WHERE settles_at IS NOT NULL ORDER BY settles_at"
        )
        found = (_BY_CLASS[row["class"]].model_validate_json(row["body"]) for row in rows)
        return tuple(thing for thing in found if isinstance(thing, Intent | Refund))

    def history(self, intent: str) -> tuple[Change, ...]:
        """What happened to an intent, its charges and refunds."""
        rows = self._connection.execute(
            "SELECT object_id, kind, at, c.amount FROM stripe_change c JOIN stripe_object o"
            " ON o.id = c.object_id WHERE o.intent = ? ORDER BY seq",
            (intent,),
        )
        return tuple(Change.model_validate(dict(row)) for row in rows)

    def balance(self, account_id: str, now: datetime) -> dict[str, tuple[int, int]]:
        """By currency: what is available and what is pending, summed from the postings."""
        rows = self._connection.execute(
            "SELECT currency, coalesce(sum(amount - fee) FILTER (WHERE available_at <= :now), 0),"
            " coalesce(sum(amount - fee) FILTER (WHERE available_at > :now), 0)"
            " FROM stripe_posting WHERE account_id = :account_id GROUP BY currency",
            {"account_id": account_id, "now": now.isoformat()},
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    def turnover(self) -> tuple[tuple[str, str, int, int], ...]:
        """Type of posting, currency, sum of amounts, sum of fees; of all accounts."""
        rows = self._connection.execute(
            "SELECT type, currency, sum(amount), sum(fee) FROM stripe_posting GROUP BY 1, 2"
        )
        return tuple((row[0], row[1], row[2], row[3]) for row in rows)

    def captures(self) -> int:
        row = self._connection.execute(
            "SELECT count(*) FROM stripe_change WHERE kind = 'captured' AND class = 'intent'"
        ).fetchone()
        return int(row[0])

    def save_answer(self, answer: SavedAnswer) -> None:
        self._connection.execute(
            "INSERT INTO stripe_answer VALUES (:account_id, :key, :fingerprint, :status, :body,"
            " :request_id, :made)",
            answer.model_dump(),
        )

    def find_answer(self, account_id: str, key: str) -> SavedAnswer | None:
        row = self._connection.execute(
            "SELECT * FROM stripe_answer WHERE account_id = ? AND key = ?", (account_id, key)
        ).fetchone()
        return SavedAnswer.model_validate(dict(row)) if row else None

    def rebuild(self) -> None:
        """Throw away the latest states of what has a history, and make them again from it."""
        with self.transaction():
            self._connection.execute(
                "DELETE FROM stripe_object WHERE class IN ('intent', 'charge', 'refund', 'session')"
            )
            rows = self._connection.execute(
                "SELECT class, body FROM stripe_change WHERE seq IN"
                " (SELECT max(seq) FROM stripe_change GROUP BY object_id)"
            ).fetchall()
            for row in rows:
                self._keep(_BY_CLASS[row["class"]].model_validate_json(row["body"]), row["body"])

    def _keep(self, thing: Record, body: str) -> None:
        settles_at: datetime | None = getattr(thing, "settles_at", None)
        self._connection.execute(
            "INSERT OR REPLACE INTO stripe_object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(thing.id, _CLASSES[type(thing)], thing.account_id),
                *(getattr(thing, "intent", ""), thing.order_no),
                *(getattr(thing, "type", ""), getattr(thing, "source", "")),
                int(thing.created_at.timestamp()),
                settles_at.isoformat() if settles_at else None,
                body,
            ),
        )


def _conditions(wanted: Wanted) -> Iterator[str]:
    yield "class = :class AND created BETWEEN :created_from AND :created_until"
    for name in ("account_id", "intent", "order_no", "source"):
        if getattr(wanted, name) is not None:
            yield f"{name} = :{name}"
    if wanted.currency is not None:
        yield "body ->> 'currency' = :currency"
    if wanted.types:
        yield f"type IN ({', '.join(f':type{index}' for index in range(len(wanted.types)))})"
    if wanted.after is not None:
        yield "id < :after"
    if wanted.before is not None:
        yield "id > :before"
