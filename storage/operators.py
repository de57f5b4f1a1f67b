"""People who work in the console, their sessions, and who has to wait before the next login."""

from datetime import datetime, timedelta

from pydantic import Field
from sqlalchemy import Row, Select, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.channel import Frozen
from models.errors import Conflict
from models.operator import Operator, OperatorSession
from models.tables.operators import LOGIN_FAILURE, OPERATOR, OPERATOR_SESSION

_COLUMNS = tuple(column for column in OPERATOR.c if column is not OPERATOR.c.password_hash)
_SESSION: Select[tuple[object, ...]] = (
    select(
        *_COLUMNS,
        OPERATOR_SESSION.c.token_hash,
        OPERATOR_SESSION.c.csrf_token,
        OPERATOR_SESSION.c.flash,
        OPERATOR_SESSION.c.created_at.label("began_at"),
        OPERATOR_SESSION.c.last_seen_at,
        OPERATOR_SESSION.c.expires_at,
    )
    .join(OPERATOR, OPERATOR.c.id == OPERATOR_SESSION.c.operator_id)
    .where(OPERATOR.c.disabled_at.is_(None))
)


class Credential(Frozen):
    """A person with the hash of their password."""

    operator: Operator
    password_hash: str = Field(repr=False)


async def create_operator(
    connection: AsyncConnection, operator: Operator, password_hash: str
) -> None:
    """Raises Conflict when the login is taken."""
    values = operator.model_dump() | {"password_hash": password_hash}
    try:
        await connection.execute(insert(OPERATOR).values(**values))
    except IntegrityError as error:
        raise Conflict("this login is taken", code="login-taken") from error


async def read_operator(connection: AsyncConnection, operator_id: str) -> Operator | None:
    found = await connection.execute(select(*_COLUMNS).where(OPERATOR.c.id == operator_id))
    row = found.one_or_none()
    return _operator(row) if row else None


async def find_credential(connection: AsyncConnection, login: str) -> Credential | None:
    found = await connection.execute(select(OPERATOR).where(OPERATOR.c.login == login))
    row = found.one_or_none()
    return Credential(operator=_operator(row), password_hash=row.password_hash) if row else None


async def list_operators(
    connection: AsyncConnection, *, limit: int, after: str | None
) -> tuple[Operator, ...]:
    """In the order in which they were made; `after` is the id of the last one seen."""
    query = select(*_COLUMNS).order_by(OPERATOR.c.id).limit(limit)
    if after is not None:
        query = query.where(OPERATOR.c.id > after)
    return tuple(_operator(row) for row in await connection.execute(query))


async def set_disabled(
    connection: AsyncConnection, operator_id: str, disabled_at: datetime | None
) -> Operator | None:
    """Shut a person out, or with None let them in again. None when there is no such person."""
    result = await connection.execute(
        update(OPERATOR)
        .where(OPERATOR.c.id == operator_id)
        .values(disabled_at=disabled_at)
        .returning(*_COLUMNS)
    )
    row = result.one_or_none()
    if row is not None and disabled_at is not None:
        await end_sessions(connection, operator_id)
    return _operator(row) if row else None


async def set_password(
    connection: AsyncConnection, operator_id: str, password_hash: str, *, must_change: bool
) -> Operator | None:
    """A new password; every session of the person ends. None when there is no such person."""
    result = await connection.execute(
        update(OPERATOR)
        .where(OPERATOR.c.id == operator_id)
        .values(password_hash=password_hash, must_change=must_change)
        .returning(*_COLUMNS)
    )
    row = result.one_or_none()
    if row is not None:
        await end_sessions(connection, operator_id)
    return _operator(row) if row else None


async def replace_hash(
    connection: AsyncConnection, operator_id: str, *, former: str, password_hash: str
) -> None:
    """The same password under another hash, unless it was changed meanwhile. Sessions stay."""
    await connection.execute(
        update(OPERATOR)
        .where(OPERATOR.c.id == operator_id, OPERATOR.c.password_hash == former)
        .values(password_hash=password_hash)
    )


# ---- sessions ---------------------------------------------------------------------------------


async def open_session(connection: AsyncConnection, session: OperatorSession) -> None:
    """Keep a new session, and let go of all that are over."""
    now = session.created_at
    await connection.execute(delete(OPERATOR_SESSION).where(OPERATOR_SESSION.c.expires_at <= now))
    await connection.execute(
        insert(OPERATOR_SESSION).values(
            operator_id=session.operator.id,
            **session.model_dump(exclude={"operator", "flash"}),
        )
    )


