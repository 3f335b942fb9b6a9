"""A run: what became of each task of a plan; and the fold that makes it from events.

    RunState.apply(event)   the one place where an event changes the state of a run
    RunState.snapshot()     a frozen `Run` of that moment

The driver folds what it commits, and recovery folds what the journal kept: the same code, so a
recovered run is the run. The fold decides nothing (that is `engine.scheduler`) and judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from orch_nb.errors import TaskFailed
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.view import View

__all__ = ["Attempt", "Run", "RunState", "TaskRun", "TaskState", "replay"]


def _time(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a task; times are UTC. `status`: running, succeeded, failed, cancelled or lost."""

    number: int
    status: str
    started: datetime
    finished: datetime | None = None
    error: ev.Failure | None = None
    exit_code: int | None = None
    timed_out: bool = False
    abandoned: bool = False

    @property
    def duration_s(self) -> float | None:
        """Seconds, None while it runs."""
        return None if self.finished is None else (self.finished - self.started).total_seconds()


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task in a run.

    `started` is the start of its first attempt, `finished` the end of its last; `wait_s` is how
    long it stood ready before it started (for a gate: how long it waited for its person); `reason`
    says in words why it waits or ended without an error of its own, `cause` which task brought that
    about.
    """

    task: str
    status: Status
    attempts: tuple[Attempt, ...] = ()
    started: datetime | None = None
    finished: datetime | None = None
    wait_s: float | None = None
    reason: str = ""
    cause: str | None = None
    result: ev.ResultRef | None = None
    decided_by: str = ""
    note: str = ""

    @property
    def duration_s(self) -> float | None:
        """Seconds that its attempts ran, all together, without the waits between them; for a gate,
        how long it was open. None before its end."""
        if self.started is None or self.finished is None:
            return None
        if not self.attempts:
            return (self.finished - self.started).total_seconds()
        return sum(attempt.duration_s or 0.0 for attempt in self.attempts)

    @property
    def error(self) -> ev.Failure | None:
        """The error of the last attempt that failed, unless the task succeeded after all."""
        if self.status == Status.SUCCEEDED:
            return None
        return next((a.error for a in reversed(self.attempts) if a.error is not None), None)


class Run(msgspec.Struct, frozen=True, kw_only=True, weakref=True, dict=True):
    """A snapshot of a run. `run[id]` is a `TaskRun`, `run.results[id]` what a task returned.

    `run.df` is a pandas DataFrame with a row a task, `run.graph` the plan's DiGraph with statuses.
    """

    run_id: str
    plan: Plan
    status: RunStatus
    tasks: tuple[TaskRun, ...]
    started: datetime
    finished: datetime | None = None
    name: str = ""
    options: ev.RunOptions = ev.RunOptions()
    results: Mapping[str, Any] = MappingProxyType({})
    resumed: int = 0
    idle_s: float = 0.0
    journal: str = ""

    df = View("run.df")
    graph = View("run.graph")

    def __getitem__(self, task: str) -> TaskRun:
        index: dict[str, TaskRun] | None = self.__dict__.get("_by_id")
        if index is None:
            index = self.__dict__["_by_id"] = {t.task: t for t in self.tasks}
        return index[task]

    def __iter__(self) -> Iterator[TaskRun]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end without those in which nobody worked on it (`idle_s`: between
        a kernel's death or an end, and going on); None while it runs."""
        if self.finished is None:
            return None
        return max(0.0, (self.finished - self.started).total_seconds() - self.idle_s)

    @property
    def succeeded(self) -> bool:
        return self.status == RunStatus.SUCCEEDED

    def with_status(self, *statuses: Status) -> tuple[TaskRun, ...]:
        return tuple(t for t in self.tasks if t.status in statuses)

    def raise_for_status(self) -> Run:
        """The run itself if it succeeded; else raises TaskFailed naming each failed task."""
        if self.succeeded:
            return self
        failed = self.with_status(Status.FAILED)
        lines = [f"run {self.run_id} {self.status}"]
        lines += [f"  {t.task}: {t.error or t.reason}" for t in failed]
        if self.status == RunStatus.WAITING:
            waiting = ", ".join(t.task for t in self.with_status(Status.WAITING))
            lines.append(f"  waiting for a person: {waiting}")
        raise TaskFailed("\n".join(lines), run_id=self.run_id, tasks=[t.task for t in failed])

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("run.show").__get__(self, Run)


