"""The optional Idempotency-Key header: the stored answer again, byte for byte.

The business number (`order_no`, `refund_no`) is what keeps money safe and needs no header; this
adds that a repeat within the retention is answered with the very same bytes.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from ulid import ULID

from api.dependencies import ApiDependencies
from api.errors import RequestInProgress
from models.errors import InvalidRequest
from storage.idempotency import claim, finish, release

# Longer than any request may run; after it the process that held the claim must have died.
_LEASE = timedelta(seconds=60)
# Visible ASCII, bare or as the string of a structured field (draft-ietf-httpapi-idempotency-key).
_KEY = re.compile(r'[!#-~]{1,255}|"[!#-\[\]-~]{1,255}"')
_NOT_STORED_FROM = 500
_ACCEPTED = 202


@dataclass(frozen=True)
class Claim:
    """Our right to answer under a key. `replay` is set when the answer is known already."""

    app_id: str
    route: str
    key: str
    owner: str
    replay: Response | None = None


def fingerprint(model: BaseModel, path: str) -> str:
    """SHA-256 of the validated body and the path, whatever the order or spacing it was sent in.

    A field that was left out does not count, so a body means the same when we learn new fields.
    """
    canonical = json.dumps(
        [path, model.model_dump(mode="json", exclude_none=True)],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def key_of(request: Request) -> str | None:
    """The header's key, or None without one. Raises InvalidRequest `idempotency-key-invalid`."""
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise InvalidRequest(
            "use 1 to 255 visible ASCII characters, once", code="idempotency-key-invalid"
        )
    return values[0].strip('"')


async def claim_key(
    connection: AsyncConnection, request: Request, *, app_id: str, mark: str, deps: ApiDependencies
) -> Claim | None:
    """Claim the request's key in its transaction; None when it brings none.

    `mark` is the request's fingerprint. Raises InvalidRequest when the key was used for another
    request, RequestInProgress while the same one is being worked on.
    """
    key = key_of(request)
    if key is None:
        return None
    route = f"{request.method} {request.scope['route'].path}"
    mine = Claim(app_id=app_id, route=route, key=key, owner=str(ULID()))
    stored = await claim(
        connection,
        app_id=app_id,
        route=route,
        key=key,
        fingerprint=mark,
        owner=mine.owner,
        now=deps.clock(),
        lease=_LEASE,
    )
    if stored is None:
        return mine
    if stored.fingerprint != mark:
        raise InvalidRequest(
            "send a fresh Idempotency-Key with another request", code="idempotency-key-reused"
        )
    if not stored.done or stored.body is None or stored.status_code is None:
        raise RequestInProgress("ask again in a moment")
    replay = Response(stored.body, stored.status_code, media_type="application/json")
    replay.headers["idempotent-replayed"] = "true"
    if stored.object_id is not None:
        replay.headers["location"] = f"{request.url.path}/{stored.object_id}"
    return Claim(app_id=app_id, route=route, key=key, owner=mine.owner, replay=replay)


async def keep_answer(
    deps: ApiDependencies, mine: Claim, response: Response, *, object_id: str
) -> None:
    """Store the final answer for repeats. What may still change (202, 5xx) is let go instead."""
    async with deps.database.transaction("keep idempotent answer") as connection:
        if response.status_code == _ACCEPTED or response.status_code >= _NOT_STORED_FROM:
            await release(
                connection, app_id=mine.app_id, route=mine.route, key=mine.key, owner=mine.owner
            )
            return
        await finish(
            connection,
            app_id=mine.app_id,
            route=mine.route,
            key=mine.key,
            owner=mine.owner,
            status_code=response.status_code,
            body=bytes(response.body),
            object_id=object_id,
            now=deps.clock(),
        )
