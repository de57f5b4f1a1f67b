"""Channels: how each account does right now, and turning one off and on."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.charts import rate_words
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting
from models.channel_health import REJECTED_COUNTED_TO
from models.merchant import Role

router = APIRouter(prefix="/console/channels", include_in_schema=False)

_KINDS = {
    "attempts": "all",
    "succeeded": "paid",
    "declined": "declined or not paid in time",
    "unknown": "unknown",
    "not_sent": "not sent",
    "open": "under way",
}
# Of fewer attempts nothing is said: one more or less would change it.
_FEW = 5


@router.get("")
async def list_(visit: Visiting) -> Response:
    """Each account with its attempts of the last hour and day, its callbacks and statements."""
    cursor = visit.text("cursor")
    found = await listed(visit, "/v1/channel-accounts/health", cursor=cursor)
    accounts = await listed(visit, "/v1/channel-accounts", cursor=cursor)
    known = {account["id"]: account for account in accounts.items}
    return await page(
        visit,
        "console/channels.html",
        status_code=found.status_code,
        problem=found.problem,
        channels=[_shown(one, known.get(one["account_id"], {})) for one in found.items],
        next_cursor=found.next_cursor,
        asked={"cursor": cursor},
        kinds=_KINDS.values(),
        rejected_max=REJECTED_COUNTED_TO,
        may_switch=visit.may(Role.ADMIN),
    )


@router.post("/{account_id}/disable")
async def disable(account_id: str, visit: Visiting) -> Response:
    return await _switch(visit, account_id, "disable", "Nothing new is routed to it any more.")


@router.post("/{account_id}/enable")
async def enable(account_id: str, visit: Visiting) -> Response:
    return await _switch(visit, account_id, "enable", "Payments are routed to it again.")


async def _switch(visit: Visit, account_id: str, command: str, said: str) -> Response:
    await visit.api.post(f"/v1/channel-accounts/{account_id}/{command}", visit.given("reason"))
    await visit.flash(said)
    return go_to(f"/console/channels#{account_id}")


def _shown(health: Mapping[str, Any], account: Mapping[str, Any]) -> dict[str, Any]:
    day = "last day" if health["day_is_whole"] else f"newest {health['last_day']['attempts']}"
    return {
        **health,
        "methods": account.get("methods", ()),
        "certificates": account.get("certificates") or (),
        "rows": [_row("last hour", health["last_hour"]), _row(day, health["last_day"])],
        "worry": _worry(health),
    }


def _row(title: str, window: Mapping[str, Any]) -> dict[str, Any]:
    rate = rate_words(window["succeeded"], window["succeeded"] + window["declined"])
    return {"title": title, "counts": [window[kind] for kind in _KINDS], "rate": rate}


def _worry(health: Mapping[str, Any]) -> str:
    """What is plainly wrong with it, if anything."""
    hour = health["last_hour"]
    enough = hour["attempts"] >= _FEW
    if enough and hour["not_sent"] * 2 > hour["attempts"]:
        return "Most calls of the last hour did not reach it."
    if enough and hour["unknown"] * 10 > hour["attempts"]:
        return "More than one in ten attempts of the last hour has no known outcome."
    if health["rejected_callbacks"] and not health["last_callback_at"]:
        return "Its messages do not verify: look at the key or certificate of this account."
    return ""
