"""`/checkout/{token}`: where the payer chooses how to pay, pays, and sees how it went.

Nothing of a payment comes from the request: the token says which one it is, and all else is read
from our own record.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sse_starlette import EventSourceResponse, ServerSentEvent

from api import dispatch
from api.answers import as_json
from api.checkout.language import Language, choose_language
from api.checkout.pages import headers, page, reason
from api.checkout.return_address import return_address
from api.checkout.view import Desk, DeskState, desk_of, is_gone, state_of
from api.dependencies import ApiDependencies, Deps
from api.origin import is_own_origin
from models.channel import Frozen, Redirect, ShowQrCode, SubmitForm
from models.payment import PAYMENT_ENDS, Choice, PaymentStatus
from storage.apps import read_webhook_secret
from storage.checkout import Checkout, read_checkout

router = APIRouter(prefix="/checkout", include_in_schema=False)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_LANGUAGE_COOKIE = "paycenter_language"
_YEAR = 365 * 24 * 3600
# A stream ends by itself; the browser opens the next one.
_STREAM_FOR = timedelta(minutes=10)
_PING_SECONDS = 20
_METHOD_MAX = 64
# What an app is told on the way back: ends, and money that is held for it.
_SIGNED = PAYMENT_ENDS | {PaymentStatus.REQUIRES_CAPTURE}


class NoDesk(Exception):
    """There is no such cash desk, or not any more."""

    def __init__(self, *, gone: bool) -> None:
        super().__init__("gone" if gone else "unknown")
        self.gone = gone


class DeskAnswer(Frozen):
    """For scripts that poll: `version` rises with every move."""

    version: int
    state: DeskState


async def checkout_of(token: str, deps: Deps) -> Checkout:
    """The payment this address is for. Raises NoDesk."""
    if not _TOKEN.fullmatch(token):
        raise NoDesk(gone=False)
    async with deps.database.statement("read checkout") as connection:
        found = await read_checkout(connection, token)
    if found is None:
        raise NoDesk(gone=False)
    if is_gone(found, deps.clock()):
        raise NoDesk(gone=True)
    return found


Desked = Annotated[Checkout, Depends(checkout_of)]


@router.get("/{token}")
async def show(checkout: Desked, request: Request, deps: Deps) -> Response:
    """The cash desk as it stands. `?go=1`, right after a choice, leads on to the channel."""
    language = language_of(request)
    desk = _desk(checkout, request, deps)
    action = desk.action
    forward = action.url if isinstance(action, Redirect) and "go" in request.query_params else None
    order = checkout.recorded.order
    answer = page(
        "checkout/desk.html",
        language,
        form_to=action if isinstance(action, SubmitForm) else None,
        desk=desk,
        order=order,
        merchant=checkout.merchant,
        money=language.money(order.money),
        amount=order.money.to_decimal(),
        version=checkout.recorded.state.version,
        path=request.url.path,
        reason=reason(desk.refusal, language) if desk.refusal else None,
        forward=forward,
        expires=language.instant(order.expires_at),
        way_back=await _way_back(checkout, deps) if desk.is_over else None,
    )
    _keep_language(answer, request, language)
    return answer


@router.post("/{token}/pay")
async def pay(checkout: Desked, request: Request, deps: Deps) -> Response:
    """The payer chose a method. What the form says about money is not even looked at."""
    desk_path = request.url.path.removesuffix("/pay")
    form = await request.form(max_fields=10, max_files=0)
    method, number = str(form.get("method", ""))[:_METHOD_MAX], str(form.get("number", ""))
    desk = _desk(checkout, request, deps)
    is_offered = method in {offered.name for offered in desk.methods}
    if not is_own_origin(request, deps) or not is_offered or number != str(desk.number):
        return _to(desk_path)
    state = await dispatch.choose_method(
        deps.client,
        checkout.recorded,
        Choice(method=method, number=desk.number),
        within=deps.options.initiation_timeout,
    )
    leads_on = state is not None and isinstance(state.next_action, Redirect)
    return _to(f"{desk_path}?go=1" if leads_on else desk_path)


@router.get("/{token}/qr.svg")
async def qr_code(checkout: Desked, request: Request, deps: Deps) -> Response:
    """The code to scan, black on white with its quiet zone, whatever the page looks like."""
    action = _desk(checkout, request, deps).action
    if not isinstance(action, ShowQrCode):
        raise NoDesk(gone=False)
    code = segno.make(action.content, error="m", micro=False)
    drawn = code.svg_inline(scale=8, border=4, dark="#000", light="#fff", omitsize=True)
    image = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return Response(image, media_type="image/svg+xml", headers=headers())


@router.get("/{token}/state")
async def state(checkout: Desked, deps: Deps) -> Response:
    """Where it stands, for browsers without event streams."""
    shown = state_of(checkout, deps.clock())
    return as_json(DeskAnswer(version=checkout.recorded.state.version, state=shown))


@router.get("/{token}/events")
async def events(checkout: Desked, request: Request, deps: Deps) -> Response:
    """A stream that says `move` with the payment's version each time it moves."""
    deps.watch.expect_room(checkout.recorded.order.payment_id)
    moves = _moves(checkout, deps, _last_seen(request))
    return EventSourceResponse(moves, ping=_PING_SECONDS, headers=headers())


