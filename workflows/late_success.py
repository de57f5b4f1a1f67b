"""Money that arrived after we closed a payment: accepted, to be refunded, or asked about.

The app is told exactly once. Until refunds exist, money that is to go back waits in suspense.
"""

from datetime import timedelta

from temporalio import workflow

from activities.ledger import LedgerActivities
from activities.records import RecordActivities
from models.channel import Declined
from models.payment import LateSuccess, PaymentState
from workflows import channel_calls, options

# The callback is verified, so the query is a second opinion: a channel that cancelled a paid order
# has given the money back by itself, and its "paid" is older news. After this long the callback
# counts alone.
SECOND_OPINION_WITHIN = timedelta(hours=1)


@workflow.defn
class LateSuccessWorkflow:
    """One run for each late callback, id `late/pay_…/cb_…`; money booked once changes nothing."""

    @workflow.run
    async def run(self, late: LateSuccess) -> PaymentState | None:
        """Book the money by the app's policy; None when there is none, or it was booked before."""
        workflow.set_current_details(f"{late.money} came late; the app's policy is {late.policy}")
        case = await workflow.execute_local_activity_method(
            RecordActivities.read_late_case, late, **options.OUR_RECORDS
        )
        finding = await channel_calls.ask_until_known(
            case.order, case.attempt, within=SECOND_OPINION_WITHIN.total_seconds()
        )
        if isinstance(finding.outcome, Declined):
            await workflow.execute_local_activity_method(
                LedgerActivities.dismiss_late, late, **options.OUR_RECORDS
            )
            return None
        return await workflow.execute_local_activity_method(
            LedgerActivities.settle_late,
            late,
            **options.OUR_RECORDS,
            summary=f"{late.policy} {late.money}",
        )
