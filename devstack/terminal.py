"""The terminal we talk to, which may be closed at any time."""

from rich.console import Console


class Terminal(Console):
    """A console that falls silent, instead of ending the process, when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
