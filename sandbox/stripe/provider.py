"""Stripe as one of the sandbox's providers: its simulation, its side, its control."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.routing import BaseRoute

from sandbox.dispatcher import Wording
from sandbox.providers import Surroundings
from sandbox.stripe.control import stripe_router
from sandbox.stripe.side import StripeSide
from sandbox.stripe.simulation import Stripe
from sandbox.stripe.words import PROVIDER

__all__ = ["INTERFACE_PATH", "PROVIDER", "StripeProvider", "build_provider"]

INTERFACE_PATH = f"/{PROVIDER}"


class StripeProvider:
    """What the house asks of a provider."""

    def __init__(self, stripe: Stripe) -> None:
        self._stripe = stripe
        self.side = StripeSide(stripe)

    def routes(self) -> list[BaseRoute]:
        return self._stripe.routes()

    def control(self) -> APIRouter:
        return stripe_router(self._stripe)

    def wording(self) -> Wording:
        return self._stripe.events.wording()

    def start(self) -> None:
        self._stripe.start()

    def stop(self) -> None:
        self._stripe.stop()

    def is_idle(self, within: timedelta) -> bool:
        return self._stripe.is_idle(within)

    def request_counts(self) -> dict[str, int]:
        return self._stripe.request_counts()

    def totals(self) -> dict[str, Any]:
        return self.side.totals()


def build_provider(around: Surroundings) -> StripeProvider:
    return StripeProvider(Stripe(around))