async def read_session(
    connection: AsyncConnection, token_hash: bytes, *, now: datetime, idle: timedelta
) -> OperatorSession | None:
    """The session if it lives: not over, not idle for too long, and its person not shut out."""
    found = await connection.execute(
        _SESSION.where(
            OPERATOR_SESSION.c.token_hash == token_hash,
            OPERATOR_SESSION.c.expires_at > now,
            OPERATOR_SESSION.c.last_seen_at > now - idle,
        )
    )
    row = found.one_or_none()
    return _session(row) if row else None


async def list_sessions(
    connection: AsyncConnection, operator_id: str, *, now: datetime
) -> tuple[OperatorSession, ...]:
    """A person's sessions, the newest first. A person has a handful."""
    found = await connection.execute(
        _SESSION.where(OPERATOR.c.id == operator_id, OPERATOR_SESSION.c.expires_at > now)
        .order_by(OPERATOR_SESSION.c.created_at.desc())
        .limit(50)
    )
    return tuple(_session(row) for row in found)


async def touch_session(connection: AsyncConnection, token_hash: bytes, now: datetime) -> None:
    await _change_session(connection, token_hash, last_seen_at=now)


async def set_flash(
    connection: AsyncConnection, token_hash: bytes, messages: tuple[str, ...]
) -> None:
    """What the next page of this session says once; empty forgets it."""
    await _change_session(connection, token_hash, flash=list(messages) or None)


async def end_session(connection: AsyncConnection, token_hash: bytes) -> None:
    await connection.execute(
        delete(OPERATOR_SESSION).where(OPERATOR_SESSION.c.token_hash == token_hash)
    )


async def end_sessions(connection: AsyncConnection, operator_id: str) -> None:
    """End all of a person's sessions."""
    await connection.execute(
        delete(OPERATOR_SESSION).where(OPERATOR_SESSION.c.operator_id == operator_id)
    )


async def _change_session(connection: AsyncConnection, token_hash: bytes, **values: object) -> None:
    await connection.execute(
        update(OPERATOR_SESSION).where(OPERATOR_SESSION.c.token_hash == token_hash).values(**values)
    )


# ---- waiting after wrong passwords --------------------------------------------------------------

# Each failure above the free ones doubles the wait. What is old is forgotten.
_FAIL = text("""
INSERT INTO login_failure AS known (subject, failures, wait_until, last_at)
VALUES (:subject, 1, CAST(:now AS timestamptz), CAST(:now AS timestamptz))
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN known.last_at < excluded.last_at - interval '1 hour' THEN 1
                    ELSE known.failures + 1 END,
    last_at = excluded.last_at,
    wait_until = CASE
        WHEN known.last_at < excluded.last_at - interval '1 hour' OR known.failures < :free
        THEN excluded.last_at
        ELSE excluded.last_at + least(
            interval '15 minutes', interval '1 second' * (2 ^ least(known.failures - :free, 20)))
    END
""")


async def record_failure(
    connection: AsyncConnection, subject: str, *, now: datetime, free: int
) -> None:
    """Count a wrong password; after `free` of them the next try has to wait, ever longer."""
    await connection.execute(_FAIL, {"subject": subject, "now": now, "free": free})


async def forget_failures(
    connection: AsyncConnection, subject: str, *, older_than: datetime
) -> None:
    """After a right password: those of its login, and of anybody those that are old."""
    known = LOGIN_FAILURE.c
    await connection.execute(
        delete(LOGIN_FAILURE).where((known.subject == subject) | (known.last_at < older_than))
    )


async def waits_until(
    connection: AsyncConnection, subjects: tuple[str, ...], *, now: datetime
) -> datetime | None:
    """Until when the next try has to wait; None when it need not."""
    found: datetime | None = await connection.scalar(
        select(LOGIN_FAILURE.c.wait_until)
        .where(LOGIN_FAILURE.c.subject.in_(subjects), LOGIN_FAILURE.c.wait_until > now)
        .order_by(LOGIN_FAILURE.c.wait_until.desc())
        .limit(1)
    )
    return found


def _operator(row: Row[tuple[object, ...]]) -> Operator:
    shown = {name: row._mapping[name] for name in Operator.model_fields}
    return Operator.model_validate(shown)


def _session(row: Row[tuple[object, ...]]) -> OperatorSession:
    values = row._mapping
    return OperatorSession(
        operator=_operator(row),
        token_hash=values["token_hash"],
        csrf_token=values["csrf_token"],
        flash=tuple(values["flash"] or ()),
        created_at=values["began_at"],
        last_seen_at=values["last_seen_at"],
        expires_at=values["expires_at"],
    )
