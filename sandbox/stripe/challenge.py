"""The payer's side: the page where a card's bank asks who is paying (3-D Secure)."""

import contextlib
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from models.money import exponent_of
from sandbox.stripe.accounts import Accounts
from sandbox.stripe.books import StripeBooks
from sandbox.stripe.desk import IntentDesk, NotWaiting
from sandbox.stripe.models import Intent, IntentStatus
from sandbox.stripe.words import CARDS

CHALLENGE_PATH: Final = "/stripe/3ds"
_ID_MAX: Final = 64
_PASSED: Final = frozenset({IntentStatus.SUCCEEDED, IntentStatus.REQUIRES_CAPTURE})


class ChallengePage:
    """Pages of one intent, found by its id and an unguessable code."""

    def __init__(
        self, *, books: StripeBooks, accounts: Accounts, desk: IntentDesk, templates: Environment
    ) -> None:
        self._books = books
        self._accounts = accounts
        self._desk = desk
        self._templates = templates

    def routes(self) -> list[Route]:
        path = f"{CHALLENGE_PATH}/{{intent}}/{{code}}"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/accept", self.accept, methods=["POST"]),
            Route(f"{path}/refuse", self.refuse, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        intent = self._find(request)
        if intent is None:
            return self._page(None, "gone", 404)
        asks = intent.challenge == request.path_params["code"]
        if asks and intent.status is IntentStatus.REQUIRES_ACTION:
            return self._page(intent, "open", 200, path=request.url.path)
        return self._page(intent, "passed" if intent.status in _PASSED else "over", 200)

    async def accept(self, request: Request) -> Response:
        return self._decide(request, accepts=True)

    async def refuse(self, request: Request) -> Response:
        return self._decide(request, accepts=False)

    def _decide(self, request: Request, *, accepts: bool) -> Response:
        intent = self._find(request)
        here = request.url.path.rpartition("/")[0]
        if intent is None or intent.challenge != request.path_params["code"]:
            return RedirectResponse(here, status_code=303)
        with contextlib.suppress(NotWaiting), self._books.transaction():
            intent = self._desk.accept(intent) if accepts else self._desk.refuse(intent)
        return RedirectResponse(_way_back(intent) or here, status_code=303)

    def _find(self, request: Request) -> Intent | None:
        return self._books.find(Intent, str(request.path_params["intent"])[:_ID_MAX])

    def _page(self, intent: Intent | None, state: str, status: int, *, path: str = "") -> Response:
        account = self._accounts.find(intent.account_id) if intent else None
        page = self._templates.get_template("three_d_secure.html").render(
            state=state,
            intent=intent,
            amount=_amount(intent) if intent else "",
            currency=intent.currency.upper() if intent else "",
            merchant=account.name if account else "",
            last4=CARDS[intent.card].last4 if intent and intent.card else "",
            way_back=_way_back(intent) if intent and state != "open" else None,
            path=path,
        )
        return HTMLResponse(page, status, headers={"cache-control": "no-store"})


def _amount(intent: Intent) -> str:
    exponent = exponent_of(intent.currency.upper())
    return f"{Decimal(intent.amount).scaleb(-exponent):,.{exponent}f}"


def _way_back(intent: Intent) -> str | None:
    """Where the payer's browser goes; what it says there is a hint and no proof."""
    if intent.return_url is None:
        return None
    said = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.client_secret,
        "redirect_status": "succeeded" if intent.status in _PASSED else "failed",
    }
    address, hash_sign, fragment = intent.return_url.partition("#")
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}{urlencode(said)}{hash_sign}{fragment}"
