"""The callbacks of one payment or refund: each counts once, and counts as handled once weighed."""

from models.channel import Approved, ChannelEvent


class News:
    """What was heard and not looked at yet, and what was looked at.

    A callback that nobody looked at stays unhandled on disk: the sweeper hands it on again, and
    after the payment's end it becomes late money.
    """

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._waiting: list[ChannelEvent] = []
        self._weighed: list[str] = []
        self._watched: set[str] = set()

    def watch(self, serial: str) -> None:
        """Keep what says that this serial was paid, whatever else is weighed meanwhile."""
        self._watched.add(serial)

    def hear(self, event: ChannelEvent) -> None:
        """Channels send the same news again and again: once is enough."""
        if event.callback_id not in self._heard:
            self._heard.add(event.callback_id)
            if event.serial not in self._watched or isinstance(event.outcome, Approved):
                self._waiting.append(event)

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to weigh that is not about a watched serial."""
        return any(event.serial not in self._watched for event in self._waiting)

    @property
    def watched_and_paid(self) -> str | None:
        """A watched serial that was paid after all."""
        waiting = (event.serial for event in self._waiting if event.serial in self._watched)
        return next(waiting, None)

    @property
    def weighed(self) -> tuple[str, ...]:
        """The callbacks that an end may answer."""
        return tuple(self._weighed)

    def take(self, serial: str) -> ChannelEvent | None:
        """The best of what waits about a serial: one that says paid wins over any other.

        What is about another serial is let go unweighed, unless that serial is watched.
        """
        events = [event for event in self._waiting if event.serial == serial]
        self._waiting = [
            event
            for event in self._waiting
            if event.serial in self._watched and event.serial != serial
        ]
        self._weighed += [event.callback_id for event in events]
        paid = [event for event in events if isinstance(event.outcome, Approved)]
        return (paid or events)[-1] if events else None
