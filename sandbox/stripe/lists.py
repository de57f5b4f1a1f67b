"""Lists: newest first, page by page; and the one search there is."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

from sandbox.stripe.books import Wanted
from sandbox.stripe.calls import Call, Result
from sandbox.stripe.desk import Tools
from sandbox.stripe.models import Charge, Intent, Posting, Refund, StripeEvent
from sandbox.stripe.plants import Plants
from sandbox.stripe.views import charge_view, event_view, posting_view, refund_view
from sandbox.stripe.words import Shown, invalid, missing

_PAGING: Final = ("limit", "starting_after", "ending_before", "created")
_BY_ORDER: Final = re.compile(r"""metadata\[(['"])order\1\]\s*:\s*(['"])(.*?)\2""")

AnyRecord = TypeVar("AnyRecord", Intent, Charge, Refund, Posting, StripeEvent)


class Lists:
    """Every method takes a call and answers a list object."""

    def __init__(self, tools: Tools, plants: Plants) -> None:
        self._tools = tools
        self._plants = plants
        self._books = tools.books

    def intents(self, call: Call) -> Result:
        call.fields.only(*_PAGING)
        wanted = self._wanted(call, Intent)
        return self._page(Intent, wanted, "/v1/payment_intents", self._tools.show)

    def search(self, call: Call) -> Result:
        """Only by `metadata['order']`. Stripe's own lags by up to a minute; this one does not."""
        call.fields.only("query", "limit")
        query = _BY_ORDER.fullmatch(call.fields.required("query").strip())
        if query is None:
            raise invalid("query", "Here only metadata['order']:'…' can be searched for.")
        wanted = Wanted(account_id=call.account.id, order_no=query[3], limit=call.fields.limit())
        found = self._books.list_objects(Intent, _one_more(wanted))
        shown = [self._tools.show(intent) for intent in found[: wanted.limit]]
        head = {"object": "search_result", "url": "/v1/payment_intents/search"}
        return Result(head | {"has_more": len(found) > wanted.limit, "data": shown})

    def refunds(self, call: Call) -> Result:
        call.fields.only(*_PAGING, "payment_intent", "charge")
        wanted = self._wanted(call, Refund)
        charge = call.fields.text("charge")
        if charge is not None:
            found = self._books.find(Charge, charge, call.account.id)
            wanted = wanted.model_copy(update={"intent": found.intent if found else ""})
        return self._page(Refund, wanted, "/v1/refunds", refund_view)

    def charges(self, call: Call) -> Result:
        call.fields.only(*_PAGING, "payment_intent")
        return self._page(Charge, self._wanted(call, Charge), "/v1/charges", charge_view)

    def postings(self, call: Call) -> Result:
        call.fields.only(*_PAGING, "type", "source", "currency")
        kind = call.fields.text("type")
        wanted = self._wanted(call, Posting).model_copy(
            update={
                "types": (kind,) if kind else (),
                "source": call.fields.text("source"),
                "currency": call.fields.text("currency"),
            }
        )
        now = self._tools.now()
        found = self._plants.lines(_one_more(wanted))
        shown = [posting_view(posting, now) for posting in found]
        return _answer(shown, wanted, "/v1/balance_transactions")

    def events(self, call: Call) -> Result:
        call.fields.only(*_PAGING, "type", "types")
        kind = call.fields.text("type")
        types = (kind,) if kind else call.fields.texts("types")
        wanted = self._wanted(call, StripeEvent).model_copy(update={"types": types})
        return self._page(StripeEvent, wanted, "/v1/events", event_view)

    def _wanted(self, call: Call, kind: type[AnyRecord]) -> Wanted:
        fields = call.fields
        first, last = fields.created()
        wanted = Wanted(
            account_id=call.account.id,
            intent=fields.text("payment_intent"),
            created_from=first,
            created_until=last,
            after=fields.text("starting_after"),
            before=fields.text("ending_before"),
            limit=fields.limit(),
        )
        for name, cursor in (("starting_after", wanted.after), ("ending_before", wanted.before)):
            if cursor is None or self._plants.knows(cursor):
                continue
            if self._books.find(kind, cursor, call.account.id) is None:
                raise missing("object", cursor, name)
        intent = wanted.intent
        if intent is not None and self._books.find(Intent, intent, call.account.id) is None:
            raise missing("payment_intent", intent, "payment_intent")
        return wanted

    def _page(
        self,
        kind: type[AnyRecord],
        wanted: Wanted,
        url: str,
        show: Callable[[AnyRecord], Shown],
    ) -> Result:
        found = self._books.list_objects(kind, _one_more(wanted))
        return _answer([show(thing) for thing in found], wanted, url)


def _answer(shown: list[Shown], wanted: Wanted, url: str) -> Result:
    more = len(shown) > wanted.limit
    # Backwards the page ends at the cursor, so the one too many is the newest.
    page = shown[1:] if more and wanted.before else shown[: wanted.limit]
    return Result({"object": "list", "url": url, "has_more": more, "data": page})


def _one_more(wanted: Wanted) -> Wanted:
    return wanted.model_copy(update={"limit": wanted.limit + 1})
