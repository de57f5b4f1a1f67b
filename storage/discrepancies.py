"""Discrepancies: looked at, proposed to be repaired, decided on by a second person, resolved.

Every move is a compare-and-set on the version and leaves a row of history.
"""

from datetime import date, datetime

from sqlalchemy import RowMapping, Select, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.errors import Conflict, NotFound
from models.ledger import LedgerTransaction
from models.reconciliation import (
    DiscrepancyClass,
    DiscrepancyMove,
    DiscrepancyStatus,
    DiscrepancyView,
    LineKind,
    RepairAction,
    RepairDecision,
    RepairOrder,
)
from models.tables.reconciliation import DISCREPANCY, DISCREPANCY_TRANSITION
from storage.ledger import post
from storage.paging import Cursor

_COLUMNS = DISCREPANCY.c


async def read_discrepancy(
    connection: AsyncConnection, discrepancy_id: str, *, app_id: str | None, lock: bool = False
) -> DiscrepancyView | None:
    """One discrepancy; `app_id` None looks in every app."""
    query = _of_app(app_id).where(_COLUMNS.id == discrepancy_id)
    if lock:
        query = query.with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    return _to_view(row) if row else None


async def list_discrepancies(  # noqa: PLR0913  # one filter each
    connection: AsyncConnection,
    *,
    app_id: str | None,
    reconciliation_id: str | None = None,
    account_id: str | None = None,
    payment_id: str | None = None,
    class_: DiscrepancyClass | None = None,
    status: DiscrepancyStatus | None = None,
    days: tuple[date, date] | None = None,
    limit: int,
    cursor: str | None,
) -> tuple[tuple[DiscrepancyView, ...], str | None]:
    """One page, newest first, and the next cursor. Raises InvalidRequest for a bad one.

    `days`: only what is not resolved, of the days from the first up to and with the second.
    """
    query = _of_app(app_id).order_by(_COLUMNS.created_at.desc(), _COLUMNS.id.desc())
    wanted = {
        _COLUMNS.reconciliation_id: reconciliation_id,
        _COLUMNS.account_id: account_id,
        _COLUMNS.payment_id: payment_id,
        _COLUMNS.class_: class_,
        _COLUMNS.status: status,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if days is not None:
        query = query.where(
            _COLUMNS.status != DiscrepancyStatus.RESOLVED, _COLUMNS.business_day.between(*days)
        )
    if cursor is not None:
        last = Cursor.parse(cursor)
        query = query.where(tuple_(_COLUMNS.created_at, _COLUMNS.id) < (last.created_at, last.id))
    rows = (await connection.execute(query.limit(limit + 1))).mappings().all()
    views = tuple(_to_view(row) for row in rows[:limit])
    if len(rows) <= limit:
        return views, None
    end = views[-1]
    return views, str(Cursor(created_at=end.created_at, id=end.id))


async def bookable(
    connection: AsyncConnection, reconciliation_id: str, *, limit: int
) -> tuple[DiscrepancyView, ...]:
    """What a run can repair by itself: the statement says done, and our own run is not there yet.

    The line is evidence for the payment's or refund's own run; nothing is booked beside it.
    """
    query = (
        select(DISCREPANCY)
        .where(
            _COLUMNS.reconciliation_id == reconciliation_id,
            _COLUMNS.class_ == DiscrepancyClass.STATUS_DIFF,
            _COLUMNS.status == DiscrepancyStatus.OPEN,
        )
        .order_by(_COLUMNS.id)
        .limit(limit)
    )
    rows = (await connection.execute(query)).mappings()
    return tuple(_to_view(row) for row in rows)


async def read_history(
    connection: AsyncConnection, discrepancy_id: str
) -> tuple[DiscrepancyMove, ...]:
    """Every move of a discrepancy, from the run that found it on."""
    history = DISCREPANCY_TRANSITION.c
    rows = await connection.execute(
        select(
            history.version,
            history.from_status,
            history.to_status,
            history.by,
            history.detail,
            history.at,
        )
        .where(history.discrepancy_id == discrepancy_id)
        .order_by(history.version)
    )
    return tuple(DiscrepancyMove.model_validate(dict(row)) for row in rows.mappings())


# ---- moves ------------------------------------------------------------------------------------


async def propose(
    connection: AsyncConnection,
    discrepancy_id: str,
    *,
    action: RepairAction,
    by: str,
    reason: str,
    now: datetime,
) -> DiscrepancyView:
    """A first person says what to do. Raises NotFound, or Conflict when it is not open."""
    found = await _locked(connection, discrepancy_id)
    if found.status not in (DiscrepancyStatus.OPEN, DiscrepancyStatus.CARRIED):
        raise Conflict(f"the discrepancy is {found.status}", code="invalid-state")
    values = {"action": action, "proposed_by": by, "reason": reason, "decided_by": None}
    return await _move(
        connection,
        found,
        DiscrepancyStatus.AWAITING_APPROVAL,
        by=by,
        detail=f"{action}: {reason}",
        now=now,
        **values,
    )


async def decide(
    connection: AsyncConnection, discrepancy_id: str, decision: RepairDecision, *, now: datetime
) -> DiscrepancyView:
    """A second person approves or rejects.

    Raises NotFound, Conflict `same-person` or, when it waits for no decision, `invalid-state`. The
    same decision by the same person again gives what it gave.
    """
    found = await _locked(connection, discrepancy_id)
    if found.decided_by == decision.decided_by and decision.is_approved and found.action:
        return found
    if found.status is not DiscrepancyStatus.AWAITING_APPROVAL:
        raise Conflict(f"the discrepancy is {found.status}", code="invalid-state")
    if found.proposed_by == decision.decided_by:
        raise Conflict("somebody else has to decide", code="same-person")
    if decision.is_approved:
        return await _move(
            connection,
            found,
            DiscrepancyStatus.APPROVED,
            by=decision.decided_by,
            detail=f"approved: {decision.reason}",
            now=now,
            decided_by=decision.decided_by,
        )
    return await _move(
        connection,
        found,
        DiscrepancyStatus.OPEN,
        by=decision.decided_by,
        detail=f"rejected: {decision.reason}",
        now=now,
        action=None,
        proposed_by=None,
        reason=None,
    )


async def resolve(
    connection: AsyncConnection,
    discrepancy_id: str,
    *,
    resolution: str,
    by: str,
    ledger_transaction: LedgerTransaction | None,
    now: datetime,
) -> bool:
    """End it, with the entries that go with it, in the caller's transaction.

    False when it was resolved before. Raises InvariantBroken when something else was booked for it.
    """
    found = await _locked(connection, discrepancy_id)
    if found.status is DiscrepancyStatus.RESOLVED:
        return False
    if ledger_transaction is not None:
        await post(connection, ledger_transaction)
    await _move(
        connection,
        found,
        DiscrepancyStatus.RESOLVED,
        by=by,
        detail=resolution,
        now=now,
        resolution=resolution,
    )
    return True


_RESETTLE = text("""
UPDATE reconciliation SET status = CASE
    WHEN EXISTS (SELECT FROM discrepancy WHERE discrepancy.reconciliation_id = reconciliation.id
                 AND discrepancy.status <> 'resolved') THEN 'discrepancies' ELSE 'balanced' END
WHERE id = :reconciliation_id AND status IN ('balanced', 'discrepancies')
""")


async def resettle(connection: AsyncConnection, reconciliation_id: str) -> None:
    """Say anew whether the day balances, after some of it was resolved."""
    await connection.execute(_RESETTLE, {"reconciliation_id": reconciliation_id})


async def approved_repairs(connection: AsyncConnection, *, limit: int) -> tuple[RepairOrder, ...]:
    """Repairs that were approved and not carried out: their runs may not have been started."""
    query = (
        select(DISCREPANCY)
        .where(_COLUMNS.status == DiscrepancyStatus.APPROVED)
        .order_by(_COLUMNS.updated_at)
        .limit(limit)
    )
    views = [_to_view(row) for row in (await connection.execute(query)).mappings()]
    return tuple(RepairOrder(discrepancy=view, action=view.action) for view in views if view.action)


async def _locked(connection: AsyncConnection, discrepancy_id: str) -> DiscrepancyView:
    found = await read_discrepancy(connection, discrepancy_id, app_id=None, lock=True)
    if found is None:
        raise NotFound("there is no such discrepancy")
    return found


async def _move(  # a move and its history
    connection: AsyncConnection,
    found: DiscrepancyView,
    status: DiscrepancyStatus,
    *,
    by: str,
    detail: str,
    now: datetime,
    **values: str | None,
) -> DiscrepancyView:
    row = await connection.execute(
        update(DISCREPANCY)
        .where(_COLUMNS.id == found.id, _COLUMNS.version == found.version)
        .values(status=status, version=found.version + 1, updated_at=now, **values)
        .returning(*_COLUMNS)
    )
    moved = _to_view(row.mappings().one())
    await connection.execute(
        insert(DISCREPANCY_TRANSITION).values(
            discrepancy_id=found.id,
            version=moved.version,
            app_id=found.app_id,
            from_status=found.status,
            to_status=status,
            by=by,
            detail=detail,
            at=now,
        )
    )
    return moved


# ---- rows -------------------------------------------------------------------------------------


def _of_app(app_id: str | None) -> Select[tuple[object, ...]]:
    query: Select[tuple[object, ...]] = select(DISCREPANCY)
    return query if app_id is None else query.where(_COLUMNS.app_id == app_id)


def _to_view(row: RowMapping) -> DiscrepancyView:
    day: date = row["business_day"]
    return DiscrepancyView(
        id=row["id"],
        reconciliation_id=row["reconciliation_id"],
        account_id=row["account_id"],
        app_id=row["app_id"],
        channel=row["channel"],
        business_day=day,
        class_=DiscrepancyClass(row["class"]),
        kind=LineKind(row["kind"]),
        serial=row["serial"],
        refund_serial=row["refund_serial"],
        channel_reference=row["channel_reference"],
        payment_id=row["payment_id"],
        refund_id=row["refund_id"],
        currency=row["currency"],
        line_minor=row["line_minor"],
        ours_minor=row["ours_minor"],
        fee_minor=row["fee_minor"],
        occurred_at=row["occurred_at"],
        detail=row["detail"],
        status=DiscrepancyStatus(row["status"]),
        version=row["version"],
        resolution=row["resolution"],
        action=RepairAction(row["action"]) if row["action"] else None,
        reason=row["reason"],
        proposed_by=row["proposed_by"],
        decided_by=row["decided_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
