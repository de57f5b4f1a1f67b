"""Task queues: one per kind of work, so that none waits behind another (bulkheads)."""

PAYMENTS = "payments"
NOTIFICATIONS = "notifications"
RECONCILIATION = "reconciliation"


def channel_queue(channel: str) -> str:
    """The queue of one channel: when it hangs, it slows only itself."""
    return f"channel-{channel}"
