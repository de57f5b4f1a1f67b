"""Whether this process lives, whether it can work, and its numbers."""

import asyncio
import json
from datetime import timedelta

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from temporalio.client import Client
from temporalio.service import RPCError

from api.dependencies import ApiDependencies, Deps
from models.errors import Unavailable
from observability.metrics import REGISTRY
from storage.migrate import is_current

router = APIRouter(tags=["health"], include_in_schema=False)

_TIMEOUT = timedelta(seconds=2)


@router.get("/healthz")
async def alive() -> Response:
    """The process answers. Its neighbours do not matter here: a restart would not help them."""
    return Response('{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def ready(deps: Deps) -> Response:
    """Whether the database, its tables and Temporal are there."""
    database, temporal = await asyncio.gather(_database(deps), _temporal(deps.client))
    checks = {"database": database, "temporal": temporal}
    healthy = all(state == "ok" for state in checks.values())
    return Response(
        json.dumps({"status": "ok" if healthy else "unavailable", "checks": checks}),
        status_code=200 if healthy else 503,
        media_type="application/json",
        headers=None if healthy else {"retry-after": "2"},
    )


@router.get("/metrics")
async def metrics() -> Response:
    """Prometheus text."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _database(deps: ApiDependencies) -> str:
    try:
        async with deps.database.transaction("check readiness") as connection:
            return "ok" if await is_current(connection) else "needs migrations"
    except Unavailable:
        return "unavailable"


async def _temporal(client: Client) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT.total_seconds()):
            healthy = await client.service_client.check_health(timeout=_TIMEOUT)
    except (RPCError, RuntimeError, TimeoutError):
        return "unavailable"
    return "ok" if healthy else "unavailable"
