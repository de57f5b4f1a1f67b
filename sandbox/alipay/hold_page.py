"""The payer's side of a hold: the page its code leads to, where a person agrees or refuses."""

import contextlib

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.alipay.hold_books import Hold, HoldBooks, HoldStatus
from sandbox.alipay.hold_desk import HoldDesk
from sandbox.alipay.words import beijing, failure, yuan
from sandbox.desk import Refused

HOLD_PATH = "/alipay/authorize"
_CODE_MAX = 64
_NOT_FOUND = 404
_SEE_OTHER = 303


class HoldPage:
    """Pages of one hold, found by its unguessable code."""

    def __init__(self, *, books: HoldBooks, desk: HoldDesk, templates: Environment) -> None:
        self._books = books
        self._desk = desk
        self._templates = templates

    def routes(self) -> list[Route]:
        return [
            Route(f"{HOLD_PATH}/{{code}}", self.show, methods=["GET"]),
            Route(f"{HOLD_PATH}/{{code}}/agree", self.agree, methods=["POST"]),
            Route(f"{HOLD_PATH}/{{code}}/refuse", self.refuse, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Looking at it is what makes the order exist for the merchant."""
        hold = self._find(request)
        if hold is None:
            return self._nothing_here()
        with contextlib.suppress(Refused):  # its time is over: the page says so
            hold = self._desk.open(hold)
        return self._page(hold)

    async def agree(self, request: Request) -> Response:
        hold = self._find(request)
        if hold is None:
            return self._nothing_here()
        with contextlib.suppress(Refused):  # over meanwhile, or held already
            self._desk.freeze(hold)
        return _back_to(hold)

    async def refuse(self, request: Request) -> Response:
        hold = self._find(request)
        if hold is None:
            return self._nothing_here()
        with contextlib.suppress(Refused):
            self._desk.refuse(hold)
        return _back_to(hold)

    def _find(self, request: Request) -> Hold | None:
        return self._books.find_by_code(str(request.path_params["code"])[:_CODE_MAX])

    def _page(self, hold: Hold) -> Response:
        app = self._books.books.find_app(hold.app_id)
        page = self._templates.get_template("hold.html").render(
            hold=hold,
            merchant=app.name if app is not None else hold.app_id,
            amount=yuan(hold.amount_minor),
            captured=yuan(hold.captured_minor),
            expires_at=beijing(hold.expires_at),
            frozen_at=beijing(hold.frozen_at) if hold.frozen_at is not None else "",
            state=self._state(hold),
            path=f"{HOLD_PATH}/{hold.code}",
        )
        return HTMLResponse(page, headers={"cache-control": "no-store"})

    def _state(self, hold: Hold) -> str:
        if hold.frozen_at is not None:
            return hold.status.value
        return HoldStatus.CLOSED.value if self._desk.is_over(hold) else "open"

    def _nothing_here(self) -> Response:
        reply = failure("AUTH_ORDER_NOT_EXIST", "授权订单不存在")
        page = self._templates.get_template("error.html").render(reply=reply)
        return HTMLResponse(page, status_code=_NOT_FOUND)


def _back_to(hold: Hold) -> Response:
    return RedirectResponse(f"{HOLD_PATH}/{hold.code}", status_code=_SEE_OTHER)
