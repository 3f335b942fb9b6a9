"""Attempts one after another on the engine's own loop: for tests, debugging and tiny functions."""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Report
from orch_nb.executors.calling import call

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """Nothing else happens while a function runs: no timeout, no cancel, no other task."""

    name = "inline"

    def start(self, clock: Clock) -> None:
        self._clock = clock

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        report([call(request, self._clock) for request in attempts])

    def cancel(self, key: AttemptKey) -> bool:
        return False

    def stop(self) -> None:
        """Nothing is left behind."""
