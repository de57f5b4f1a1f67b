"""Whether a payment is too risky to take. Small on purpose: one limit for each app.

A refusal is a verdict, never an error.
"""

from models.merchant import App
from models.payment import PaymentOrder, Verdict

RULE_VERSION = "risk-1"


def assess_risk(order: PaymentOrder, *, app: App) -> Verdict:
    """Refuse what is above the app's limit for one payment (minor units, any currency)."""
    limit = app.payment_limit_minor
    if limit is not None and order.money.amount_minor > limit:
        reason = f"{order.money.amount_minor} is above the app's limit of {limit} minor units"
        return Verdict(step="risk", accepted=False, rule_version=RULE_VERSION, reasons=(reason,))
    return Verdict(step="risk", accepted=True, rule_version=RULE_VERSION)
