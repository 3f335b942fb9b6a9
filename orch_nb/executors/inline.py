"""Attempts one after another on the engine's own loop: for tests, debugging and tiny functions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.executors.calling import call
from orch_nb.executors.slots import Slots
from orch_nb.executors.waiting import Waiting

__all__ = ["InlineExecutor"]

_TURN_S = 0.002  # how long the loop is kept from committing what has ended


class InlineExecutor:
    """Nothing else happens while a function runs: no timeout, no cancel, no other task.

    A batch is worked through in order, for about two milliseconds at a time: then the loop has its
    turn, and what is left waits for the next.
    """

    name = "inline"
    ahead = 64

    def __init__(self) -> None:
        self.slots = Slots()
        self._waiting = Waiting()
        self._due = False  # the queue is worked on, or will be

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.slots.resize(workers)

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        self._waiting.add(attempts, report)
        if not self._due:
            self._go_on()

    def _go_on(self) -> None:
        self._due = True
        if self.slots.take(self._granted, hungry=True):
            self._work()

    def _granted(self) -> None:
        """A slot is ours. Called from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._work)
        except RuntimeError:  # the loop is closed
            self.slots.give()

    def _work(self) -> None:
        queue, clock = self._waiting.items, self._clock
        until = clock.now() + _TURN_S
        ended: list[Outcome] = []
        whose: Report | None = None
        while queue:
            request, report = queue.popleft()
            if report is not whose:
                if whose is not None and ended:
                    whose(ended)
                ended, whose = [], report
            outcome = call(request, clock)
            ended.append(outcome)
            if outcome.finished > until:
                break
            if not queue:
                report(ended)  # who hears of it may have more
                ended = []
        if whose is not None and ended:
            whose(ended)
        self.slots.give()
        self._due = bool(queue)
        if queue:
            self._loop.call_soon(self._go_on)

    def withdraw(self) -> list[AttemptKey]:
        return self._waiting.withdraw()

    def cancel(self, key: AttemptKey) -> bool:
        """What has begun cannot be stopped: the loop that could do it is what runs it."""
        return self._waiting.cancel(key, self._clock)

    def stop(self) -> None:
        self._waiting.take_all()
