"""Attempts in daemon threads of our own, fed by one queue.

No futures and no pool: a thread takes the next attempt, runs it, reports it, takes the next. As
many threads are made as there are attempts at once, up to what the scheduler allows. A thread that
runs a function past its timeout cannot be stopped; it is left behind, and since threads are made
whenever attempts outnumber idle ones, none of the others waits for it. Threads run in a copy of the
context that `start` was called in, so that what a task prints lands in the cell that started the
run.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Report
from orch_nb.executors.calling import call

__all__ = ["ThreadExecutor"]


class ThreadExecutor:
    name = "threads"

    def start(self, clock: Clock) -> None:
        self._clock = clock
        self._context = contextvars.copy_context()
        self._queue: queue.SimpleQueue[tuple[AttemptRequest, Report] | None] = queue.SimpleQueue()
        self._busy = 0
        self._threads = 0
        self._lock = threading.Lock()

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        with self._lock:
            self._busy += len(attempts)
            missing = self._busy - self._threads
            self._threads += max(0, missing)
        for request in attempts:
            self._queue.put((request, report))
        for _ in range(missing):
            context = self._context.copy()
            threading.Thread(
                target=context.run, args=(self._work,), name="orch_nb-worker", daemon=True
            ).start()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            request, report = item
            outcome = call(request, self._clock)
            with self._lock:
                self._busy -= 1
            report([outcome])
            del item, request, report, outcome  # what they hold must not outlive the attempt

    def cancel(self, key: AttemptKey) -> bool:
        """A thread cannot be stopped from outside."""
        return False

    def stop(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)
