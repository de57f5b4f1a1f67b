"""One provider's trades, as the control API shows and moves them."""

from collections.abc import Mapping
from typing import Any, Protocol

from sandbox.books import TradeFilter
from sandbox.tills import Payable, Till

Shown = dict[str, Any]


class Side(Protocol):
    """What each provider offers. Steps raise `sandbox.desk.Refused` when they are not possible."""

    provider: str
    till: Till

    def list_trades(self, wanted: TradeFilter) -> list[Payable]: ...

    def find(self, number: str, app_id: str | None) -> Payable | None:
        """By the merchant's number, the newest of them."""

    def show(self, payable: Payable) -> Shown: ...

    def events(self, payable: Payable) -> list[Shown]: ...

    def pay(self, payable: Payable, *, even_if_closed: bool) -> Payable: ...

    def open(self, payable: Payable) -> Payable: ...

    def refuse(self, payable: Payable) -> Payable: ...


Sides = Mapping[str, Side]
