"""Runs made of events: what a journal would hold, folded by the one fold there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status

START = 1_800_000_000.0


class History:
    """What happened to a plan, told in seconds since its start."""

    def __init__(self, plan: Plan, workspace: str = "", **options: Any) -> None:
        self.plan = plan
        asked = ev.RunOptions(workspace=workspace, **options)
        self.events: list[ev.Event] = [
            ev.RunStarted(at=START, run_id="nightly-7", plan=plan, options=asked)
        ]
        self.last = 0.0
        self._tries: dict[str, int] = {}

    def add(self, kind: Callable[..., ev.Event], at: float, **fields: object) -> History:
        self.events.append(kind(at=START + at, **fields))
        self.last = max(self.last, at)
        return self

    def _start(self, task: str, start: float, ready: float | None) -> int:
        attempt = self._tries[task] = self._tries.get(task, 0) + 1
        since = START + (start if ready is None else ready)
        self.add(ev.AttemptStarted, start, task=task, attempt=attempt, ready=since)
        return attempt

    def ran(
        self, task: str, start: float, end: float, *, result: str = "", ready: float | None = None
    ) -> History:
        """An attempt that succeeded, with a preview of what it returned."""
        ref = ev.ResultRef(format="json", hash="h", size=len(result), preview=result)
        return self.add(
            ev.AttemptSucceeded,
            end,
            task=task,
            attempt=self._start(task, start, ready),
            started=START + start,
            result=ref if result else ev.ResultRef(),
        )

    def broke(self, task: str, start: float, end: float, error: str, message: str = "") -> History:
        """An attempt that failed; the task has not ended yet."""
        return self.add(
            ev.AttemptFailed,
            end,
            task=task,
            attempt=self._start(task, start, None),
            started=START + start,
            error=ev.Failure(type=error, message=message),
        )

    def lost(self, task: str, start: float, end: float) -> History:
        attempt = self._start(task, start, None)
        return self.add(ev.AttemptLost, end, task=task, attempt=attempt)

    def ended(
        self, task: str, at: float, status: Status, reason: str = "", cause: str | None = None
    ) -> History:
        return self.add(ev.TaskEnded, at, task=task, status=status, reason=reason, cause=cause)

    def spread(self, task: str, at: float, count: int) -> History:
        """A `foreach` task became `count` instances."""
        return self.add(ev.Expanded, at, task=task, count=count, items=ev.ResultRef())

    def kept(self, task: str, at: float, run_id: str, result: str = "") -> History:
        """A task whose result an earlier run had left."""
        ref = ev.ResultRef(format="json", hash="h", size=len(result), preview=result)
        told = f"nothing has changed since run {run_id}"
        return self.add(
            ev.TaskEnded, at, task=task, status=Status.SUCCEEDED, reason=told, result=ref,
            cached=run_id,
        )  # fmt: skip

    def run(self, status: RunStatus | None = RunStatus.SUCCEEDED) -> Run:
        """The run after all this, ended as `status`; None leaves it running."""
        if status is not None:
            self.add(ev.RunEnded, self.last, status=status)
        state = RunState()
        for event in self.events:
            state.apply(event)
        return state.snapshot()


@pytest.fixture
def history() -> type[History]:
    return History
