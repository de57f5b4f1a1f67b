"""Whether an order can be a payment at all: the order and its surroundings in, a verdict out."""

from models.merchant import App, Merchant
from models.payment import PaymentOrder, Verdict

RULE_VERSION = "validation-1"


def validate_order(order: PaymentOrder, *, app: App, merchant: Merchant) -> Verdict:
    """Check what only our own records can tell; the API has checked each field by itself."""
    reasons = tuple(
        reason
        for broken, reason in (
            (app.status != "active", f"app {app.id} is {app.status}"),
            (merchant.status != "active", f"merchant {merchant.id} is {merchant.status}"),
            (merchant.app_id != order.app_id, "the merchant belongs to another app"),
            (order.money.amount_minor <= 0, "the amount is not above zero"),
            (order.expires_at <= order.created_at, "the order expires before it begins"),
        )
        if broken
    )
    return Verdict(
        step="validation", accepted=not reasons, rule_version=RULE_VERSION, reasons=reasons
    )
