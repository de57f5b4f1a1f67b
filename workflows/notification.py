"""What the first try did not deliver, for one app: tried for days, in order, never dropped."""

from datetime import timedelta

from temporalio import workflow

from activities.notifications import NotificationActivities
from models.notification import NotificationRun
from models.steps import DeliveryRound
from workflows import options

# An idle run ends; the next undelivered event starts another.
_IDLE = timedelta(minutes=10)


@workflow.defn
class NotificationWorkflow:
    """One run for each app with something undelivered, id `notify/app_…`."""

    @workflow.init
    def __init__(self, app: NotificationRun) -> None:
        self._app = app
        self._paused = app.paused
        self._news = True

    @workflow.run
    async def run(self, app: NotificationRun) -> None:
        """Deliver what is due, sleep until the next is due, end when nothing is left."""
        while True:
            await workflow.wait_condition(lambda: not self._paused)
            self._news = False
            done = await self._deliver()
            if done.paused:
                self._paused = True
            elif not await self._wait_for_more(done):
                return
            if workflow.info().is_continue_as_new_suggested():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(app.model_copy(update={"paused": self._paused}))

    @workflow.signal
    def wake(self) -> None:
        """Something is due: look now."""
        self._news = True

    @workflow.signal
    def pause(self) -> None:
        """Send nothing until resumed; everything is kept."""
        self._paused = True

    @workflow.signal
    def resume(self) -> None:
        self._paused = False
        self._news = True

    async def _deliver(self) -> DeliveryRound:
        workflow.set_current_details(f"delivering what is due for {self._app.app_id}")
        return await workflow.execute_activity_method(
            NotificationActivities.deliver_due,
            self._app,
            summary="deliver what is due",
            **options.DELIVER,
        )

    async def _wait_for_more(self, done: DeliveryRound) -> bool:
        """False when nothing came for so long that the run may end."""
        wait = _IDLE if done.next_in_seconds is None else timedelta(seconds=done.next_in_seconds)
        workflow.set_current_details(f"next look at {workflow.now() + wait:%Y-%m-%d %H:%M:%S} UTC")
        try:
            await workflow.wait_condition(lambda: self._news or self._paused, timeout=wait)
        except TimeoutError:
            return done.next_in_seconds is not None
        return True
