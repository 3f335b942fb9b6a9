"""A run: what became of each task of a plan, at one moment.

`model.fold` makes it from events. A run of 100,000 tasks is asked for far more often than all of it
is looked at, so its `TaskRun`s are made when somebody looks at them, and then kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, overload

import msgspec

from orch_nb.errors import TaskFailed
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.model.view import View

if TYPE_CHECKING:
    from orch_nb.model.task_state import TaskState

__all__ = ["Attempt", "Decision", "Run", "TaskRun", "TaskRuns", "utc"]


def utc(at: float | None) -> datetime | None:
    """Seconds since the epoch as a datetime."""
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
    injected: bool = False

    @property
    def duration_s(self) -> float | None:
        """Seconds, None while it runs."""
        return None if self.finished is None else (self.finished - self.started).total_seconds()


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task in a run.

    `task` is its id; an instance of a `foreach` task is `fetch[3]`, with `of` "fetch" and `index`
    3, what undid a task is `compensate(fetch)`, with `of` "fetch". `instances` is how many a
    `foreach` task became. `cached` names the run whose result was used.

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
    of: str | None = None
    index: int | None = None
    instances: int | None = None
    cached: str = ""
    until: datetime | None = None

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
    def lost(self) -> bool:
        """Whether it was running when its process went, and has not run since."""
        return not self.status.ended and bool(self.attempts) and self.attempts[-1].status == "lost"

    @property
    def error(self) -> ev.Failure | None:
        """The error of the last attempt that failed, unless the task succeeded after all, or a
        person skipped it."""
        if self.status in (Status.SUCCEEDED, Status.COMPENSATED, Status.SKIPPED):
            return None
        return next((a.error for a in reversed(self.attempts) if a.error is not None), None)


class Decision(msgspec.Struct, frozen=True):
    """What a person did to a run: `verb` is approve, tick (a todo item), reject, skip, retry,
    compensate, cancel, pause, resume, workers or recover; `task` is None where it was the run's.
    `at` is UTC.

    `by` is empty where nobody said; of a gate that answers itself it is "default", "timeout" or
    "--approve". A run that ended itself (its timeout, fail-fast) says so in `note`.
    """

    at: datetime
    verb: str
    task: str | None = None
    by: str = ""
    note: str = ""


class TaskRuns(Sequence[TaskRun]):
    """The `TaskRun`s of a run, made as they are asked for, of states or of what gives them."""

    __slots__ = ("_found", "_made", "_of")

    def __init__(self, states: Sequence[TaskState] | Callable[[], Sequence[TaskState]]) -> None:
        self._of = states
        self._found: Sequence[TaskState] | None = None
        self._made: list[TaskRun | None] | None = None

    @property
    def _states(self) -> Sequence[TaskState]:
        if self._found is None:
            self._found = self._of() if callable(self._of) else self._of
            self._of = ()
        return self._found

    def __reduce__(self) -> tuple[type[TaskRuns], tuple[Sequence[TaskState]]]:
        return TaskRuns, (self._states,)

    @overload
    def __getitem__(self, index: int) -> TaskRun: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[TaskRun, ...]: ...

    def __getitem__(self, index: int | slice) -> TaskRun | tuple[TaskRun, ...]:
        if isinstance(index, slice):
            return tuple(self[n] for n in range(*index.indices(len(self))))
        if self._made is None:
            self._made = [None] * len(self._states)
        found = self._made[index]
        if found is None:
            found = self._made[index] = self._states[index].snapshot()
        return found

    def __iter__(self) -> Iterator[TaskRun]:
        return (self[n] for n in range(len(self._states)))

    def __len__(self) -> int:
        return len(self._states)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (TaskRuns, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} TaskRuns>"

    def status(self, index: int) -> Status:
        """The status of one, without making it."""
        return self._states[index].status


class Run(msgspec.Struct, frozen=True, kw_only=True, weakref=True, dict=True):
    """A snapshot of a run. `run[id]` is a `TaskRun`, `run.results[id]` what a task returned.

    `tasks` has one for each task of the plan, in its order; `derived` those that came to be in the
    run: instances of `foreach` tasks, compensations, the plan's `on_failure`. `decisions` are what
    people did to it, the last few hundred, in the order in which they did. `run.df` is a pandas
    DataFrame with a row a task, `run.graph` the plan's DiGraph with statuses.
    """

    run_id: str
    plan: Plan
    status: RunStatus
    tasks: Sequence[TaskRun]
    started: datetime
    finished: datetime | None = None
    name: str = ""
    options: ev.RunOptions = ev.RunOptions()
    results: Mapping[str, Any] = MappingProxyType({})
    resumed: int = 0
    idle_s: float = 0.0
    journal: str = ""
    derived: Sequence[TaskRun] = ()
    paused: bool = False
    decisions: tuple[Decision, ...] = ()

    df = View("run.df")
    graph = View("run.graph")

    def __getitem__(self, task: str) -> TaskRun:
        index: dict[str, TaskRun] | None = self.__dict__.get("_by_id")
        if index is None:
            index = {t.task: t for t in self.tasks}
            index |= {t.task: t for t in self.derived}
            self.__dict__["_by_id"] = index
        return index[task]

    def instances(self, task: str) -> tuple[TaskRun, ...]:
        """The instances that a `foreach` task became, in the order of its items."""
        return tuple(t for t in self.derived if t.of == task and t.index is not None)

    def spec(self, task: str) -> Task:
        """The plan's task behind an id of this run: of an instance its `foreach` task, of
        `compensate(fetch)` the compensation of `fetch`."""
        if task in self.plan:
            return self.plan[task]
        if task == "on_failure" and self.plan.on_failure is not None:
            return self.plan.on_failure
        origin = self.plan[self[task].of or task]
        undo = origin.compensate
        return undo if undo is not None and undo.id == task else origin

    @property
    def history(self) -> tuple[ev.Event, ...]:
        """The events that it was folded from, in the order of their commits, read when asked for;
        empty where nobody can tell them. Raises JournalError where their journal is gone."""
        found: tuple[ev.Event, ...] | None = self.__dict__.get("_history")
        if found is None:
            tell = self.__dict__.get("_told")
            found = self.__dict__["_history"] = tuple(tell()) if tell is not None else ()
        return found

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults that were asked for on purpose (`--fault`)."""
        return self.options.faults

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

    def __repr__(self) -> str:
        # Bounded: asyncio.run and tracebacks repr what they hold, 100,000 tasks too.
        return f"<Run {self.run_id}: {self.status}, {len(self.plan.tasks)} tasks>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("run.show").__get__(self, Run)
