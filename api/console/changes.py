"""Who changed what of apps, merchants, accounts, keys and people."""

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.shell import page
from api.console.visit import Visiting

router = APIRouter(prefix="/console/changes", include_in_schema=False)

_PLACES = {
    "app": "/console/apps/",
    "channel_account": "/console/accounts/",
}


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Changes, newest first, of one object or of all."""
    asked = {"object_id": visit.text("object_id"), "cursor": visit.text("cursor")}
    found = await listed(visit, "/v1/changes", **asked)
    return await page(
        visit,
        "console/changes.html",
        status_code=found.status_code,
        changes=found.items,
        places=_PLACES,
        next_cursor=found.next_cursor,
        problem=found.problem,
        asked=asked,
    )
