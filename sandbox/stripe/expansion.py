"""`expand[]`: ids in an answer replaced by the objects they name."""

from collections.abc import Callable, Sequence
from typing import Final

from sandbox.stripe.desk import Tools
from sandbox.stripe.models import Charge, Intent, Posting, Refund
from sandbox.stripe.plants import Plants
from sandbox.stripe.views import charge_view, posting_view, refund_view
from sandbox.stripe.words import Shown, invalid

_DEPTH_MAX: Final = 4
_EXPANSIONS_MAX: Final = 20


class Expansion:
    def __init__(self, tools: Tools, plants: Plants) -> None:
        self._tools = tools
        self._plants = plants
        self._by_name: dict[str, Callable[[str], Shown | None]] = {
            "latest_charge": self._charge,
            "charge": self._charge,
            "payment_intent": self._intent,
            "balance_transaction": self._posting,
            "failure_balance_transaction": self._posting,
            "source": self._source,
        }

    def apply(self, body: Shown, paths: Sequence[str]) -> None:
        """Change `body`. Raises Problem for what cannot be expanded."""
        if len(paths) > _EXPANSIONS_MAX:
            raise invalid("expand", f"You can expand at most {_EXPANSIONS_MAX} properties.")
        for path in paths:
            parts = path.split(".")
            if len(parts) > _DEPTH_MAX:
                raise invalid("expand", f"You cannot expand deeper than {_DEPTH_MAX} levels.")
            self._expand(body, parts, path)

    def _expand(self, shown: Shown, parts: Sequence[str], path: str) -> None:
        name, rest = parts[0], parts[1:]
        if name == "data" and isinstance(shown.get("data"), list) and rest:
            for item in shown["data"]:
                self._expand(item, rest, path)
            return
        if name not in self._by_name or name not in shown:
            raise invalid("expand", f"This property cannot be expanded ({path}).")
        value = shown[name]
        if isinstance(value, str):
            shown[name] = value = self._by_name[name](value) or value
        if rest and isinstance(value, dict):
            self._expand(value, rest, path)

    def _source(self, object_id: str) -> Shown | None:
        found = self._charge(object_id) or self._refund(object_id)
        return found or self._plants.source_of(object_id)

    def _charge(self, object_id: str) -> Shown | None:
        charge = self._tools.books.find(Charge, object_id)
        return charge_view(charge) if charge else None

    def _refund(self, object_id: str) -> Shown | None:
        refund = self._tools.books.find(Refund, object_id)
        return refund_view(refund) if refund else None

    def _intent(self, object_id: str) -> Shown | None:
        intent = self._tools.books.find(Intent, object_id)
        return self._tools.show(intent) if intent else None

    def _posting(self, object_id: str) -> Shown | None:
        posting = self._tools.books.find(Posting, object_id)
        return posting_view(posting, self._tools.now()) if posting else None
