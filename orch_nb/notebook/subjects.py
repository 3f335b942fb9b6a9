"""What a room shows and whom it asks, whatever process performs the run.

    Here(live)               a run of this kernel: told of every commit, steered at once
    Elsewhere(journal, id)   a run of another process, or one that has ended: read from the journal,
                             steered through it

Both hold the folded state of the run, say which tasks have changed since they were last asked, and
take wishes by the verbs of `%orchestrate`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

from orch_nb.engine.journal import open_journal
from orch_nb.engine.ports import Journal, Request
from orch_nb.engine.scheduler import Scheduler
from orch_nb.engine.session import LiveRun
from orch_nb.model.event import Event, RunStarted
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus

__all__ = ["Elsewhere", "Here", "Subject"]

_OVER = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.WAITING)
_HELD_S = 1.0  # between two looks at whether somebody works on the run


class Subject(Protocol):
    """A run that a room shows. All methods are called on the room's own thread."""

    @property
    def state(self) -> RunState: ...

    @property
    def journal(self) -> Journal:
        """To be read only, by the room's thread."""

    @property
    def run_id(self) -> str: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def live(self) -> bool:
        """Whether somebody performs it."""

    def changed(self) -> set[str]:
        """The names of what has changed since the last call."""

    @property
    def trouble(self) -> str:
        """Why nothing new is heard of it, in words; empty where nothing is amiss."""

    def why(self, task: str) -> str:
        """What a task waits for, in words."""

    def wish(self, verb: str, task: str | None, by: str, note: str) -> None:
        """Ask for something: approve, reject, cancel, retry, pause, resume, workers, skip."""


def touched(events: Sequence[Event]) -> set[str]:
    """The names of the tasks that events are of."""
    names = {name for event in events if (name := getattr(event, "task", None)) is not None}
    for event in events:
        names.update(getattr(event, "reset", ()))
    return names


class Here:
    """A run of this kernel; an observer of it. `live` comes when it has begun."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._dirty: set[str] = set()
        self._lock = threading.Lock()
        self._live: LiveRun | None = None
        self._read: Journal | None = None

    def __call__(self, events: Sequence[Event], state: RunState) -> None:
        """The observer: note what changed. Called on the engine's thread."""
        names = touched(events)
        with self._lock:
            self._dirty |= names

    def attach(self, live: LiveRun) -> None:
        self._live = live

    @property
    def run(self) -> LiveRun:
        assert self._live is not None, "the run has not begun"
        return self._live

    @property
    def state(self) -> RunState:
        return self.run.driver.state

    @property
    def journal(self) -> Journal:
        """A connection of the room's own: the driver's is used by the driver's thread."""
        if self._read is None:
            own = self.run.driver.journal
            self._read = own if own.path == "memory" else open_journal(own.path)
        return self._read

    @property
    def run_id(self) -> str:
        return self.run.driver.run_id if self._live is not None else ""

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def live(self) -> bool:
        return not self.run.done.is_set()

    def changed(self) -> set[str]:
        with self._lock:
            names, self._dirty = self._dirty, set()
        return names

    @property
    def trouble(self) -> str:
        return self.run.trouble

    def why(self, task: str) -> str:
        return self.run.driver.why(task)

    def wish(self, verb: str, task: str | None, by: str, note: str) -> None:
        if verb == "workers":
            self.run.set_workers(int(note), by=by)
        elif verb in ("approve", "reject", "skip"):
            getattr(self.run, verb)(task, by=by, note=note)
        elif verb in ("cancel", "retry"):
            getattr(self.run, verb)(task, by=by)
        else:
            getattr(self.run, verb)(by=by)


class Elsewhere:
    """A run as its journal tells it. Raises RunNotFound where that has no such run."""

    def __init__(self, journal: Journal, run_id: str) -> None:
        self.journal = journal
        self._run_id = run_id
        self.state = RunState()
        self._place = 0
        self._mind: Scheduler | None = None
        self._held = False
        self._asked = 0.0
        self._news()

    def _news(self) -> set[str]:
        events, self._place = self.journal.news(self._run_id, self._place)
        if events and isinstance(events[0], RunStarted):
            self._mind = Scheduler(events[0].plan)
        self.state.apply_all(events)
        if self._mind is not None:
            self._mind.observe_all(events)
        if time.monotonic() > self._asked + _HELD_S:
            self._asked = time.monotonic()
            self._held = any(row.run_id == self._run_id and row.held for row in self.journal.runs())
        return touched(events)

    @property
    def run_id(self) -> str:
        return self._run_id

    @property
    def plan(self) -> Plan:
        return self.state.plan

    @property
    def live(self) -> bool:
        return self._held and self.state.status not in _OVER

    def changed(self) -> set[str]:
        return self._news()

    @property
    def trouble(self) -> str:
        return ""  # whoever performs it tells

    def why(self, task: str) -> str:
        if self._mind is None or self.state.status in _OVER:
            return ""
        try:
            return self._mind.why(task, self.state.last)
        except (KeyError, IndexError):  # an instance, which the scheduler knows by its task
            return ""

    def wish(self, verb: str, task: str | None, by: str, note: str) -> None:
        ask: Any = self.journal.ask  # type: ignore[attr-defined]
        ask(self._run_id, Request(verb, task, by, note))
