"""Money that arrived after we closed a payment: accepted, to be refunded, or asked about.

The app is told exactly once. Until refunds exist, money that is to go back waits in suspense.
"""

from temporalio import workflow

from activities.ledger import LedgerActivities
from models.payment import LateSuccess, PaymentState
from workflows import options


@workflow.defn
class LateSuccessWorkflow:
    """One run for each late callback, id `late/pay_…/cb_…`; money booked once changes nothing."""

    @workflow.run
    async def run(self, late: LateSuccess) -> PaymentState | None:
        workflow.set_current_details(f"{late.money} came late; the app's policy is {late.policy}")
        return await workflow.execute_local_activity_method(
            LedgerActivities.settle_late,
            late,
            **options.OUR_RECORDS,
            summary=f"{late.policy} {late.money}",
        )
