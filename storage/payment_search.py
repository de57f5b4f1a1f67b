"""Finding payments. However many there are, a page reads a bounded number of rows.

A number is looked up by the indexes of the things that have one. Filters with an index of their own
narrow the walk from the newest payment backwards; the others (method, channel, amount) are looked
at on the way, on so many payments a page: then the page ends, perhaps short, with a cursor.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, func, literal, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from models.search import PaymentSearch
from models.tables.payments import ATTEMPT, PAYMENT
from models.views import Page, PaymentView
from storage.paging import Cursor
from storage.payment_rows import VIEW_QUERY, to_view

Columns: TypeAlias = ReadOnlyColumnCollection[str, Any]

_TRIED = ATTEMPT.alias("tried")

# What one page looks at, where a filter has no index: some tens of milliseconds.
SCANNED_MAX = 25_000
# A number names one payment of an app; as many apps may use the same order number.
_NAMED_MAX = 200

# In one array, so that the planner takes the payments by their key whatever their number.
_NAMED = text(f"""
SELECT id FROM (
    SELECT id FROM payment WHERE id = :number
    UNION SELECT payment_id FROM attempt WHERE id = 'att_' || :number
    UNION SELECT payment_id FROM refund WHERE id IN (:number, 'ref_' || :number)
    UNION (SELECT id FROM payment WHERE order_no = :number LIMIT {_NAMED_MAX})
    UNION (SELECT payment_id FROM attempt WHERE channel_reference = :number LIMIT {_NAMED_MAX})
) AS named LIMIT {_NAMED_MAX}
""")  # noqa: S608  # put together from our own text alone


async def search_payments(
    connection: AsyncConnection,
    search: PaymentSearch,
    *,
    limit: int,
    cursor: str | None,
    scanned_max: int = SCANNED_MAX,
) -> Page:
    """One page, newest first. Raises InvalidRequest for a cursor that is not ours.

    A page may be short, or empty, and have a `next_cursor` still: what is older was not looked at.
    """
    where = [*_indexed(search), *_after(cursor)]
    if search.number is not None:
        named = await connection.scalars(_NAMED, {"number": search.number})
        where = [*where, PAYMENT.c.id.in_(list(named)), *_unindexed(search, PAYMENT.c)]
    elif _unindexed(search, PAYMENT.c):
        return await _walk(connection, search, where, limit=limit, scanned_max=scanned_max)
    query = VIEW_QUERY.where(*where).order_by(*_NEWEST).limit(limit + 1)
    views = [to_view(row) for row in (await connection.execute(query)).mappings()]
    return _page(tuple(views), limit=limit)


async def views_of(connection: AsyncConnection, ids: Sequence[str]) -> tuple[PaymentView, ...]:
    """These payments, in the order of `ids`."""
    rows = await connection.execute(VIEW_QUERY.where(PAYMENT.c.id.in_(list(ids))))
    views = {row["id"]: to_view(row) for row in rows.mappings()}
    return tuple(views[identifier] for identifier in ids if identifier in views)


async def _walk(
    connection: AsyncConnection,
    search: PaymentSearch,
    where: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    scanned_max: int,
) -> Page:
    """Look at the newest that `where` leaves, up to a bound, and keep those that fit all."""
    scanned = (
        select(PAYMENT.c.id, PAYMENT.c.created_at, PAYMENT.c.method, PAYMENT.c.amount_minor)
        .where(*where)
        .order_by(*_NEWEST)
        .limit(scanned_max)
        .subquery()
    )
    fitting = (
        select(scanned.c.id)
        .where(*_unindexed(search, scanned.c))
        .order_by(scanned.c.created_at.desc(), scanned.c.id.desc())
        .limit(limit + 1)
    )
    ids = (await connection.scalars(fitting)).all()
    page = _page(await views_of(connection, ids), limit=limit)
    if page.next_cursor is not None:
        return page
    total = func.count().over()
    oldest = select(scanned.c.created_at, scanned.c.id, total.label("looked_at")).order_by(
        scanned.c.created_at, scanned.c.id
    )
    end = (await connection.execute(oldest.limit(1))).one_or_none()
    if end is None or end.looked_at < scanned_max:
        return page
    cursor = Cursor(created_at=end.created_at, id=end.id)
    return page.model_copy(update={"next_cursor": str(cursor)})


_NEWEST = (PAYMENT.c.created_at.desc(), PAYMENT.c.id.desc())


def _indexed(search: PaymentSearch) -> list[ColumnElement[bool]]:
    """What an index of payments narrows, in the order of time."""
    wanted = {
        PAYMENT.c.app_id: search.app_id,
        PAYMENT.c.merchant_id: search.merchant_id,
        PAYMENT.c.order_no: search.order_no,
    }
    where = [column == value for column, value in wanted.items() if value is not None]
    if search.status is not None:
        # As a word of the statement: an index of part of the statuses fits no parameter.
        status = literal(search.status.value, literal_execute=True)
        where.append(PAYMENT.c.status == status)
    if search.created_from is not None:
        where.append(PAYMENT.c.created_at >= search.created_from)
    if search.created_to is not None:
        where.append(PAYMENT.c.created_at < search.created_to)
    return where


def _unindexed(search: PaymentSearch, payment: Columns) -> list[ColumnElement[bool]]:
    """What is looked at on the way. A payment has every method and channel that it was tried by."""
    where: list[ColumnElement[bool]] = []
    tried = select(_TRIED.c.id).where(_TRIED.c.payment_id == payment.id)
    if search.method is not None:
        by_method = tried.where(_TRIED.c.method == search.method).exists()
        where.append(or_(payment.method == search.method, by_method))
    if search.channel is not None:
        where.append(tried.where(_TRIED.c.channel == search.channel).exists())
    if search.amount_minor is not None:
        where.append(payment.amount_minor == search.amount_minor)
    return where


def _after(cursor: str | None) -> list[ColumnElement[bool]]:
    if cursor is None:
        return []
    last = Cursor.parse(cursor)
    return [tuple_(PAYMENT.c.created_at, PAYMENT.c.id) < (last.created_at, last.id)]


def _page(found: tuple[PaymentView, ...], *, limit: int) -> Page:
    if len(found) <= limit:
        return Page(payments=found, next_cursor=None)
    end = found[limit - 1]
    cursor = Cursor(created_at=end.created_at, id=end.id)
    return Page(payments=found[:limit], next_cursor=str(cursor))
