"""Control of what only Stripe has: accounts, webhook secrets, and the passing of time."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from sandbox.refusals import Refusal
from sandbox.stripe.accounts import Account, AccountShown, AccountWanted, show_account
from sandbox.stripe.books import Wanted
from sandbox.stripe.desk import NotWaiting
from sandbox.stripe.models import Intent, Refund
from sandbox.stripe.plants import Plant
from sandbox.stripe.simulation import Stripe

Shown = dict[str, Any]


class Settlement(BaseModel):
    """What is to end, by its id or its merchant's number (then its newest refund that waits)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    outcome: Literal["succeeded", "failed"] | None = None


class Expiry(BaseModel):
    """The payment, by its id or its order's number, whose hold is to run out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str


def stripe_router(stripe: Stripe) -> APIRouter:
    """Routes under /control/stripe."""
    return _StripeControl(stripe).router()


class _StripeControl:
    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self._accounts = stripe.accounts

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/stripe")
        secrets = "/accounts/{account_id}/webhook-secrets"
        router.add_api_route("/accounts", self.register, methods=["POST"], status_code=201)
        router.add_api_route("/accounts", self.accounts)
        router.add_api_route(secrets, self.add_secret, methods=["POST"])
        router.add_api_route(secrets, self.keep_newest_secret, methods=["DELETE"])
        router.add_api_route("/plants", self.plant, methods=["POST"], status_code=201)
        router.add_api_route("/plants", self.plants)
        router.add_api_route("/plants", self.remove_plants, methods=["DELETE"])
        router.add_api_route("/settle", self.settle, methods=["POST"])
        router.add_api_route("/expire", self.expire, methods=["POST"])
        return router

    async def register(self, wanted: AccountWanted) -> AccountShown:
        try:
            return self._show(self._accounts.register(wanted))
        except ValueError as error:
            raise Refusal(422, "unusable-account", str(error)) from None

    async def accounts(self) -> Shown:
        return {"accounts": [self._show(found) for found in self._accounts.all()]}

    async def add_secret(self, account_id: str) -> AccountShown:
        try:
            return self._show(self._accounts.add_secret(_account(self._stripe, account_id)))
        except ValueError as error:
            raise Refusal(409, "too-many-secrets", str(error)) from None

    async def keep_newest_secret(self, account_id: str) -> AccountShown:
        account = _account(self._stripe, account_id)
        return self._show(self._accounts.keep_newest_secret(account))

    async def plant(self, plant: Plant) -> Shown:
        try:
            self._stripe.plant(plant)
        except ValueError as error:
            raise Refusal(409, "too-many-plants", str(error)) from None
        return {"plants": self._stripe.plants.all()}

    async def plants(self) -> Shown:
        return {"plants": self._stripe.plants.all()}

    async def remove_plants(self) -> Shown:
        return {"removed": self._stripe.plants.remove_all()}

    async def settle(self, wanted: Settlement) -> Shown:
        succeeds = None if wanted.outcome is None else wanted.outcome == "succeeded"
        try:
            settled = self._stripe.settle(_waiting(self._stripe, wanted.id), succeeds=succeeds)
        except NotWaiting as error:
            raise Refusal(409, "not-payable", f"it waits for nothing: {error}") from None
        return {"id": settled.id, "status": settled.status}

    async def expire(self, wanted: Expiry) -> Shown:
        found = _waiting(self._stripe, wanted.id)
        if not isinstance(found, Intent):
            raise Refusal(409, "not-held", "a refund holds nothing")
        try:
            expired = self._stripe.expire(found)
        except NotWaiting as error:
            raise Refusal(409, "not-held", f"it holds nothing: {error}") from None
        return {"id": expired.id, "status": expired.status}

    def _show(self, account: Account) -> AccountShown:
        return show_account(account, self._stripe.base_url)


def _account(stripe: Stripe, account_id: str) -> Account:
    account = stripe.accounts.find(account_id)
    if account is None:
        raise Refusal(404, "not-found", f"there is no account {account_id}")
    return account


def _waiting(stripe: Stripe, name: str) -> Intent | Refund:
    named = stripe.books.find(Intent, name) or stripe.books.find(Refund, name)
    if named is not None:
        return named
    wanted = Wanted(order_no=name, limit=1)
    refunds = stripe.books.list_objects(Refund, wanted)
    intents = stripe.books.list_objects(Intent, wanted)
    if refunds:
        return refunds[0]
    if intents:
        return intents[0]
    raise Refusal(404, "not-found", f"nothing has the id or number {name}")
