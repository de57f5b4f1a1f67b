"""Channel accounts: terms, parameters, and what runs out. Secrets go in and never come out."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from api.console.asked import listed
from api.console.calls import ApiRefused
from api.console.rotation import OVERLAPS, act, overlap, whole
from api.console.shell import go_to, page
from api.console.visit import Visit, Visiting

router = APIRouter(prefix="/console/accounts", include_in_schema=False)

_PATH = "/console/accounts"
_API = "/v1/channel-accounts"
# Parameters' names are the channel's own, so their fields are told apart from the page's.
_PARAMETER = "parameter."
# Longer ones are keys and certificates, of many lines.
_ONE_LINE_MAX = 1_024


@router.get("")
async def list_(visit: Visiting) -> Response:
    """All accounts, and what runs out within 30 days."""
    cursor = visit.text("cursor")
    found = await listed(visit, "/v1/channel-accounts", cursor=cursor)
    channels = await visit.api.get("/v1/channels")
    expiring = await visit.api.get("/v1/expiring", days=30)
    return await page(
        visit,
        "console/accounts.html",
        status_code=found.status_code,
        accounts=found.items,
        next_cursor=found.next_cursor,
        problem=found.problem,
        asked={"cursor": cursor},
        channels=[channel["name"] for channel in channels["items"]],
        expiring=expiring["items"],
    )


@router.get("/new")
async def new(visit: Visiting) -> Response:
    """The form of one channel's accounts."""
    return await _new(visit, problem=None)


@router.post("/new")
async def create(visit: Visiting) -> Response:
    body = {
        "merchant_id": visit.text("merchant_id"),
        "channel": visit.text("channel"),
        "parameters": _parameters(visit),
        **_terms(visit),
    }
    try:
        made = await visit.api.post(_API, body)
    except ApiRefused as refused:
        return await _new(visit, problem=refused.problem)
    await visit.flash("The account is there; payments are routed to it.")
    return go_to(f"{_PATH}/{made['id']}")


@router.get("/{account_id}")
async def show(account_id: str, visit: Visiting) -> Response:
    """One account, which of its secrets are set, and everything that can be changed."""
    return await _show(visit, account_id, problem=None)


@router.post("/{account_id}")
async def change(account_id: str, visit: Visiting) -> Response:
    body = _terms(visit) | {"version": whole(visit.text("version"))}
    try:
        await visit.api.patch(f"{_API}/{account_id}", body)
    except ApiRefused as refused:
        return await _show(visit, account_id, problem=refused.problem)
    await visit.flash("Saved. Payments ordered before keep their price.")
    return go_to(f"{_PATH}/{account_id}")


@router.post("/{account_id}/rotate")
async def rotate(account_id: str, visit: Visiting) -> Response:
    """Replace the parameters that say something; the others stay."""
    gone = {name: None for name in visit.form.getlist("remove") if isinstance(name, str)}
    body = {
        "parameters": gone | _parameters(visit),
        "version": whole(visit.text("version")),
        **overlap(visit),
    }
    try:
        await visit.api.post(f"{_API}/{account_id}/rotate", body)
    except ApiRefused as refused:
        return await _show(visit, account_id, problem=refused.problem)
    await visit.flash("Calls use the new parameters from now on.")
    return go_to(f"{_PATH}/{account_id}")


@router.post("/{account_id}/disable")
async def disable(account_id: str, visit: Visiting) -> Response:
    said = "Nothing new is routed to it any more."
    return await _act(visit, account_id, "disable", visit.given("reason"), said)


@router.post("/{account_id}/enable")
async def enable(account_id: str, visit: Visiting) -> Response:
    return await _act(visit, account_id, "enable", {}, "Payments are routed to it again.")


async def _act(
    visit: Visit, account_id: str, command: str, body: Mapping[str, Any], said: str
) -> Response:
    path, back = f"{_API}/{account_id}/{command}", f"{_PATH}/{account_id}"
    return await act(visit, path, body, said=said, back=back)


async def _new(visit: Visit, *, problem: Mapping[str, Any] | None) -> Response:
    channels = (await visit.api.get("/v1/channels"))["items"]
    named = [one for one in channels if one["name"] == visit.text("channel")]
    channel = (named or channels)[0]
    return await page(
        visit,
        "console/account_new.html",
        status_code=422 if problem else 200,
        channel=channel,
        channels=[one["name"] for one in channels],
        fields=_fields(channel["parameters_schema"], _typed(visit)),
        typed=visit.form,
        merchant_id=visit.text("merchant_id"),
        problem=problem,
    )


async def _show(visit: Visit, account_id: str, *, problem: Mapping[str, Any] | None) -> Response:
    account = await visit.api.get(f"{_API}/{account_id}")
    channels = (await visit.api.get("/v1/channels"))["items"]
    (channel,) = [one for one in channels if one["name"] == account["channel"]]
    return await page(
        visit,
        "console/account.html",
        status_code=422 if problem else 200,
        account=account,
        methods=[method["name"] for method in channel["methods"]],
        fields=_fields(channel["parameters_schema"], account["parameters"]),
        problem=problem,
        overlaps=OVERLAPS,
    )


def _fields(schema: Mapping[str, Any], values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The form's fields from the channel's own schema. Of a secret there is never a value."""
    required = set(schema.get("required", ()))
    return [
        {
            "name": _PARAMETER + name,
            "parameter": name,
            "is_secret": _says(described, "writeOnly", default=False),
            "is_long": _says(described, "maxLength", default=0) > _ONE_LINE_MAX,
            "is_required": name in required,
            "hint": described.get("description", ""),
            "value": "" if _says(described, "writeOnly", default=False) else values.get(name, ""),
        }
        for name, described in schema["properties"].items()
    ]


def _says(described: Mapping[str, Any], word: str, *, default: Any) -> Any:
    """What a property's schema says, itself or in one of its alternatives."""
    places = (described, *described.get("anyOf", ()))
    return next((place[word] for place in places if word in place), default)


def _typed(visit: Visit) -> dict[str, str]:
    return {
        name.removeprefix(_PARAMETER): value
        for name, value in visit.form.items()
        if name.startswith(_PARAMETER) and isinstance(value, str)
    }


def _parameters(visit: Visit) -> dict[str, str]:
    return {name: value.strip() for name, value in _typed(visit).items() if value.strip()}


def _terms(visit: Visit) -> dict[str, Any]:
    methods = [name for name in visit.form.getlist("methods") if isinstance(name, str)]
    return {
        "methods": methods,
        "fee_bps": whole(visit.text("fee_bps")),
        "channel_fee_bps": whole(visit.text("channel_fee_bps")),
    }
