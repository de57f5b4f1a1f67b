"""Reconciliations: one row for each account and business day, whatever the number of runs."""

from datetime import date, datetime

from sqlalchemy import RowMapping, Select, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import Conflict, InvariantBroken, NotFound
from models.reconciliation import (
    DiscrepancyStatus,
    ReconciliationOrder,
    ReconciliationStatus,
    ReconciliationView,
    RecordedReconciliation,
    RunResult,
    StatementFacts,
    StatementSource,
)
from models.tables.reconciliation import DISCREPANCY, RECONCILIATION
from storage.paging import Cursor

_UNRESOLVED = (
    select(func.count())
    .select_from(DISCREPANCY)
    .where(
        DISCREPANCY.c.reconciliation_id == RECONCILIATION.c.id,
        DISCREPANCY.c.status != DiscrepancyStatus.RESOLVED,
    )
    .scalar_subquery()
)
_VIEW: Select[tuple[object, ...]] = select(RECONCILIATION, _UNRESOLVED.label("unresolved"))


async def record_reconciliation(
    connection: AsyncConnection, order: ReconciliationOrder, *, now: datetime
) -> RecordedReconciliation:
    """Write an account's day down, or give back the one that is there."""
    made = await connection.execute(
        insert(RECONCILIATION)
        .values(
            id=order.reconciliation_id,
            status=ReconciliationStatus.RUNNING,
            runs=0,
            created_at=now,
            **order.model_dump(exclude={"reconciliation_id"}),
        )
        .on_conflict_do_nothing(constraint="reconciliation_once_a_day")
    )
    found = await connection.execute(
        select(RECONCILIATION).where(
            RECONCILIATION.c.account_id == order.account_id,
            RECONCILIATION.c.business_day == order.business_day,
        )
    )
    return _to_recorded(found.mappings().one(), is_new=made.rowcount == 1)


async def begin_run(connection: AsyncConnection, reconciliation_id: str) -> int:
    """Count a run and say that it is under way. Raises Conflict for a day that is signed off."""
    runs = await connection.scalar(
        update(RECONCILIATION)
        .where(
            RECONCILIATION.c.id == reconciliation_id,
            RECONCILIATION.c.status != ReconciliationStatus.SIGNED_OFF,
        )
        .values(
            status=ReconciliationStatus.RUNNING,
            runs=RECONCILIATION.c.runs + 1,
            failure_code=None,
            failure_detail=None,
            finished_at=None,
        )
        .returning(RECONCILIATION.c.runs)
    )
    if runs is None:
        raise Conflict("the day is signed off", code="invalid-state")
    return int(runs)


async def fail_run(
    connection: AsyncConnection, reconciliation_id: str, *, code: str, detail: str, now: datetime
) -> None:
    """End a run without a result; that of an earlier one stays."""
    await connection.execute(
        update(RECONCILIATION)
        .where(
            RECONCILIATION.c.id == reconciliation_id,
            RECONCILIATION.c.status != ReconciliationStatus.SIGNED_OFF,
        )
        .values(
            status=ReconciliationStatus.FAILED,
            failure_code=code,
            failure_detail=detail,
            finished_at=now,
        )
    )


async def sign_off(
    connection: AsyncConnection, reconciliation_id: str, *, by: str, now: datetime
) -> ReconciliationView:
    """Finance's word that the day is done; the same again is the same.

    Raises Conflict `invalid-state` while a run is under way or failed, and `discrepancies-open`
    while something of the day is unresolved.
    """
    view = await read_reconciliation(connection, reconciliation_id, app_id=None, lock=True)
    if view is None:
        raise NotFound("there is no such reconciliation")
    if view.status is ReconciliationStatus.SIGNED_OFF:
        return view
    if view.unresolved:
        detail = f"{view.unresolved} discrepancies of the day are not resolved"
        raise Conflict(detail, code="discrepancies-open")
    if view.status not in (ReconciliationStatus.BALANCED, ReconciliationStatus.DISCREPANCIES):
        raise Conflict(f"the day is {view.status}", code="invalid-state")
    await connection.execute(
        update(RECONCILIATION)
        .where(RECONCILIATION.c.id == reconciliation_id)
        .values(status=ReconciliationStatus.SIGNED_OFF, signed_off_by=by, signed_off_at=now)
    )
    signed = await read_reconciliation(connection, reconciliation_id, app_id=None)
    if signed is None:
        raise InvariantBroken(f"{reconciliation_id} was there a moment ago")
    return signed