class TaskState:
    """The mutable counterpart of a `TaskRun`; times are seconds since the epoch."""

    __slots__ = (
        "attempts",
        "cause",
        "decided",
        "decided_by",
        "finished",
        "note",
        "pid",
        "ready",
        "reason",
        "result",
        "status",
        "task",
        "until",
        "waiting_since",
    )

    def __init__(self, task: str) -> None:
        self.task = task
        self.status = Status.PENDING
        self.attempts: list[_AttemptState] | None = None
        self.result: ev.ResultRef | None = None
        self.ready: float | None = None
        self.finished: float | None = None
        self.until: float | None = None
        self.waiting_since: float | None = None
        self.pid: tuple[int, float] | None = None
        self.reason = self.note = self.decided_by = ""
        self.cause: str | None = None
        self.decided = False

    @property
    def tries(self) -> int:
        """How many attempts there were, lost ones included."""
        return len(self.attempts) if self.attempts else 0

    def snapshot(self) -> TaskRun:
        attempts = tuple(a.snapshot() for a in self.attempts or ())
        started = attempts[0].started if attempts else _time(self.waiting_since)
        since, until = self.ready, None
        if attempts and since is not None:
            until = attempts[0].started.timestamp()
        elif self.waiting_since is not None:
            since, until = self.waiting_since, self.finished
        wait_s = max(0.0, until - since) if since is not None and until is not None else None
        return TaskRun(
            task=self.task,
            status=self.status,
            attempts=attempts,
            started=started,
            finished=_time(self.finished),
            wait_s=wait_s,
            reason=self.reason,
            cause=self.cause,
            result=self.result,
            decided_by=self.decided_by,
            note=self.note,
        )


class _AttemptState:
    __slots__ = (
        "abandoned", "error", "exit_code", "finished", "number", "started", "status", "timed_out",
    )  # fmt: skip

    def __init__(self, number: int, started: float) -> None:
        self.number, self.started, self.status = number, started, "running"
        self.finished: float | None = None
        self.error: ev.Failure | None = None
        self.exit_code: int | None = None
        self.timed_out = self.abandoned = False

    def snapshot(self) -> Attempt:
        return Attempt(
            number=self.number,
            status=self.status,
            started=datetime.fromtimestamp(self.started, UTC),
            finished=_time(self.finished),
            error=self.error,
            exit_code=self.exit_code,
            timed_out=self.timed_out,
            abandoned=self.abandoned,
        )


