"""The state of one task while its run is folded: see `fold`.

It keeps the events that began and ended its last attempt as they are; what a person sees of them is
worked out when somebody looks. That keeps the fold at a few assignments an event.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from orch_nb.model import event as ev
from orch_nb.model.run import Attempt, TaskRun, utc
from orch_nb.model.status import Status

__all__ = ["TaskState"]

End = ev.AttemptSucceeded | ev.AttemptFailed | ev.AttemptLost


class TaskState(msgspec.Struct, gc=False):
    """The mutable counterpart of a `TaskRun`; times are seconds since the epoch.

    `start` and `end` are those of the last attempt, `earlier` a chain of those before it:
    ((start, end), the ones before). No cycle can come of these, so the collector need not look.
    """

    task: str
    status: Status = Status.PENDING
    start: ev.AttemptStarted | None = None
    end: End | None = None
    earlier: Any = None
    tries: int = 0
    ready: float | None = None
    finished: float | None = None
    result: ev.ResultRef | None = None
    reason: str = ""
    cause: str | None = None
    until: float | None = None
    waiting_since: float | None = None
    pid: tuple[int, float] | None = None
    decided: bool = False
    decided_by: str = ""
    note: str = ""
    of: str | None = None
    index: int | None = None
    instances: int | None = None
    items: ev.ResultRef | None = None
    cached: str = ""

    def pairs(self) -> list[tuple[ev.AttemptStarted, End | None]]:
        """The attempts, the first one first, each as the events that began and ended it."""
        found = [] if self.start is None else [(self.start, self.end)]
        rest = self.earlier
        while rest is not None:
            pair, rest = rest
            found.append(pair)
        return found[::-1]

    @property
    def begun(self) -> float | None:
        """When its first attempt started, or its person was asked."""
        rest, first = self.earlier, (self.start, self.end)
        while rest is not None:
            first, rest = rest
        start, end = first
        if start is None:
            return self.waiting_since
        return getattr(end, "started", None) or start.at

    @property
    def last_error(self) -> ev.Failure | None:
        """The error of the last attempt that failed."""
        errors = (end.error for _, end in self.pairs()[::-1] if isinstance(end, ev.AttemptFailed))
        return next(errors, None)

    def snapshot(self) -> TaskRun:
        attempts = tuple(_attempt(start, end) for start, end in self.pairs())
        started = attempts[0].started if attempts else utc(self.waiting_since)
        since, until = self.ready, None
        if attempts and since is not None:
            until = attempts[0].started.timestamp()
        elif self.waiting_since is not None and self.instances is None:
            since, until = self.waiting_since, self.finished
        return TaskRun(
            task=self.task, status=self.status, attempts=attempts, started=started,
            finished=utc(self.finished),
            wait_s=max(0.0, until - since) if since is not None and until is not None else None,
            reason=self.reason, cause=self.cause, result=self.result, decided_by=self.decided_by,
            note=self.note, of=self.of, index=self.index, instances=self.instances,
            cached=self.cached, until=utc(self.until),
        )  # fmt: skip


def _attempt(start: ev.AttemptStarted, end: End | None) -> Attempt:
    """What a person sees of one attempt. Its body began when its end says so: before that it stood
    in an executor's queue."""
    began = datetime.fromtimestamp(start.at, UTC)
    if end is None:
        return Attempt(number=start.attempt, status="running", started=began)
    finished = datetime.fromtimestamp(end.at, UTC)
    if isinstance(end, ev.AttemptLost):
        return Attempt(number=start.attempt, status="lost", started=began, finished=finished)
    began = datetime.fromtimestamp(end.started, UTC)
    if isinstance(end, ev.AttemptSucceeded):
        return Attempt(
            number=start.attempt, status="succeeded", started=began, finished=finished,
            exit_code=end.exit_code,
        )  # fmt: skip
    return Attempt(
        number=start.attempt, status="cancelled" if end.cancelled else "failed", started=began,
        finished=finished, error=end.error, exit_code=end.exit_code, timed_out=end.timed_out,
        abandoned=end.abandoned, injected=end.injected,
    )  # fmt: skip
