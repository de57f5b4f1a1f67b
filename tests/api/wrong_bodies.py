"""What is wrong in each field of each route's body, and in each query."""

from typing import Any

from tests.api import testpay

# Whose body is a file. What is wrong with one is told by the statement's own reader.
FILES = {("POST", "/v1/reconciliations/upload")}

TEXT: tuple[Any, ...] = (1, True, 1.5, None, [], {}, "", "a\x00b", "\ud800", "x" * 20_000)
FREE_TEXT = (*TEXT, " ", "a\nb", "4111 1111 1111 1111")
NAME_ = (*TEXT, "a b", "订单", "4111111111111111")
WHOLE: tuple[Any, ...] = (True, False, 1.0, 1.5, "1", "1e3", "", [], {}, 2**70, -1)
AMOUNT = (*WHOLE, None, 0, 10**14, -(10**20))


def optional(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Without null, which an optional field takes."""
    return tuple(value for value in values if value is not None)


WHY = {"reason": "the contract has ended"}
REASON = (*FREE_TEXT, "x" * 201)
WEBHOOK_URLS = (
    *optional(TEXT),
    "http://shop.example.com",
    "https://127.0.0.1",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://169.254.169.254/latest",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://localhost/",
    "https://shop.example.com:22/",
    "https://me@shop.example.com/",
)
RETURN_URLS: tuple[Any, ...] = (
    1,
    "https://shop.example.com/",
    ["http://shop.example.com/"],
    ["https://shop.example.com/?a=b"],
    ["https://shop.example.com/#a"],
    ["https://shop.example.com/a/../b"],
    ["https://shop.example.com/%2e%2E/b"],
    ["https://me@shop.example.com/"],
    ["javascript:alert(1)"],
    ["https://shop.example.com/"] * 11,
)

# (method, path) -> (good body, field -> wrong values)
BODIES: dict[tuple[str, str], tuple[dict[str, Any], dict[str, tuple[Any, ...]]]] = {
    ("POST", "/v1/payments"): (
        {},
        {
            "order_no": NAME_,
            "merchant_id": NAME_,
            "amount": AMOUNT,
            "currency": (*TEXT, "XXQ", "cny", "CNYY", "€"),
            "method": (*optional(NAME_), "nobody_pays_like_this"),
            "subject": FREE_TEXT,
            "expires_in": (*WHOLE, 0, 59, 604_801),
            "return_url": (*optional(TEXT), "javascript:alert(1)", "ftp://a.example", "https://"),
            "payer_code": (*optional(TEXT), "4111111111111111", "281234567890123456"),
            "late_success": (*optional(TEXT), "keep", "ACCEPT"),
            "capture_method": (*optional(TEXT), "later", "MANUAL", "manual"),
            "capture_within": (*WHOLE, 0, 59, 31_536_001, 3600),
        },
    ),
    ("POST", "/v1/payments/{payment_id}/capture"): ({}, {"amount": optional(AMOUNT)}),
    ("POST", "/v1/payments/{payment_id}/cancel"): ({}, {"reason": optional(FREE_TEXT)}),
    ("POST", "/v1/refunds"): (
        {
            "payment_id": "pay_01KAH3W3F0Q7V2H8T0M4X5N6P7",
            "refund_no": "R-1",
            "amount": 500,
        },
        {
            "payment_id": NAME_,
            "refund_no": NAME_,
            "amount": AMOUNT,
            "currency": (*optional(TEXT), "XXQ", "cny", "CNYY", "€"),
            "reason": optional(FREE_TEXT),
        },
    ),
    ("POST", "/v1/refunds/{refund_id}/approve"): ({}, {"reason": optional(FREE_TEXT)}),
    ("POST", "/v1/refunds/{refund_id}/reject"): ({}, {"reason": optional(FREE_TEXT)}),
    ("POST", "/v1/events/{event_id}/redeliver"): ({}, {}),
    ("POST", "/v1/merchants"): (
        {"name": "Cinema"},
        {"name": FREE_TEXT, "app_id": (*optional(NAME_), "app_1")},
    ),
    ("POST", "/v1/channel-accounts"): (
        {
            "channel": testpay.NAME,
            "methods": ["test_qr"],
            "fee_bps": 60,
            "parameters": testpay.PARAMETERS,
        },
        {
            "merchant_id": NAME_,
            "channel": (*NAME_, "nobody"),
            "methods": ("test_qr", None, 1, [], ["nobody"], [1], [None], ["test_qr"] * 33),
            "fee_bps": (*WHOLE, None, 10_001),
            "channel_fee_bps": (*WHOLE, 10_001),
            "parameters": (
                None,
                1,
                [],
                {},
                testpay.PARAMETERS | {"more": "x"},
                testpay.PARAMETERS | {"secret": "short"},
                testpay.PARAMETERS | {"secret": 1},
                testpay.PARAMETERS | {"merchant_number": "x" * 33},
            ),
        },
    ),
    ("POST", "/v1/reconciliations"): (
        {"business_day": "2026-01-31"},
        {
            "account_id": NAME_,
            "business_day": (*TEXT, "2026-02-30", "20260131", "2026-01-31T00:00:00Z", "2999-01-01"),
        },
    ),
    ("POST", "/v1/reconciliations/{reconciliation_id}/sign-off"): ({}, {}),
    ("POST", "/v1/discrepancies/{discrepancy_id}/repair"): (
        {"action": "suspense", "reason": "looked at it"},
        {"action": (*TEXT, "keep", "BOOK"), "reason": FREE_TEXT},
    ),
    ("POST", "/v1/discrepancies/{discrepancy_id}/approve"): ({}, {"reason": optional(FREE_TEXT)}),
    ("POST", "/v1/discrepancies/{discrepancy_id}/reject"): ({}, {"reason": optional(FREE_TEXT)}),
    ("POST", "/v1/channel-accounts/{account_id}/disable"): (WHY, {"reason": REASON}),
    ("PATCH", "/v1/channel-accounts/{account_id}"): (
        {},
        {
            "methods": (1, [], ["nobody"], [1], ["test_qr"] * 33),
            "fee_bps": (*WHOLE, None, 10_001),
            "channel_fee_bps": (*WHOLE, 10_001),
            "version": (*WHOLE, 0),
        },
    ),
    ("POST", "/v1/channel-accounts/{account_id}/rotate"): (
        {"parameters": {"secret": "another secret"}},
        {
            "parameters": (None, 1, [], {}, {"more": "x"}, {"secret": "short"}, {"secret": 1}),
            "overlap_seconds": (*WHOLE, None, 2_592_001),
            "version": (*WHOLE, 0),
        },
    ),
    ("POST", "/v1/keys"): (
        {"name": "second"},
        {
            "name": (*FREE_TEXT, "x" * 101),
            "role": (*TEXT, "owner", "admin"),
            "app_id": (*optional(NAME_), "app_1"),
            "expires_at": (*optional(TEXT), "tomorrow", "2026-01-01", "2020-01-01T00:00:00Z"),
        },
    ),
    ("POST", "/v1/keys/{key_id}/rotate"): ({}, {"overlap_seconds": (*WHOLE, None, 2_592_001)}),
    ("POST", "/v1/keys/{key_id}/disable"): (WHY, {"reason": REASON}),
    ("PATCH", "/v1/merchants/{merchant_id}"): (
        {"name": "Cinema"},
        {"name": (*FREE_TEXT, "x" * 101), "version": (*WHOLE, 0)},
    ),
    ("POST", "/v1/merchants/{merchant_id}/disable"): (WHY, {"reason": REASON}),
    ("POST", "/v1/merchants/{merchant_id}/enable"): ({}, {}),
    ("POST", "/v1/apps/{app_id}/disable"): (WHY, {"reason": REASON}),
    ("POST", "/v1/apps/{app_id}/enable"): ({}, {}),
    ("POST", "/v1/apps/{app_id}/webhook-secret/rotate"): (
        {},
        {"overlap_seconds": (*WHOLE, None, 2_592_001)},
    ),
    ("PATCH", "/v1/apps/{app_id}"): (
        {},
        {
            "name": (*FREE_TEXT, "x" * 101),
            "webhook_url": WEBHOOK_URLS,
            "late_success": (*TEXT, "keep"),
            "payment_limit": optional(AMOUNT),
            "refund_approval_above": (*WHOLE, 10**14, -(10**20)),
            "return_urls": (None, *RETURN_URLS),
            "version": (*WHOLE, 0),
        },
    ),
    ("POST", "/v1/channel-accounts/{account_id}/enable"): ({}, {}),
    ("POST", "/v1/apps"): (
        {"name": "Shop"},
        {
            "name": FREE_TEXT,
            "webhook_url": WEBHOOK_URLS,
            "late_success": (*TEXT, "keep"),
            "payment_limit": optional(AMOUNT),
            "refund_approval_above": (*WHOLE, 10**14, -(10**20)),
            "return_urls": RETURN_URLS,
        },
    ),
    ("POST", "/v1/operators"): (
        {"login": "kim", "name": "Kim", "role": "ops"},
        {
            "login": (*TEXT, "k", "Kim", "a b", "金", "k" * 65),
            "name": (*FREE_TEXT, "x" * 101),
            "role": (*TEXT, "app", "owner"),
        },
    ),
    ("POST", "/v1/operators/{operator_id}/disable"): ({}, {}),
    ("POST", "/v1/operators/{operator_id}/enable"): ({}, {}),
    ("POST", "/v1/operators/{operator_id}/reset-password"): ({}, {}),
    ("POST", "/v1/apps/{app_id}/webhook/pause"): ({}, {}),
    ("POST", "/v1/apps/{app_id}/webhook/resume"): ({}, {}),
    ("POST", "/v1/apps/{app_id}/events/replay"): (
        {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
        {
            "since": (*TEXT, "yesterday", "2026-01-01", "2026-01-01T00:00:00", 1e9),
            "until": (*TEXT, "tomorrow", "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"),
        },
    ),
}

QUERIES: dict[str, tuple[str, ...]] = {
    "limit": ("0", "101", "-1", "1.5", "many", "1e2", ""),
    "cursor": ("%00", "not a cursor", "x" * 300, "é"),
    "status": ("paid", ""),
    "q": ("a%20b", "x" * 129, "4111111111111111", ""),
    "method": ("a%20b", ""),
    "channel": ("a%20b", ""),
    "amount": ("0", "-1", "1.5", "1e3", "many", ""),
    "created_from": ("yesterday", "2026-01-01T00:00:00", ""),
    "created_to": ("yesterday", "2026-01-01T00:00:00", ""),
    "match": ("lost", ""),
    "order_no": ("a%20b", "x" * 65, ""),
    "app_id": ("a%20b", ""),
    "payment_id": ("a%20b", ""),
    "object_id": ("a%20b", ""),
    "merchant_id": ("a%20b", ""),
    "account_id": ("a%20b", ""),
    "class": ("gone", ""),
    "business_day": ("tomorrow", "2026-02-30", ""),
    "account": ("9999:x", "1101:a%20b", ""),
    "currency": ("XXQ", "cny", ""),
    "at": ("yesterday", "2026-01-01", ""),
    "since": ("yesterday", "2026-01-01T00:00:00", ""),
    "until": ("yesterday", "2026-01-01T00:00:00", ""),
    "format": ("xlsx", ""),
    "hours": ("0", "169", "-1", "1.5", "many", ""),
    "days": ("0", "93", "-1", "1.5", ""),
    "bucket": ("minute", ""),
    "kind": ("9999", ""),
    "age": ("young", ""),
    "month": ("2026-13", "2026-1", "november", ""),
    "unknown": ("1",),
}