class RunState:
    """A run being folded. `apply` each event, in order, the first being `RunStarted`."""

    def __init__(self) -> None:
        self.run_id = self.name = ""
        self.plan = Plan(goal="")
        self.options = ev.RunOptions()
        self.status = RunStatus.RUNNING
        self.started = 0.0
        self.finished: float | None = None
        self.resumed = 0
        self.idle_s = 0.0
        self.last = 0.0
        self.cancelling = False
        self.tasks: dict[str, TaskState] = {}
        self._apply: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.AttemptStarted: self._attempt_started,
            ev.AttemptSucceeded: self._attempt_succeeded,
            ev.AttemptFailed: self._attempt_failed,
            ev.AttemptLost: self._attempt_lost,
            ev.ProcessStarted: self._process_started,
            ev.BackingOff: self._backing_off,
            ev.Waiting: self._waiting,
            ev.Decided: self._decided,
            ev.TaskEnded: self._task_ended,
            ev.RetryRequested: self._retry_requested,
            ev.CancelRequested: self._cancel_requested,
            ev.RunStarted: self._run_started,
            ev.RunResumed: self._run_resumed,
            ev.RunEnded: self._run_ended,
        }

    def apply(self, event: ev.Event) -> None:
        self._apply[type(event)](event)
        self.last = event.at

    def snapshot(self, results: Mapping[str, Any] | None = None, *, journal: str = "") -> Run:
        return Run(
            run_id=self.run_id,
            plan=self.plan,
            status=self.status,
            tasks=tuple(task.snapshot() for task in self.tasks.values()),
            started=datetime.fromtimestamp(self.started, UTC),
            finished=_time(self.finished),
            name=self.name,
            options=self.options,
            results=MappingProxyType({}) if results is None else results,
            resumed=self.resumed,
            idle_s=self.idle_s,
            journal=journal,
        )

    def _run_started(self, event: ev.RunStarted) -> None:
        self.run_id, self.plan, self.name = event.run_id, event.plan, event.name
        self.options, self.started = event.options, event.at
        self.tasks = {task.id: TaskState(task.id) for task in event.plan.tasks}

    def _run_resumed(self, event: ev.RunResumed) -> None:
        self.options, self.status, self.finished = event.options, RunStatus.RUNNING, None
        self.resumed += 1
        self.idle_s += max(0.0, event.at - self.last)
        self.cancelling = False

    def _run_ended(self, event: ev.RunEnded) -> None:
        self.status, self.finished = event.status, event.at

    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        if event.task is None:
            self.cancelling = True

    def _retry_requested(self, event: ev.RetryRequested) -> None:
        for name in event.reset or (event.task,):
            task = self.tasks[name]
            task.status, task.reason, task.cause = Status.PENDING, "", None
            task.ready = task.finished = task.until = task.waiting_since = None
            task.decided, task.decided_by, task.note = False, "", ""

    def _attempt_started(self, event: ev.AttemptStarted) -> None:
        task = self.tasks[event.task]
        task.status = Status.RUNNING
        task.reason = ""
        if task.attempts is None:
            task.attempts = []
            task.ready = event.ready or None
        task.attempts.append(_AttemptState(event.attempt, event.at))

    def _attempt(self, task: TaskState, event: Any, status: str) -> _AttemptState:
        attempts = task.attempts or []
        attempt = next((a for a in reversed(attempts) if a.number == event.attempt), None)
        if attempt is None:
            raise ValueError(f"{event.task}: attempt {event.attempt} ended before it started")
        attempt.status, attempt.finished = status, event.at
        return attempt

    def _attempt_succeeded(self, event: ev.AttemptSucceeded) -> None:
        task = self.tasks[event.task]
        attempt = self._attempt(task, event, "succeeded")
        attempt.started, attempt.exit_code = event.started, event.exit_code
        task.status, task.result, task.finished = Status.SUCCEEDED, event.result, event.at
        task.pid = None

    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        task = self.tasks[event.task]
        attempt = self._attempt(task, event, "cancelled" if event.cancelled else "failed")
        attempt.started, attempt.exit_code, attempt.error = (
            event.started, event.exit_code, event.error,
        )  # fmt: skip
        attempt.timed_out, attempt.abandoned = event.timed_out, event.abandoned
        task.finished, task.pid = event.at, None

    def _attempt_lost(self, event: ev.AttemptLost) -> None:
        task = self.tasks[event.task]
        self._attempt(task, event, "lost")
        task.status, task.pid = Status.PENDING, None

    def _process_started(self, event: ev.ProcessStarted) -> None:
        self.tasks[event.task].pid = (event.pid, event.created)

    def _backing_off(self, event: ev.BackingOff) -> None:
        task = self.tasks[event.task]
        task.status, task.until = Status.BACKING_OFF, event.until

    def _waiting(self, event: ev.Waiting) -> None:
        task = self.tasks[event.task]
        task.status, task.reason, task.waiting_since = Status.WAITING, event.prompt, event.at

    def _decided(self, event: ev.Decided) -> None:
        task = self.tasks[event.task]
        if not task.decided:  # of two answers in one turn the first counts
            task.decided, task.decided_by, task.note = True, event.by, event.note

    def _task_ended(self, event: ev.TaskEnded) -> None:
        task = self.tasks[event.task]
        task.status, task.reason, task.cause = event.status, event.reason, event.cause
        task.finished = event.at


def replay(events: Iterable[ev.Event]) -> RunState:
    """The state after `events`, the first of which is `RunStarted`."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state
