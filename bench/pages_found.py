"""Every page there is, found in the routes themselves, with something to show on each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from fastapi.routing import APIRoute

from api.checkout.router import router as checkout_router
from api.console.routes import ROUTERS

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

# What goes into the holes of addresses: somebody's newest, or the one that has most to show.
_SAMPLES = {
    "payment_id": """
        SELECT id FROM payment WHERE status = 'succeeded' AND id IN (
            SELECT payment_id FROM refund WHERE status = 'succeeded'
            ORDER BY created_at DESC LIMIT 1)""",
    "event_id": "SELECT id FROM notification ORDER BY created_at DESC LIMIT 1",
    "callback_id": "SELECT id FROM callback WHERE match = 'parked' ORDER BY received_at LIMIT 1",
    "discrepancy_id": """
        SELECT id FROM discrepancy WHERE status = 'awaiting_approval' ORDER BY id DESC LIMIT 1""",
    "reconciliation_id": "SELECT reconciliation_id FROM discrepancy ORDER BY id DESC LIMIT 1",
    "account_id": "SELECT account_id FROM discrepancy ORDER BY id DESC LIMIT 1",
    "day": "SELECT business_day FROM discrepancy ORDER BY id DESC LIMIT 1",
    "refund_id": "SELECT id FROM refund WHERE status = 'succeeded' ORDER BY id DESC LIMIT 1",
    "token": """
        SELECT checkout_token FROM payment WHERE status = 'requires_action'
        AND checkout_token IS NOT NULL ORDER BY id DESC LIMIT 1""",
    "app_id": "SELECT id FROM app ORDER BY id DESC LIMIT 1",
    "merchant_id": """
        SELECT merchant_id FROM payment GROUP BY merchant_id ORDER BY count(*) DESC LIMIT 1""",
    "rare_merchant_id": """
        SELECT merchant_id FROM payment GROUP BY merchant_id ORDER BY count(*) LIMIT 1""",
    "key_id": "SELECT id FROM api_key WHERE app_id IS NOT NULL ORDER BY id DESC LIMIT 1",
    "operator_id": "SELECT id FROM operator ORDER BY id DESC LIMIT 1",
    "order_no": "SELECT order_no FROM payment ORDER BY id LIMIT 1",
    "serial": "SELECT serial FROM attempt ORDER BY id LIMIT 1",
    "reference": """
        SELECT channel_reference FROM attempt WHERE channel_reference IS NOT NULL
        ORDER BY id LIMIT 1""",
    "clearing": "SELECT '1101:' || account_id FROM discrepancy ORDER BY id DESC LIMIT 1",
    "currency": "SELECT currency FROM discrepancy ORDER BY id DESC LIMIT 1",
    "since": "SELECT to_char(now() - interval '30 days', 'YYYY-MM-DD')",
    "until": "SELECT to_char(now(), 'YYYY-MM-DD')",
    "month": "SELECT to_char(now(), 'YYYY-MM')",
}
# Charts have names, which no table knows.
_FIXED = {"name": "volume"}

_DAY_OF_CHANNEL = {"account_id": "{account_id}", "business_day": "{day}"}
_STATEMENT = {"account": "{clearing}", "currency": "{currency}"}
_PAYMENTS: tuple[Mapping[str, str], ...] = (
    {},
    {"q": "{payment_id}"},
    {"q": "{order_no}"},
    {"q": "{serial}"},
    {"q": "{reference}"},
    {"q": "nothing-has-this-number"},
    {"status": "succeeded"},
    {"status": "failed"},
    {"status": "review"},
    {"status": "processing"},
    {"merchant_id": "{merchant_id}"},
    {"merchant_id": "{rare_merchant_id}"},
    {"merchant_id": "{merchant_id}", "status": "review"},
    {"merchant_id": "{rare_merchant_id}", "status": "failed"},
    {"method": "alipay_qr"},
    {"channel": "stripe"},
    {"channel": "nowhere"},
)
# Pages that are asked something, other than nothing at all.
_ASKED: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "/console/": ({}, {"window": "30d"}),
    "/console/payments": (*_PAYMENTS, {"amount": "77777.77"}),
    "/console/charts/{name}.svg": ({"currency": "CNY"}, {"currency": "CNY", "window": "30d"}),
    "/console/balances/statement": (_STATEMENT, _STATEMENT | {"since": "{since}"}),
    "/console/balances/statement.csv": (_STATEMENT,),
    "/console/balances/channel-day": (_DAY_OF_CHANNEL,),
    "/console/discrepancies": ({}, {"status": "open"}, {"age": "any"}, {"class": "amount_diff"}),
    "/v1/payments": (
        *_PAYMENTS,
        {"app_id": "{app_id}"},
        {"order_no": "{order_no}"},
        {"amount": "7777777"},
        {"created_from": "{since}T00:00:00Z", "created_to": "{until}T00:00:00Z"},
    ),
    "/v1/callbacks": tuple(
        {"match": match} for match in ("parked", "disputed", "unanswered", "rejected")
    ),
    "/v1/refunds": ({}, {"status": "pending_approval"}, {"payment_id": "{payment_id}"}),
    "/v1/events": ({}, {"status": "due"}, {"app_id": "{app_id}"}, {"object_id": "{payment_id}"}),
    "/v1/discrepancies": ({}, {"status": "open"}, {"payment_id": "{payment_id}"}),
    "/v1/reconciliations/calendar": ({"month": "{month}"},),
    "/v1/reports/account-statement": (
        _STATEMENT | {"since": "{since}T00:00:00Z", "until": "{until}T00:00:00Z"},
    ),
    "/v1/reports/channel-day": (_DAY_OF_CHANNEL,),
    "/v1/statistics": ({}, {"days": "30"}),
}
# What cannot be timed like a page, and why.
_LEFT_OUT = {
    "/checkout/{token}/events": "a stream that stays open",
    "/checkout/{token}/qr.svg": "404 until the payer has chosen a method with a code",
    "/console/login": "goes on to the start page for whoever is logged in",
}


@dataclass(frozen=True)
class FoundPage:
    """One address to look at. `label` is the same whatever the database holds."""

    label: str
    path: str
    query: Mapping[str, str]

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/v1/")


def found_pages(openapi: Mapping[str, Any], owner_url: str) -> list[FoundPage]:
    """The console, the cash desk, and what the API answers to GET.

    Raises LookupError for a page that nobody has said how to ask for.
    """
    with psycopg.connect(owner_url) as connection:
        samples = dict(_FIXED)
        for name, query in _SAMPLES.items():
            row = connection.execute(query.encode()).fetchone()
            samples[name] = str(row[0]) if row else ""
    return [
        FoundPage(_label(path, query), _filled(path, samples), _all_filled(query, samples))
        for path in (*_routes(), *_api_paths(openapi))
        if path not in _LEFT_OUT
        for query in _ASKED.get(path, ({},))
    ]


def _routes() -> list[str]:
    routes = [route for router in (*ROUTERS, checkout_router) for route in router.routes]
    return [
        route.path
        for route in routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    ]


def _api_paths(openapi: Mapping[str, Any]) -> list[str]:
    return [path for path, item in openapi["paths"].items() if "get" in item and "/v1/" in path]


def _label(path: str, query: Mapping[str, str]) -> str:
    return path + (
        "?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else ""
    )


def _all_filled(query: Mapping[str, str], samples: Mapping[str, str]) -> dict[str, str]:
    return {name: _filled(value, samples) for name, value in query.items()}


def _filled(text: str, samples: Mapping[str, str]) -> str:
    def sample(hole: re.Match[str]) -> str:
        value = samples.get(hole.group(1))
        if not value:
            raise LookupError(f"nothing is known to fill {{{hole.group(1)}}} of {text} with")
        return value

    return _PARAMETER.sub(sample, text)
