"""An executor that is given more attempts than it runs at once, as those of short ones are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock
from orch_nb.testing import FakeExecutor

__all__ = ["Queueing"]


class Queueing(FakeExecutor):
    """Runs as many attempts at once as there are workers; the others stand in `queue`, from which
    `withdraw` takes them back. `given_back` remembers those, `requests` those that began."""

    ahead = 64

    def __init__(self, *script: Any, **fields: Any) -> None:
        super().__init__(*script, **fields)
        self.queue: deque[tuple[AttemptRequest, Callable[..., None]]] = deque()
        self.workers = 0
        self.given_back: list[AttemptKey] = []

    def start(self, clock: Clock, workers: int) -> None:
        super().start(clock, workers)
        self.workers = workers
        self._next()

    def submit(self, attempts: Sequence[AttemptRequest], report: Callable[..., None]) -> None:
        def reported(outcomes: Any) -> None:
            report(outcomes)
            self._next()

        self.queue.extend((request, reported) for request in attempts)
        self._next()

    def _next(self) -> None:
        while self.queue and len(self._running) < self.workers:
            request, report = self.queue.popleft()
            super().submit([request], report)

    def cancel(self, key: AttemptKey) -> bool:
        for waiting in self.queue:
            if waiting[0].key == key:  # it never begins
                self.queue.remove(waiting)
                return False
        if super().cancel(key):
            return True
        self._running.pop(key, None)  # what cannot be stopped is left behind
        self._next()
        return False

    def withdraw(self) -> list[AttemptKey]:
        back = [request.key for request, _ in self.queue]
        self.queue.clear()
        self.given_back += back
        return back
