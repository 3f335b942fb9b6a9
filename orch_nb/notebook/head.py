"""What stands above a room's tabs: how the run stands, how long it will take, its phases."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from orch_nb.graph.outlook import Outlook, outlook
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task_state import TaskState
from orch_nb.notebook.subjects import Subject
from orch_nb.render.document import Section

__all__ = ["Head"]

_LEAST_S = 1.0
_SHARE = 100  # of the time, one part may be spent on how long the run will still take


class Head:
    """`sections` makes what a phase shows; `made` is the head as the page takes it."""

    def __init__(self) -> None:
        self.sections: dict[str, Callable[[], Section]] = {}
        self._findings: dict[str, dict[str, str]] = {}
        self._left: dict[str, Any] = {}
        self._due = self._took = 0.0

    def phase(self, name: str, make: Callable[[], Section], finding: str) -> None:
        self.sections[name] = make
        self._findings[name] = {"state": "succeeded", "finding": finding}

    def took_s(self) -> float:
        """The processor's seconds that the outlook took since this was asked last: it has a budget
        of its own."""
        took, self._took = self._took, 0.0
        return took

    def made(self, subject: Subject) -> dict[str, Any]:
        state, live = subject.state, subject.live
        status = state.status.value
        if not live and status == "running" and not state.options.on:
            status = RunStatus.CUT_OFF.value  # nobody performs it, and it has not ended
        execute = {"state": "running" if live else status, "finding": ""}
        found: dict[str, Any] = {
            "run_id": state.run_id, "status": status, "live": live, "paused": state.paused,
            "started": state.started, "finished": state.finished if not live else None,
            "idle_s": state.idle_s, "workers": state.options.workers, "asked": 0.0,
            "remaining_s": None, "guessed": False,
            "phases": {**self._findings, "EXECUTE": execute},
        }  # fmt: skip
        if live:
            found["phases"].pop("INTEGRATE", None)  # of an earlier end
        return found | self._remaining(subject) if live else found

    def _remaining(self, subject: Subject) -> dict[str, Any]:
        """How long it will still take. The page counts down between two looks."""
        if time.monotonic() >= self._due:
            began = time.thread_time()
            left = _outlook(subject)
            self._left = {"asked": time.time()}
            if left is not None:
                self._left |= {"remaining_s": left.remaining_s, "guessed": left.guessed}
            took = time.thread_time() - began
            self._took += took
            self._due = time.monotonic() + max(_LEAST_S, _SHARE * took)
        return self._left


def _outlook(subject: Subject) -> Outlook | None:
    state = subject.state
    now = time.time()
    ended: dict[str, float | None] = {}
    running: dict[str, float] = {}
    left: dict[str, float] = {}
    for task in list(state.tasks.values()):
        begun = task.begun
        if task.status.ended:
            took = task.finished - begun if begun and task.finished else None
            ended[task.task] = took if task.tries and not task.cached else None
        elif task.instances is not None:
            of = _of_instances(subject, task)
            left |= {task.task: of} if of is not None else {}
        elif task.status is Status.RUNNING and begun is not None:
            running[task.task] = now - begun
    return outlook(subject.plan, ended, running, state.options.workers, left)


def _of_instances(subject: Subject, group: TaskState) -> float | None:
    """What is left of a `foreach` task: as long as its instances took so far, for those that have
    not ended, as many at once as may be."""
    state, many = subject.state, group.instances or 0
    each = [state.derived.get(f"{group.task}[{n}]") for n in range(many)]
    took = [
        one.finished - one.begun
        for one in each
        if one is not None and one.status.ended and one.begun and one.finished
    ]
    if not took:
        return None
    at_once = min(subject.plan[group.task].max_active or many, state.options.workers)
    return sum(took) / len(took) * (many - len(took)) / max(1, at_once)
