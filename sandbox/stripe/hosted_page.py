"""Stripe's own page, where the payer types a card; here only test cards work."""

from decimal import Decimal
from typing import Final

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from models.money import exponent_of
from sandbox.stripe.accounts import Accounts
from sandbox.stripe.models import Intent, IntentStatus, Session, SessionStatus
from sandbox.stripe.sessions import SessionDesk
from sandbox.stripe.words import CARDS, Problem

PAGE_PATH: Final = "/stripe/checkout"
_ID_MAX: Final = 100
_BODY_MAX: Final = 2_000
# Source: docs.stripe.com/testing, read 2026-11-21. Each stands for the test method of that name.
TEST_CARDS: Final = {
    "4242424242424242": "pm_card_visa",
    "5555555555554444": "pm_card_mastercard",
    "4000000000000002": "pm_card_chargeDeclined",
    "4000000000009995": "pm_card_chargeDeclinedInsufficientFunds",
    "4000000000000069": "pm_card_chargeDeclinedExpiredCard",
    "4000000000003220": "pm_card_threeDSecure2Required",
    "4000002500003155": "pm_card_authenticationRequired",
    "4000008400001629": "pm_card_threeDSecureRequiredChargeDeclined",
}


class HostedPage:
    """Pages of one session, found by its id and an unguessable code."""

    def __init__(self, *, accounts: Accounts, desk: SessionDesk, templates: Environment) -> None:
        self._accounts = accounts
        self._desk = desk
        self._templates = templates

    def routes(self) -> list[Route]:
        path = f"{PAGE_PATH}/{{session}}/{{code}}"
        return [
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/pay", self.pay, methods=["POST"]),
            Route(f"{path}/back", self.back, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        session = self._find(request)
        if session is None:
            return self._page(request, None, status=404)
        return self._page(request, session)

    async def pay(self, request: Request) -> Response:
        """Try the card that was typed; then to its bank, to the merchant, or back to the form."""
        session, here = self._find(request), _without(request.url.path, "/pay")
        if session is None or session.status is not SessionStatus.OPEN:
            return RedirectResponse(here, status_code=303)
        async with request.form(max_files=0, max_fields=10) as form:
            number = "".join(str(form.get("card", "")).split())[:_BODY_MAX]
        card = TEST_CARDS.get(number)
        if card is None:
            return self._page(request, session, problem="Your card number is invalid.", status=402)
        try:
            session, intent = self._desk.pay(session, card)
        except Problem:
            return RedirectResponse(here, status_code=303)
        if intent.status is IntentStatus.REQUIRES_ACTION:
            return RedirectResponse(self._desk.challenge_url(intent), status_code=303)
        return self._onwards(session, here)

    async def back(self, request: Request) -> Response:
        """The payer comes back from their bank's page."""
        session = self._find(request)
        here = _without(request.url.path, "/back")
        return RedirectResponse(here, 303) if session is None else self._onwards(session, here)

    def _onwards(self, session: Session, here: str) -> Response:
        paid = session.status is SessionStatus.COMPLETE
        return RedirectResponse(session.success_url if paid else here, status_code=303)

    def _find(self, request: Request) -> Session | None:
        session = self._desk.find(str(request.path_params["session"])[:_ID_MAX])
        fits = session is not None and session.code == request.path_params["code"]
        return session if fits else None

    def _page(
        self, request: Request, session: Session | None, *, problem: str = "", status: int = 200
    ) -> Response:
        account = self._accounts.find(session.account_id) if session else None
        intent = self._desk.intent_of(session) if session else None
        page = self._templates.get_template("stripe_checkout.html").render(
            session=session,
            state=session.status.value if session else "gone",
            amount=_amount(session) if session else "",
            merchant=account.name if account else "",
            problem=problem or _declined(intent),
            path=_without(request.url.path, "/pay"),
            cards=[(number, CARDS[name].conduct.value) for number, name in TEST_CARDS.items()],
        )
        return HTMLResponse(page, status, headers={"cache-control": "no-store"})


def _declined(intent: Intent | None) -> str:
    return intent.failure.message if intent and intent.failure else ""


def _amount(session: Session) -> str:
    exponent = exponent_of(session.currency.upper())
    return f"{Decimal(session.amount).scaleb(-exponent):,.{exponent}f}"


def _without(path: str, suffix: str) -> str:
    return path.removesuffix(suffix)