async def _moves(
    checkout: Checkout, deps: ApiDependencies, known: int
) -> AsyncIterator[ServerSentEvent]:
    payment_id = checkout.recorded.order.payment_id
    async with deps.watch.following(deps.database, payment_id) as versions:
        try:
            async with asyncio.timeout(_STREAM_FOR.total_seconds()):
                while True:
                    version = await versions.get()
                    if version > known:
                        known = version
                        yield ServerSentEvent(data=str(version), event="move", id=str(version))
        except TimeoutError:
            return


def _last_seen(request: Request) -> int:
    """The version the page shows, or the one the browser heard of last."""
    sent = request.headers.get("last-event-id") or request.query_params.get("version", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0  # noqa: PLR2004


def _desk(checkout: Checkout, request: Request, deps: ApiDependencies) -> Desk:
    capabilities = {name: deps.channels.get(name).capabilities for name in deps.channels.names()}
    # What browsers of phones and tablets say of themselves since there have been any.
    on_phone = "mobi" in request.headers.get("user-agent", "").lower()
    return desk_of(checkout, capabilities, on_phone=on_phone, now=deps.clock())


async def _way_back(checkout: Checkout, deps: ApiDependencies) -> str | None:
    order, stands = checkout.recorded.order, checkout.recorded.state
    # By the clock it may be over a moment before it is: until then there is nothing to sign.
    if order.return_url is None or stands.status not in _SIGNED:
        return None
    async with deps.database.statement("read hint secret") as connection:
        secret = await read_webhook_secret(connection, deps.vault, order.app_id)
    return return_address(order, stands.status, secret=secret, now=deps.clock())


def language_of(request: Request) -> Language:
    """The language of a page for this request."""
    return choose_language(
        asked=request.query_params.get("lang"),
        kept=request.cookies.get(_LANGUAGE_COOKIE),
        accepted=request.headers.get("accept-language", ""),
    )


def _keep_language(answer: Response, request: Request, language: Language) -> None:
    if request.query_params.get("lang") == language.code:
        answer.set_cookie(
            _LANGUAGE_COOKIE, language.code, path="/checkout", max_age=_YEAR, samesite="lax"
        )


def _to(path: str) -> Response:
    return RedirectResponse(path, status_code=303, headers=headers())


async def no_desk_page(request: Request, error: Exception) -> Response:
    """What is shown for an address that is not one, or not any more."""
    gone = isinstance(error, NoDesk) and error.gone
    return page(
        "checkout/none.html", language_of(request), status_code=410 if gone else 404, gone=gone
    )
