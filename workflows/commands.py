"""What people and apps told a payment to do. The first word of each kind counts."""

from models.payment import Cancellation, Capture


class Commands:
    """Commands heard so far; the process looks at them when it can act on them."""

    def __init__(self) -> None:
        self.cancellation: Cancellation | None = None
        self.capture: Capture | None = None

    def hear_cancellation(self, cancellation: Cancellation) -> None:
        self.cancellation = self.cancellation or cancellation

    def hear_capture(self, capture: Capture) -> None:
        """A capture after a cancellation comes too late; a second one changes nothing."""
        if self.cancellation is None:
            self.capture = self.capture or capture
