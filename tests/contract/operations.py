"""Everything an adapter is asked to do, so that a scenario can try the same fault on all of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from models.channel import Outcome
from models.reconciliation import StatementAvailability
from tests.contract.features import Feature
from tests.contract.shop import Shop, now
from tests.contract.sides.base import Will

Asking = Callable[[Shop], Awaitable[Outcome]]


@dataclass(frozen=True)
class Operation:
    """`moves`: it is a request to move money, so that never sent means not attempted."""

    name: str
    needs: frozenset[Feature]
    moves: bool
    ask: Asking

    def __str__(self) -> str:
        return self.name


async def _pay(shop: Shop) -> Outcome:
    return await shop.pay(shop.order(Will.PAYS))


async def _query(shop: Shop) -> Outcome:
    return await shop.query(shop.order(Will.PAYS))


async def _close(shop: Shop) -> Outcome:
    return await shop.close(shop.order(Will.PAYS))


async def _refund(shop: Shop) -> Outcome:
    return await shop.refund(shop.return_of(shop.order(Will.PAYS)))


async def _query_refund(shop: Shop) -> Outcome:
    return await shop.query_refund(shop.return_of(shop.order(Will.PAYS)))


async def _capture(shop: Shop) -> Outcome:
    return await shop.capture(shop.taking(shop.order(Will.PAYS, capture_method="manual")))


async def _void(shop: Shop) -> Outcome:
    return await shop.void(shop.order(Will.PAYS, capture_method="manual"))


def _operation(name: str, ask: Asking, *needs: Feature, moves: bool = False) -> Operation:
    return Operation(name, frozenset(needs), moves, ask)


OPERATIONS = (
    _operation("pay", _pay, Feature.PAY, Feature.SENDS, moves=True),
    _operation("query", _query, Feature.QUERY),
    _operation("close", _close, Feature.CLOSE),
    _operation("refund", _refund, Feature.REFUND, moves=True),
    _operation("query_refund", _query_refund, Feature.REFUND),
    _operation("capture", _capture, Feature.CAPTURE, moves=True),
    _operation("void", _void, Feature.VOID),
)


async def ask_for_statement(shop: Shop, into: Path) -> StatementAvailability:
    """Ask for the statement of a day long over."""
    day = now().date().replace(day=1)
    return await shop.reconciling.fetch_statement(shop.account, day, into, now())
