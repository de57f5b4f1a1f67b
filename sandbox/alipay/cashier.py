"""The payer's side: the page a QR code or a redirect leads to, where a person pays or refuses."""

import contextlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.alipay.messages import Messages
from sandbox.alipay.words import BROWSER_METHODS, beijing, failure, yuan
from sandbox.books import Books, Trade, TradeStatus
from sandbox.desk import Refused, TradeDesk

CASHIER_PATH = "/alipay/cashier"
_TEMPLATES = Path(__file__).parent.parent / "templates"
_CODE_MAX = 64


def load_templates() -> Environment:
    return Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)


class Cashier:
    """Pages of one trade, found by its unguessable code."""

    def __init__(
        self, *, books: Books, desk: TradeDesk, messages: Messages, templates: Environment
    ) -> None:
        self._books = books
        self._desk = desk
        self._messages = messages
        self._templates = templates

    def routes(self) -> list[Route]:
        return [
            Route(f"{CASHIER_PATH}/{{code}}", self.show, methods=["GET"]),
            Route(f"{CASHIER_PATH}/{{code}}/pay", self.pay, methods=["POST"]),
            Route(f"{CASHIER_PATH}/{{code}}/refuse", self.refuse, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Looking at it is what makes the trade exist for the merchant."""
        trade = self._find(request)
        if trade is None:
            return self._nothing_here()
        try:
            trade = self._desk.open(trade)
        except Refused:
            return self._page(trade, over=True)
        return self._page(trade, over=self._desk.is_over(trade))

    async def pay(self, request: Request) -> Response:
        trade = self._find(request)
        if trade is None:
            return self._nothing_here()
        try:
            trade = self._desk.pay(trade)
        except Refused:
            return _to(request.url.path.removesuffix("/pay"))
        back = self._way_back(trade)
        return _to(back or request.url.path.removesuffix("/pay"))

    async def refuse(self, request: Request) -> Response:
        trade = self._find(request)
        if trade is None:
            return self._nothing_here()
        with contextlib.suppress(Refused):  # paid or over meanwhile: the page says so
            self._desk.refuse(trade)
        return _to(request.url.path.removesuffix("/refuse"))

    def _find(self, request: Request) -> Trade | None:
        return self._books.find_by_code(str(request.path_params["code"])[:_CODE_MAX])

    def _way_back(self, trade: Trade) -> str | None:
        if trade.return_url is None or trade.method not in BROWSER_METHODS:
            return None
        return self._messages.return_url(trade, trade.return_url)

    def _page(self, trade: Trade, *, over: bool) -> Response:
        app = self._books.find_app(trade.app_id)
        paid = trade.status is TradeStatus.PAID
        page = self._templates.get_template("cashier.html").render(
            trade=trade,
            merchant=app.name if app is not None else trade.app_id,
            amount=yuan(trade.amount_minor),
            expires_at=beijing(trade.expires_at),
            paid_at=beijing(trade.paid_at) if trade.paid_at is not None else "",
            state=_state(trade, over=over),
            way_back=self._way_back(trade) if paid else None,
            path=f"{CASHIER_PATH}/{trade.code}",
        )
        return HTMLResponse(page, headers={"cache-control": "no-store"})

    def _nothing_here(self) -> Response:
        reply = failure("ACQ.TRADE_NOT_EXIST", "交易不存在")
        page = self._templates.get_template("error.html").render(reply=reply)
        return HTMLResponse(page, status_code=404)


def _state(trade: Trade, *, over: bool) -> str:
    if trade.status in {TradeStatus.PAID, TradeStatus.REFUNDED}:
        return trade.status.value
    return "closed" if over else "open"


def _to(url: str) -> Response:
    return RedirectResponse(url, status_code=303)
