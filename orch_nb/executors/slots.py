"""How many attempts run at once, counted once for all the places of a run.

Threads, coroutines, commands and processes share one number of workers. What does the running (a
thread, a runner on the loop, a command) takes a slot when it begins to work and gives it back when
it has nothing left to do, not for each attempt: so the count is exact and costs a short attempt
nothing.

    take ──► there is one: work through the queue, then give
        └──► there is none: `wake` is called when there may be one again
"""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Slots"]


class Slots:
    """May be used from any thread."""

    def __init__(self, total: int = 1) -> None:
        self.total = total
        #: Somebody who runs nothing waits, or there are more at work than there may be now: who
        #: could go on with the next attempt gives its slot back instead.
        self.crowded = False
        self._used = 0
        self._waiting: dict[Callable[[], None], bool] = {}  # in the order of asking; is it hungry?
        self._lock = threading.Lock()

    def resize(self, total: int) -> None:
        """Slots that are in use beyond the new number are not given anew."""
        with self._lock:
            self.total = total
            woken = self._to_wake()
        for wake in woken:
            wake()

    def take(self, wake: Callable[[], None], *, hungry: bool) -> bool:
        """A slot, if one is free. Else `wake` is called once, from any thread, when one may be.

        `hungry`: who asks runs nothing at all, so that others make room after their attempt.
        """
        with self._lock:
            if self._used < self.total:
                self._used += 1
                return True
            self._waiting[wake] = hungry
            self.crowded = self.crowded or hungry
            return False

    def give(self) -> None:
        with self._lock:
            self._used -= 1
            woken = self._to_wake() if self._waiting or self.crowded else ()
        for wake in woken:
            wake()

    def _to_wake(self) -> list[Callable[[], None]]:
        """All who wait, since one who was woken may want nothing any more."""
        woken: list[Callable[[], None]] = []
        if self._used < self.total:
            woken = list(self._waiting)
            self._waiting.clear()
        self.crowded = self._used > self.total or any(self._waiting.values())
        return woken
