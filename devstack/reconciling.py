"""Reconciles a day through the public API, and waits for what comes of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from devstack.api_client import Access, ApiClient

_LOOK_EVERY_SECONDS = 0.3
# What the payments' own runs can book takes seconds; what takes longer is shown as it stands.
_REPAIRS_WITHIN_SECONDS = 15.0
_PAGE = "100"


@dataclass(frozen=True)
class ReconciledDay:
    """A reconciliation as the API shows it, with all its discrepancies."""

    day: dict[str, Any]
    discrepancies: list[dict[str, Any]]


async def reconciled(
    access: Access,
    account_id: str,
    day: date,
    *,
    file: Path | None = None,
    wait: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> ReconciledDay:
    """Run a day, with the statement in `file` if one is given. Raises ApiProblem."""
    async with ApiClient(access.url, access.key) as api:
        tell(f"ordering the reconciliation of {day}")
        asked = {"account_id": account_id, "business_day": str(day)}
        if file is None:
            ordered = await api.post("/v1/reconciliations", asked)
        else:
            content = await asyncio.to_thread(file.read_bytes)
            ordered = await api.upload("/v1/reconciliations/upload", asked, content)
        if not wait:
            return ReconciledDay(ordered, [])
        return await _result(api, ordered, tell)


async def all_discrepancies(api: ApiClient, reconciliation_id: str) -> list[dict[str, Any]]:
    """Everything that did not match on a day, page by page."""
    path = f"/v1/reconciliations/{reconciliation_id}/discrepancies"
    found: list[dict[str, Any]] = []
    query: dict[str, str] = {}
    while True:
        page = await api.get(path, {"limit": _PAGE, **query})
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        query = {"cursor": page["next_cursor"]}


async def _result(
    api: ApiClient, ordered: dict[str, Any], tell: Callable[[str], None]
) -> ReconciledDay:
    day = await _ended(api, ordered, tell)
    until = asyncio.get_running_loop().time() + _REPAIRS_WITHIN_SECONDS
    while True:
        found = await all_discrepancies(api, day["id"])
        under_way = [one for one in found if one["class"] == "status_diff" and _is_open(one)]
        if not under_way or asyncio.get_running_loop().time() > until:
            return ReconciledDay(await api.get(f"/v1/reconciliations/{day['id']}"), found)
        tell(f"{len(under_way)} repairs are with the payments' own runs")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _ended(
    api: ApiClient, ordered: dict[str, Any], tell: Callable[[str], None]
) -> dict[str, Any]:
    """The day once the run that was ordered, or joined, has ended."""
    joined = ordered["status"] == "running" and ordered["runs"] > 0
    first_run = ordered["runs"] + (0 if joined else 1)
    while True:
        day = await api.get(f"/v1/reconciliations/{ordered['id']}")
        if day["runs"] >= first_run and day["status"] != "running":
            return day
        tell(f"{day['status']}: waiting for the statement, then comparing line by line")
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _is_open(one: dict[str, Any]) -> bool:
    return one["status"] in ("open", "carried")
