"""A run's history for the page: every change of a state, in the order of their commits, in words.

A film (`model.film`) has the plan's tasks alone; a room also has rows for instances, compensations
and `on_failure`, and says at each moment what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orch_nb.model.event import Event
from orch_nb.model.fold import RunState
from orch_nb.model.status import Status
from orch_nb.notebook.rows import Rows
from orch_nb.notebook.subjects import touched
from orch_nb.render.palette import look
from orch_nb.render.plaintext import one_line

__all__ = ["moments"]

#: Beyond, a page would take seconds to fetch them: the first of them are left out.
MOST = 60_000
_ILL = (Status.FAILED, Status.BACKING_OFF)


def moments(history: Sequence[Event], rows: Rows) -> list[list[Any]]:
    """`[at, row, status, attempts, words]` for each change; `at` in seconds since the epoch."""
    state = RunState()
    before: dict[str, tuple[str, int]] = {}
    found: list[list[Any]] = []
    for event in history:
        state.apply(event)
        tasks, derived = state.tasks, state.derived
        for name in sorted(touched((event,))):
            task = tasks.get(name) or derived.get(name)
            if task is None:
                continue
            now = (task.status.value, task.tries)
            if before.get(name) == now:
                continue
            before[name] = now
            row = rows.derive(task) if name in derived else rows.of.get(name)
            words = f"{name} is {look(now[0]).word}"
            error = task.last_error if task.status in _ILL else None
            if error is not None:
                words = f"{words}: {one_line(str(error), 160)}"
            found.append([event.at, row, now[0], now[1], words])
    return found[-MOST:]
