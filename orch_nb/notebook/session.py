"""What the kernel remembers between cells: drafts by name, the last operation, live runs."""

from __future__ import annotations

import atexit
from collections.abc import Callable

from orch_nb.engine.ports import Journal
from orch_nb.engine.session import LiveRun
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.report import Operation

__all__ = ["SESSION", "Session"]


class Session:
    """One a kernel. `last` is the newest operation; `live` the runs in progress, by run id;
    `memory` the journal of the last run that was kept in memory only."""

    def __init__(self) -> None:
        self.operations: dict[str, Operation] = {}
        self.last: Operation | None = None
        self.live: dict[str, LiveRun] = {}
        self.memory: Journal | None = None
        self._leaving: dict[str, Callable[[], None]] = {}

    def remember(self, operation: Operation) -> None:
        self.last = operation
        if operation.name:
            self.operations[operation.name] = operation

    def operation(self, name: str) -> Operation:
        """The operation of that name. Raises UsageError with the names there are."""
        if name in self.operations:
            return self.operations[name]
        hint = did_you_mean(name, self.operations)
        known = ", ".join(self.operations) or "none yet"
        raise UsageError(
            f"There is no plan named `{name}` here. {hint} Names: {known}.".replace("  ", " ")
        )

    def running(self) -> dict[str, LiveRun]:
        """The runs that have not ended."""
        self.live = {name: live for name, live in self.live.items() if not live.done.is_set()}
        self._leaving = {name: do for name, do in self._leaving.items() if name in self.live}
        return self.live

    def begin(self, live: LiveRun, leave: Callable[[], None] | None = None) -> None:
        """Remember a run under way. If the kernel is shut down while it goes on, the run is left
        where it stands, and `leave` shows its last state in its cell."""
        run_id = live.driver.run_id
        self.running()  # those that have ended are forgotten
        self.live[run_id] = live
        if leave is not None:
            self._leaving[run_id] = leave
        # IPython empties the person's namespace at the end: before that, the runs are left.
        atexit.unregister(self._leave)
        atexit.register(self._leave)

    def _leave(self) -> None:
        running = self.running()
        for live in running.values():
            live.abandon()
        for run_id in running:
            if run_id in self._leaving:
                self._leaving[run_id]()


SESSION = Session()
