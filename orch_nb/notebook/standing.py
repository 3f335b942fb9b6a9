"""How a task stands, as the page takes it: its status, its times, its attempts, and why."""

from __future__ import annotations

from typing import Any

from orch_nb.model.event import AttemptFailed, AttemptLost
from orch_nb.model.quantity import number, times
from orch_nb.model.status import Status
from orch_nb.model.task_state import TaskState
from orch_nb.render.plaintext import one_line

__all__ = ["Standing"]

_REASON = 300
_BARS = 12  # attempts that a timeline shows


class Standing:
    """Of one run: what it is told of instances adds up to how their `foreach` task stands."""

    def __init__(self) -> None:
        self._ended: dict[str, set[str]] = {}
        self._failed: dict[str, set[str]] = {}

    def of(self, task: TaskState, why: str = "") -> list[Any]:
        """`[status, attempts, begun, finished, reason, bars]`; `why` is what it waits for. Times
        in seconds since the epoch."""
        if task.index is not None and task.of is not None:
            _note(self._ended.setdefault(task.of, set()), task.task, task.status.ended)
            failed = task.status is Status.FAILED
            _note(self._failed.setdefault(task.of, set()), task.task, failed)
        bars = None
        if task.tries > 1 or task.earlier is not None or task.status is Status.BACKING_OFF:
            bars = [
                [getattr(end, "started", None) or start.at, end.at if end is not None else None,
                 _how(end)]
                for start, end in task.pairs()[-_BARS:]
            ]  # fmt: skip
        return [
            task.status.value, task.tries, task.begun,
            task.finished if task.status.ended else None,
            one_line(self._reason(task, why), _REASON), bars,
        ]  # fmt: skip

    def _reason(self, task: TaskState, why: str) -> str:
        """Why it waits, or how it ended, in a line."""
        error = task.last_error if task.status in (Status.BACKING_OFF, Status.FAILED) else None
        if task.instances is not None and not task.status.ended:
            return self._instances(task)
        if task.status is Status.BACKING_OFF and error is not None:
            return f"failed {times(task.tries)}, last: {error}"
        if error is not None:
            return str(error)
        if task.cached:
            return f"kept result of run {task.cached}"
        note = f": {task.note}" if task.note and task.note not in task.reason else ""
        if task.reason:
            return f"{task.reason}{note}"
        if task.status.ended:
            return f"by {task.decided_by}{note}" if task.decided_by else ""
        return why if task.status is not Status.RUNNING else ""

    def _instances(self, group: TaskState) -> str:
        """How the instances of a `foreach` task stand."""
        ended = len(self._ended.get(group.task, ()))
        failed = len(self._failed.get(group.task, ()))
        told = f"{number(ended)} of {number(group.instances or 0)} instances ended"
        return f"{told}, {number(failed)} failed" if failed else told


def _note(names: set[str], name: str, is_so: bool) -> None:
    if is_so:
        names.add(name)
    else:
        names.discard(name)


def _how(end: Any) -> str:
    """How an attempt ended, as the palette calls it."""
    if end is None:
        return "running"
    if isinstance(end, AttemptFailed):
        return "cancelled" if end.cancelled else "failed"
    return "lost" if isinstance(end, AttemptLost) else "succeeded"
