"""`/v1/queues`: what does not go on by itself as it should, the longest waiting first."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from api.answers import PaymentList, as_json, payment_detail
from api.dependencies import ApiDependencies, Deps
from api.openapi import describe, problems
from api.paging import PageQuery
from api.requests import parse_query
from models.ids import payment_workflow_id
from models.merchant import Role
from models.search import PaymentQueue, Queues
from storage.queues import count_queues, list_queue

router = APIRouter(prefix="/v1/queues", tags=["queues"])

_READERS = (Role.OPS, Role.FINANCE, Role.ADMIN)
_PAGE = describe(query=PageQuery)
_PROBLEMS = problems(422)


class QueuesAnswer(Queues):
    object: Literal["queues"] = "queues"


@router.get("", response_model=QueuesAnswer, responses=problems())
async def get_queues(request: Request, deps: Deps) -> Response:
    """How many wait in each queue, and since when (ops, finance, admin)."""
    async with deps.session(request, "count queues", *_READERS) as (connection, _):
        found = await count_queues(connection, now=deps.clock())
    return as_json(QueuesAnswer(**found.model_dump()))


@router.get("/unknown", response_model=PaymentList, responses=_PROBLEMS, openapi_extra=_PAGE)
async def list_unknown(request: Request, deps: Deps) -> Response:
    """Payments whose channel has not told whether money moved; their runs go on asking."""
    return await _list(request, deps, PaymentQueue.UNKNOWN)


@router.get("/review", response_model=PaymentList, responses=_PROBLEMS, openapi_extra=_PAGE)
async def list_review(request: Request, deps: Deps) -> Response:
    """Payments a person has to look at: every road to an answer was tried."""
    return await _list(request, deps, PaymentQueue.REVIEW)


@router.get("/late", response_model=PaymentList, responses=_PROBLEMS, openapi_extra=_PAGE)
async def list_late(request: Request, deps: Deps) -> Response:
    """Payments that had ended when money came, of apps that want to be asked what to do with it."""
    return await _list(request, deps, PaymentQueue.LATE)


async def _list(request: Request, deps: ApiDependencies, queue: PaymentQueue) -> Response:
    async with deps.session(request, "list queue", *_READERS) as (connection, _):
        query = parse_query(PageQuery, request)
        page = await list_queue(connection, queue, limit=query.limit, cursor=query.cursor)
    items = tuple(
        payment_detail(view, run_url=deps.run_url(payment_workflow_id(view.id)))
        for view in page.payments
    )
    return as_json(PaymentList(items=items, next_cursor=page.next_cursor))
