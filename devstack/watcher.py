"""Restarts what crashed, with growing pauses, until told to leave it."""

import threading
import time
from collections.abc import Callable, Sequence

from devstack.children import Component

_LOOK_EVERY_SECONDS = 0.1
# Seconds before each restart of one component; the last repeats. Living this long starts over.
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SETTLED_AFTER_SECONDS = 60.0


class Watcher:
    """Watches the components that are wanted. `lock` is held around everything it does to them."""

    def __init__(
        self,
        components: Sequence[Component],
        lock: threading.RLock,
        announce: Callable[[str], None],
    ) -> None:
        self.enabled = True
        self.wanted: set[str] = set()
        self._components = components
        self._lock = lock
        self._announce = announce
        self._ended = threading.Event()
        self._crashes: dict[str, list[float]] = {}
        self._due: dict[str, float] = {}
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            for component in self._components:
                with self._lock:
                    self.look_at(component)

    def look_at(self, component: Component) -> None:
        """Start it again if it is down, wanted, and its pause is over."""
        name = component.name
        if not self.enabled or name not in self.wanted or component.is_running:
            self._due.pop(name, None)
            return
        now = time.monotonic()
        if name not in self._due:
            pause = self.next_pause(name, now)
            self._due[name] = now + pause
            self._announce(f"{name} ended; it starts again in {pause:g} s ({component.log_file})")
        elif now >= self._due[name]:
            del self._due[name]
            self._restart(component)

    def _restart(self, component: Component) -> None:
        try:
            component.spawn()
        except Exception as error:  # whatever it is, the next round tries again
            self._announce(f"{component.name} could not be started: {error}")

    def next_pause(self, name: str, now: float) -> float:
        """Seconds to wait after a crash at `now`: more with each of the last minute."""
        recent = [at for at in self._crashes.get(name, []) if now - at < _SETTLED_AFTER_SECONDS]
        self._crashes[name] = [*recent, now][-len(_PAUSES) :]
        return _PAUSES[min(len(recent), len(_PAUSES) - 1)]
