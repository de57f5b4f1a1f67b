"""Counters and histograms, one place. Labels are few and never carry an id."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

SQL_TRANSACTIONS = Counter(
    "paycenter_sql_transactions",
    "Committed PostgreSQL transactions by what they were for",
    ["name"],
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "paycenter_http_requests",
    "API requests by route template, method and status",
    ["route", "method", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "paycenter_http_request_seconds",
    "Time to answer API requests by route template",
    ["route"],
    registry=REGISTRY,
)
CALLBACKS = Counter(
    "paycenter_callbacks",
    "Callbacks from channels by what became of them",
    ["channel", "result"],
    registry=REGISTRY,
)
CHANNEL_CALLS = Counter(
    "paycenter_channel_calls",
    "Calls to channels by operation and outcome",
    ["channel", "operation", "outcome"],
    registry=REGISTRY,
)
CHANNEL_SECONDS = Histogram(
    "paycenter_channel_call_seconds",
    "Time a channel took to answer",
    ["channel", "operation"],
    registry=REGISTRY,
)
PAYMENTS_ENDED = Counter(
    "paycenter_payments_ended",
    "Payments that reached an end, by status and by what decided it",
    ["status", "evidence"],
    registry=REGISTRY,
)
REFUNDS_MOVED = Counter(
    "paycenter_refunds_moved",
    "Refunds that reached an end or a person's desk, by status",
    ["status"],
    registry=REGISTRY,
)
NOTIFICATIONS = Counter(
    "paycenter_notifications",
    "Notification deliveries by result",
    ["result"],
    registry=REGISTRY,
)
SWEPT = Counter(
    "paycenter_swept",
    "What a crash had left behind and a sweeper picked up",
    ["kind"],
    registry=REGISTRY,
)
WAITING = Gauge(
    "paycenter_waiting",
    "Things that wait, by kind, as the last sweep saw them",
    ["kind"],
    registry=REGISTRY,
)
DISCREPANCIES = Counter(
    "paycenter_discrepancies",
    "What a statement and our books disagreed in, by class; a day that is run again counts again",
    ["channel", "discrepancy"],
    registry=REGISTRY,
)
RECONCILIATIONS = Counter(
    "paycenter_reconciliations",
    "Runs of reconciliations by how they ended",
    ["channel", "status"],
    registry=REGISTRY,
)
CHECK_FINDINGS = Gauge(
    "paycenter_check_findings",
    "What the last look around found not to fit, by kind",
    ["kind"],
    registry=REGISTRY,
)
CHECK_FINISHED = Gauge(
    "paycenter_check_finished_timestamp_seconds",
    "When the last look around ended; one that is old means that nobody looks",
    registry=REGISTRY,
)
