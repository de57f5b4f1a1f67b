"""The API's operations on sessions of Stripe's own page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sandbox.stripe.books import Wanted
from sandbox.stripe.calls import Call, Result
from sandbox.stripe.desk import Tools
from sandbox.stripe.form import Fields
from sandbox.stripe.models import Session, SessionStatus
from sandbox.stripe.sessions import SessionDesk
from sandbox.stripe.words import invalid, missing, random_text

_PARAMS: Final = (
    *("mode", "success_url", "cancel_url", "client_reference_id", "expires_at", "line_items"),
    *("metadata", "payment_intent_data", "payment_method_types", "locale"),
)
_SOONEST, _LATEST = timedelta(minutes=30), timedelta(hours=24)
_REFERENCE_MAX: Final = 200
_CODE_LENGTH: Final = 40

Route = tuple[str, str, str, Callable[[Call], Result]]


class SessionCalls:
    """Reads what the merchant asks for, strictly."""

    def __init__(self, tools: Tools, desk: SessionDesk) -> None:
        self._tools = tools
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        at = "checkout/sessions"
        return (
            ("POST", at, f"{at.replace('/', '.')}.create", self._create),
            ("GET", at, f"{at.replace('/', '.')}.list", self._list),
            ("GET", f"{at}/([^/]+)", f"{at.replace('/', '.')}.retrieve", self._retrieve),
            ("POST", f"{at}/([^/]+)/expire", f"{at.replace('/', '.')}.expire", self._expire),
        )

    def _create(self, call: Call) -> Result:
        fields = call.fields
        fields.only(*_PARAMS)
        if fields.required("mode") != "payment":
            raise invalid("mode", "Here only the mode payment is known.")
        if set(fields.texts("payment_method_types")) - {"card"}:
            raise invalid("payment_method_types", "Here only the type card is known.")
        amount, currency, product = _read_item(fields)
        data = fields.part("payment_intent_data") or Fields({})
        data.only("metadata", "description", "capture_method")
        if data.choice("capture_method", {"automatic"}, "automatic") != "automatic":
            raise invalid("payment_intent_data[capture_method]", "Here only automatic is known.")
        metadata = data.metadata()
        session = Session(
            id=self._tools.ids.new("cs_test"),
            account_id=call.account.id,
            order_no=metadata.get("order", ""),
            created_at=self._tools.now(),
            amount=amount,
            currency=currency,
            product=product,
            status=SessionStatus.OPEN,
            success_url=fields.required("success_url"),
            cancel_url=fields.text("cancel_url"),
            client_reference=_reference(fields),
            metadata=fields.metadata(),
            intent_metadata=metadata,
            description=data.text("description"),
            code=random_text(_CODE_LENGTH),
            expires_at=self._expiry(fields),
        )
        return Result(self._desk.show(self._desk.create(session)))

    def _retrieve(self, call: Call) -> Result:
        call.fields.only()
        return Result(self._desk.show(self._find(call)))

    def _list(self, call: Call) -> Result:
        call.fields.only("limit", "starting_after", "payment_intent", "created")
        first, last = call.fields.created()
        limit = call.fields.limit()
        wanted = Wanted(
            account_id=call.account.id,
            intent=call.fields.text("payment_intent"),
            created_from=first,
            created_until=last,
            after=call.fields.text("starting_after"),
            limit=limit + 1,
        )
        found = self._tools.books.list_objects(Session, wanted)
        standing = [self._desk.find(session.id) or session for session in found[:limit]]
        return Result(
            {
                "object": "list",
                "data": [self._desk.show(session) for session in standing],
                "has_more": len(found) > limit,
                "url": "/v1/checkout/sessions",
            }
        )

    def _expire(self, call: Call) -> Result:
        call.fields.only()
        return Result(self._desk.show(self._desk.expire(self._find(call), call.origin)))

    def _find(self, call: Call) -> Session:
        session = self._desk.find(call.object_id, call.account.id)
        if session is None:
            raise missing("checkout.session", call.object_id, "id")
        return session

    def _expiry(self, fields: Fields) -> datetime:
        now, wanted = self._tools.now(), fields.integer("expires_at")
        if wanted is None:
            return now + _LATEST
        at = datetime.fromtimestamp(wanted, UTC)
        if not now + _SOONEST <= at <= now + _LATEST:
            message = "The `expires_at` timestamp must be 30 minutes to 24 hours from now."
            raise invalid("expires_at", message)
        return at


def _read_item(fields: Fields) -> tuple[int, str, str]:
    """Amount, currency and name of the one thing that is bought."""
    items = fields.part("line_items")
    item = items.part("0") if items is not None else None
    if items is None or item is None:
        raise invalid("line_items", "Missing required param: line_items.", "parameter_missing")
    items.only("0")
    item.only("price_data", "quantity")
    price = item.part("price_data")
    if price is None or item.integer("quantity") != 1:
        raise invalid("line_items[0]", "Here each session has one item with a price of its own.")
    price.only("currency", "unit_amount", "product_data")
    product = price.part("product_data") or Fields({})
    product.only("name")
    currency = price.currency()
    amount = Fields({"amount": price.required("unit_amount")}).amount(currency)
    return amount, currency, product.required("name")


def _reference(fields: Fields) -> str | None:
    reference = fields.text("client_reference_id")
    if reference is not None and len(reference) > _REFERENCE_MAX:
        raise invalid("client_reference_id", f"At most {_REFERENCE_MAX} characters.")
    return reference