async def read_reconciliation(
    connection: AsyncConnection, reconciliation_id: str, *, app_id: str | None, lock: bool = False
) -> ReconciliationView | None:
    """One account's day; `app_id` None looks in every app."""
    query = _of_app(_VIEW, app_id).where(RECONCILIATION.c.id == reconciliation_id)
    if lock:
        query = query.with_for_update(of=RECONCILIATION)
    row = (await connection.execute(query)).mappings().one_or_none()
    return _to_view(row) if row else None


async def read_order(
    connection: AsyncConnection, reconciliation_id: str
) -> RecordedReconciliation | None:
    found = await connection.execute(
        select(RECONCILIATION).where(RECONCILIATION.c.id == reconciliation_id)
    )
    row = found.mappings().one_or_none()
    return _to_recorded(row, is_new=False) if row else None


async def list_reconciliations(  # noqa: PLR0913  # one filter each
    connection: AsyncConnection,
    *,
    app_id: str | None,
    account_id: str | None,
    business_day: date | None = None,
    status: ReconciliationStatus | None,
    limit: int,
    cursor: str | None,
) -> tuple[tuple[ReconciliationView, ...], str | None]:
    """One page, latest day first, and the next cursor. Raises InvalidRequest for a bad one."""
    columns = RECONCILIATION.c
    query = _of_app(_VIEW, app_id).order_by(columns.created_at.desc(), columns.id.desc())
    if account_id is not None:
        query = query.where(columns.account_id == account_id)
    if business_day is not None:
        query = query.where(columns.business_day == business_day)
    if status is not None:
        query = query.where(columns.status == status)
    if cursor is not None:
        last = Cursor.parse(cursor)
        query = query.where(tuple_(columns.created_at, columns.id) < (last.created_at, last.id))
    rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
    views = tuple(_to_view(row) for row in rows[:limit])
    if len(rows) <= limit:
        return views, None
    end = views[-1]
    return views, str(Cursor(created_at=end.created_at, id=end.id))


# A run that was begun and is not finished, though nothing of it moved for long: it may have to be
# started again (its order was written down and the process died, say).
_UNFINISHED = text("""
SELECT * FROM reconciliation WHERE status = 'running' AND runs = 0 AND created_at < :created_before
ORDER BY created_at LIMIT :limit
""")


async def unstarted_reconciliations(
    connection: AsyncConnection, *, created_before: datetime, limit: int
) -> tuple[ReconciliationOrder, ...]:
    """Days that were ordered and never begun, oldest first."""
    rows = await connection.execute(_UNFINISHED, {"created_before": created_before, "limit": limit})
    return tuple(_to_order(row) for row in rows.mappings())


def _of_app(query: Select[tuple[object, ...]], app_id: str | None) -> Select[tuple[object, ...]]:
    return query if app_id is None else query.where(RECONCILIATION.c.app_id == app_id)


def _to_order(row: RowMapping) -> ReconciliationOrder:
    return ReconciliationOrder(
        reconciliation_id=row["id"],
        account_id=row["account_id"],
        app_id=row["app_id"],
        channel=row["channel"],
        business_day=row["business_day"],
        timezone=row["timezone"],
        requested_by=row["requested_by"],
    )


def _to_recorded(row: RowMapping, *, is_new: bool) -> RecordedReconciliation:
    return RecordedReconciliation(
        order=_to_order(row),
        status=ReconciliationStatus(row["status"]),
        runs=row["runs"],
        is_new=is_new,
    )


def _to_view(row: RowMapping) -> ReconciliationView:
    return ReconciliationView(
        id=row["id"],
        account_id=row["account_id"],
        app_id=row["app_id"],
        channel=row["channel"],
        business_day=row["business_day"],
        timezone=row["timezone"],
        status=ReconciliationStatus(row["status"]),
        runs=row["runs"],
        statement=_to_facts(row),
        result=RunResult.model_validate(row["result"]) if row["result"] else None,
        unresolved=row["unresolved"],
        failure_code=row["failure_code"],
        failure_detail=row["failure_detail"],
        requested_by=row["requested_by"],
        signed_off_by=row["signed_off_by"],
        signed_off_at=row["signed_off_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )


def _to_facts(row: RowMapping) -> StatementFacts | None:
    if row["statement_source"] is None:
        return None
    return StatementFacts(
        source=StatementSource(row["statement_source"]),
        sha256=row["statement_sha256"] or "",
        bytes=row["statement_bytes"] or 0,
    )
