"""The attempts that an executor was given and has not begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import repeat

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report

__all__ = ["Waiting"]


class Waiting:
    """`items.popleft()` begins one, from any thread: each is had by one taker.

    Attempts are never compared: what tasks are called with may have an `==` of its own.
    """

    def __init__(self) -> None:
        self.items: deque[tuple[AttemptRequest, Report]] = deque()

    def add(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        if len(attempts) == 1:
            self.items.append((attempts[0], report))
        else:
            self.items.extend(zip(attempts, repeat(report), strict=False))

    def take_all(self) -> list[tuple[AttemptRequest, Report]]:
        taken = []
        while self.items:
            try:
                taken.append(self.items.popleft())
            except IndexError:  # another thread was quicker
                break
        return taken

    def withdraw(self) -> list[AttemptKey]:
        return [request.key for request, _ in self.take_all()]

    def cancel(self, key: AttemptKey, clock: Clock) -> bool:
        """Take one out and report it as cancelled; False if it is not here (any more)."""
        taken = self.take_all()
        found = next((item for item in taken if item[0].key == key), None)
        self.items.extendleft(item for item in reversed(taken) if item is not found)
        if found is None:
            return False
        now = clock.now()
        found[1]((Outcome(key, now, now, cancelled=True),))
        return True
