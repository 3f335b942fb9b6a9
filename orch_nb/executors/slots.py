"""How many attempts run at once, counted once for all the places of a run.

Threads, coroutines, commands and processes share one number of workers. What does the running (a
thread, a runner on the loop, a command) takes a slot when it begins to work and gives it back when
it has nothing left to do, not for each attempt: so the count is exact and costs a short attempt
nothing.

    take ──► there is one: work through the queue, then give
        └──► there is none: `granted` is called once there is one, which is then yours
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
            grants = self._grants()
        for granted in grants:
            granted()

    def take(self, granted: Callable[[], None], *, hungry: bool) -> bool:
        """A slot, if one is free. Else `granted` is called once, from any thread, with the slot
        that it then has: to be used, or given back.

        `hungry`: who asks runs nothing at all, so that others make room after their attempt.
        """
        with self._lock:
            if self._used < self.total:
                self._used += 1
                return True
            self._waiting[granted] = hungry
            self.crowded = self.crowded or hungry
            return False

    def give(self) -> None:
        with self._lock:
            self._used -= 1
            grants = self._grants() if self._waiting or self.crowded else ()
        for granted in grants:
            granted()

    def _grants(self) -> list[Callable[[], None]]:
        """Whom free slots go to: the hungry first."""
        grants: list[Callable[[], None]] = []
        while self._waiting and self._used < self.total:
            chosen = next((one for one, hungry in self._waiting.items() if hungry), None)
            chosen = chosen or next(iter(self._waiting))
            del self._waiting[chosen]
            self._used += 1
            grants.append(chosen)
        self.crowded = self._used > self.total or any(self._waiting.values())
        return grants
