"""`/v1/discrepancies`: what did not match, and what is done about it.

A repair that moves money, or decides that none moves, is proposed by one key and approved by
another. What a payment's own run can book from the statement needs nobody.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api import reconciliation_dispatch
from api.answers import as_json
from api.dependencies import ApiDependencies, Deps
from api.fields import Body, FreeText, is_id
from api.openapi import describe, problems
from api.paging import DiscrepancyQuery
from api.reconciliation_answers import (
    DiscrepancyAnswer,
    DiscrepancyDetail,
    DiscrepancyList,
    discrepancy_answer,
    discrepancy_detail,
)
from api.repair_effects import effects_of
from api.requests import invalid, parse, parse_query, read_body
from models import ages
from models.errors import Conflict, NotFound, Problem, Unavailable
from models.ids import repair_workflow_id
from models.merchant import Role
from models.reconciliation import (
    DiscrepancyStatus,
    DiscrepancyView,
    RepairAction,
    RepairDecision,
    RepairOrder,
)
from models.reconciliation_steps import repairs_of
from storage.discrepancies import (
    list_discrepancies,
    propose,
    read_discrepancy,
    read_history,
)

router = APIRouter(prefix="/v1/discrepancies", tags=["reconciliation"])

_READERS = (Role.FINANCE, Role.OPS, Role.ADMIN)
_REPAIRERS = (Role.FINANCE, Role.OPS)
_REASON_MAX = 200
_EXAMPLE = {"action": "suspense", "reason": "nobody knows this order"}


class NewRepair(Body):
    """What to do about a discrepancy; which actions fit is in its `repairs`."""

    action: Annotated[
        Literal["book", "suspense", "write_off", "dismiss"],
        Field(
            description="book: let its own run weigh the statement; the others move or settle it"
        ),
    ]
    reason: Annotated[FreeText, Field(max_length=_REASON_MAX)]


class RepairWord(Body):
    reason: Annotated[FreeText, Field(max_length=_REASON_MAX)] | None = None


@router.get(
    "",
    response_model=DiscrepancyList,
    responses=problems(422),
    openapi_extra=describe(query=DiscrepancyQuery),
)
async def list_(request: Request, deps: Deps) -> Response:
    """Discrepancies of all days, newest first (finance, ops, admin)."""
    async with deps.session(request, "list discrepancies", *_READERS) as (connection, _):
        query = parse_query(DiscrepancyQuery, request)
        found, cursor = await list_discrepancies(
            connection,
            app_id=None,
            account_id=query.account_id,
            payment_id=query.payment_id,
            class_=query.class_,
            status=query.status,
            days=ages.days_of(query.age, today=deps.clock().date()) if query.age else None,
            limit=query.limit,
            cursor=query.cursor,
        )
    items = tuple(_answer(deps, view) for view in found)
    return as_json(DiscrepancyList(items=items, next_cursor=cursor))


@router.get("/{discrepancy_id}", response_model=DiscrepancyDetail, responses=problems(404))
async def get_discrepancy(discrepancy_id: str, request: Request, deps: Deps) -> Response:
    """One discrepancy as it stands, and who did what about it (finance, ops, admin)."""
    async with deps.session(request, "read discrepancy", *_READERS) as (connection, _):
        view = _existing(await read_discrepancy(connection, _id(discrepancy_id), app_id=None))
        history = await read_history(connection, view.id)
    run_url = deps.run_url(repair_workflow_id(view.id))
    effects = effects_of(view, at=deps.clock())
    return as_json(discrepancy_detail(view, history, effects, run_url=run_url))


_REPAIR_RESPONSES = {
    202: {"model": DiscrepancyAnswer, "description": "handed over; look again"},
    **problems(400, 404, 409, 422),
}


@router.post(
    "/{discrepancy_id}/repair",
    response_model=DiscrepancyAnswer,
    responses=_REPAIR_RESPONSES,
    openapi_extra=describe(body=NewRepair, example=_EXAMPLE),
)
async def repair(discrepancy_id: str, request: Request, deps: Deps) -> Response:
    """Say what is to be done (finance, ops).

    200 and `awaiting_approval`: another key has to approve it. 202 for `book`: the payment's or
    refund's own run has been told; it books, or says why not.
    """
    raw = await read_body(request)
    async with deps.session(request, "propose repair", *_REPAIRERS) as (connection, caller):
        body = parse(NewRepair, raw)
        action = RepairAction(body.action)
        found = _existing(await read_discrepancy(connection, _id(discrepancy_id), app_id=None))
        _check(found, action)
        if action is not RepairAction.BOOK:
            found = await propose(
                connection,
                found.id,
                action=action,
                by=caller.key_id,
                reason=body.reason,
                now=deps.clock(),
            )
    order = RepairOrder(discrepancy=found, action=action)
    started = await reconciliation_dispatch.start_repair(deps.client, order)
    if action is not RepairAction.BOOK:
        return as_json(_answer(deps, found))
    if not started:
        raise Unavailable("the repair was not started; ask again")
    return as_json(_answer(deps, found), status_code=202)


@router.post(
    "/{discrepancy_id}/approve",
    response_model=DiscrepancyAnswer,
    responses=_REPAIR_RESPONSES,
    openapi_extra=describe(body=RepairWord, example={"reason": "seen the order"}),
)
async def approve(discrepancy_id: str, request: Request, deps: Deps) -> Response:
    """Let a proposed repair be booked (finance, ops; not the key that proposed it: `same-person`).

    409 `invalid-state` when it waits for no approval.
    """
    return await _decide(discrepancy_id, request, deps, is_approved=True)


@router.post(
    "/{discrepancy_id}/reject",
    response_model=DiscrepancyAnswer,
    responses=_REPAIR_RESPONSES,
    openapi_extra=describe(body=RepairWord, example={"reason": "look again first"}),
)
async def reject(discrepancy_id: str, request: Request, deps: Deps) -> Response:
    """Leave the discrepancy open; nothing is booked (finance, ops; not the proposing key)."""
    return await _decide(discrepancy_id, request, deps, is_approved=False)


async def _decide(
    discrepancy_id: str, request: Request, deps: ApiDependencies, *, is_approved: bool
) -> Response:
    raw = await read_body(request)
    async with deps.session(request, "read discrepancy", *_REPAIRERS) as (connection, caller):
        body = parse(RepairWord, raw)
        found = _existing(await read_discrepancy(connection, _id(discrepancy_id), app_id=None))
    if is_approved and found.decided_by == caller.key_id:
        return as_json(_answer(deps, found))  # the same word again
    if found.status is not DiscrepancyStatus.AWAITING_APPROVAL or found.action is None:
        raise Conflict(f"the discrepancy is {found.status}", code="invalid-state")
    if found.proposed_by == caller.key_id:
        raise Conflict("somebody else has to decide on this repair", code="same-person")
    decision = RepairDecision(
        decided_by=caller.key_id, is_approved=is_approved, reason=body.reason or ""
    )
    end = await reconciliation_dispatch.decide_repair(
        deps.client,
        RepairOrder(discrepancy=found, action=found.action),
        decision,
        within=deps.options.initiation_timeout,
    )
    async with deps.database.transaction("read discrepancy") as connection:
        after = _existing(await read_discrepancy(connection, found.id, app_id=None))
    return as_json(_answer(deps, after), status_code=200 if end else 202)


def _check(found: DiscrepancyView, action: RepairAction) -> None:
    fitting = repairs_of(found)
    if not fitting:
        raise Conflict(f"the discrepancy is {found.status}", code="invalid-state")
    if action not in fitting:
        detail = f"what can be done about it now is: {', '.join(sorted(fitting))}"
        raise invalid(Problem(pointer="#/action", code="not-a-choice", detail=detail))


def _id(discrepancy_id: str) -> str:
    if not is_id("dis", discrepancy_id):
        raise NotFound("there is no such discrepancy")
    return discrepancy_id


def _existing(view: DiscrepancyView | None) -> DiscrepancyView:
    if view is None:
        raise NotFound("there is no such discrepancy")
    return view


def _answer(deps: ApiDependencies, view: DiscrepancyView) -> DiscrepancyAnswer:
    return discrepancy_answer(view, run_url=deps.run_url(repair_workflow_id(view.id)))
