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

    def hear(self, event: ChannelEvent) -> None:
        """Channels send the same news again and again: once is enough."""
        if event.callback_id not in self._heard:
            self._heard.add(event.callback_id)
            self._waiting.append(event)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def weighed(self) -> tuple[str, ...]:
        """The callbacks that an end may answer."""
        return tuple(self._weighed)

    def take(self, serial: str) -> ChannelEvent | None:
        """The best of what waits about a serial: one that says paid wins over any other.

        What is about another serial is let go unweighed.
        """
        events = [event for event in self._waiting if event.serial == serial]
        self._waiting.clear()
        self._weighed += [event.callback_id for event in events]
        paid = [event for event in events if isinstance(event.outcome, Approved)]
        return (paid or events)[-1] if events else None
