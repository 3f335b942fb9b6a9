"""The fold: events become the state of a run, and a snapshot of it is a `Run`.

    RunState.apply(event)   the one place where an event changes the state of a run
    RunState.snapshot()     a frozen `Run` of that moment

The driver folds what it commits, and recovery folds what the journal kept: the same code, so a
recovered run is the run. The fold decides nothing (that is `engine.scheduler`) and judges nothing.

Of a run that nobody watches, starts and successes are folded when somebody looks at a task (`take`,
`tasks`): then nobody has paid for what nobody saw.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.run import Decision, Run, TaskRuns, utc
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.model.task_state import End, TaskState

__all__ = ["RunState", "replay"]

_TOLD = 1000
_DECISIONS = 500
_WAITING = (Status.PENDING, Status.READY, Status.BACKING_OFF, Status.WAITING)
_LATER = frozenset({ev.AttemptStarted, ev.AttemptSucceeded})


class RunState:
    """A run being folded. `apply` each event, in order, the first being `RunStarted`.

    `tasks` holds the plan's tasks, `derived` what came to be in the run: instances, compensations,
    the plan's `on_failure`. One thread folds; where others read these, `guard` is a lock.
    """

    def __init__(self, guard: AbstractContextManager[Any] | None = None) -> None:
        self.run_id = self.name = ""
        #: As it may be seen; `whole` is what the run is performed by, secrets and all.
        self.plan = self.whole = Plan(goal="")
        self.options = ev.RunOptions()
        self.status = RunStatus.RUNNING
        self.started = 0.0
        self.finished: float | None = None
        self.resumed = 0
        self.idle_s = 0.0
        self.last = 0.0
        self.cancelling = False
        self.cancel_cause = ""
        self.paused = False
        self._tasks: dict[str, TaskState] = {}
        self._derived: dict[str, TaskState] = {}
        self._later: deque[Sequence[ev.Event]] = deque()  # taken, and not folded yet
        self._guard = guard if guard is not None else nullcontext()
        self._undoes: dict[str, str] = {}
        self._skips: dict[str, ev.SkipRequested] = {}
        self.decisions: deque[Decision] = deque(maxlen=_DECISIONS)
        self._apply: dict[type[ev.Event], Callable[[Any], None]] = {
            ev.AttemptStarted: self._attempt_started,
            ev.AttemptSucceeded: self._attempt_succeeded,
            ev.AttemptFailed: self._attempt_failed,
            ev.AttemptLost: self._attempt_lost,
            ev.AttemptReturned: self._attempt_returned,
            ev.ProcessStarted: self._process_started,
            ev.BackingOff: self._backing_off,
            ev.Waiting: self._waiting,
            ev.Decided: self._decided,
            ev.TaskEnded: self._task_ended,
            ev.Expanded: self._expanded,
            ev.RetryRequested: self._retry_requested,
            ev.SkipRequested: self._skip_requested,
            ev.CancelRequested: self._cancel_requested,
            ev.PauseRequested: self._pause,
            ev.PauseEnded: self._pause,
            ev.WorkersChanged: self._workers_changed,
            ev.RunStarted: self._run_started,
            ev.RunResumed: self._run_resumed,
            ev.RunEnded: self._run_ended,
        }

    @property
    def tasks(self) -> dict[str, TaskState]:
        if self._later:
            self._catch_up()
        return self._tasks

    @property
    def derived(self) -> dict[str, TaskState]:
        if self._later:
            self._catch_up()
        return self._derived

    def apply(self, event: ev.Event) -> None:
        if self._later:
            self._catch_up()
        self._apply[type(event)](event)
        self.last = event.at

    def apply_all(self, events: Sequence[ev.Event]) -> None:
        """`apply` for many."""
        if events and type(events[0]) is ev.RunStarted:
            self.apply(events[0])
            events = events[1:]
        if events:
            if self._later:
                self._catch_up()
            self._fold(events)
            self.last = events[-1].at

    def take(self, events: Sequence[ev.Event]) -> None:
        """`apply_all`, put off where these are starts and successes, until somebody looks. They
        belong to this state from now on."""
        last = events[-1]
        if type(last) is ev.RunEnded:
            if len(events) > 1:
                self.take(events[:-1])
            self._run_ended(last)
        elif _LATER.issuperset(map(type, events)):
            self.put_off(events)
        else:
            self.apply_all(events)
        self.last = last.at

    def put_off(self, events: Sequence[ev.Event]) -> None:
        """`take` for what is known to be starts and successes only."""
        self._later.append(events)
        self.last = events[-1].at

    def _catch_up(self) -> None:
        """Fold what was put off. What another thread is folding is there when this returns."""
        with self._guard:
            while self._later:
                last = self.last
                self._fold(self._later[0])
                self.last = last
                self._later.popleft()  # only now: who finds nothing here has all of it

    def _fold(self, events: Sequence[ev.Event]) -> None:
        """The two events that nearly all are have their lines here, since a call for each would
        cost as much again."""
        if not self._tasks:
            self._tasks = {task.id: TaskState(task.id) for task in self.plan.tasks}
        tasks, apply = self._tasks, self._apply
        started, succeeded = ev.AttemptStarted, ev.AttemptSucceeded
        running, done = Status.RUNNING, Status.SUCCEEDED
        before = None
        for event in events:
            kind = type(event)
            if kind is succeeded:
                task = tasks.get(event.task)  # type: ignore[attr-defined]
                if task is not None and task.end is None and task.start is not None:
                    task.end, task.status = event, done  # type: ignore[assignment]
                    task.result = event.result  # type: ignore[attr-defined]
                    task.finished = event.at
                    if task.pid is not None:
                        task.pid = None
                    before = event
                    continue
            elif kind is started:
                task = tasks.get(event.task)  # type: ignore[attr-defined]
                if task is not None and task.start is None:
                    task.start, task.status, task.tries = event, running, 1  # type: ignore[assignment]
                    task.ready = event.ready or None  # type: ignore[attr-defined]
                    if task.reason:
                        task.reason = ""
                    before = event
                    continue
            if before is not None:
                self.last = before.at
            apply[kind](event)
            before = event

    def task(self, name: str) -> TaskState:
        """The state of a task of the plan or of one that came to be; KeyError if there is none."""
        found = self.tasks.get(name)
        return self.derived[name] if found is None else found

    def spec(self, name: str) -> Task:
        """The plan's task behind a name, to be performed: see `Run.spec`."""
        found = self.whole.by_id.get(name)
        if found is not None:
            return found
        if name in self._undoes:
            undo = self.whole[self._undoes[name]].compensate
            assert undo is not None
            return undo
        state = self.derived.get(name)
        if state is not None and state.of is not None:
            return self.whole[state.of]
        if name == "on_failure" and self.whole.on_failure is not None:
            return self.whole.on_failure
        raise KeyError(name)

    def every(self) -> Iterator[TaskState]:
        """All of them, those of the plan first."""
        yield from self.tasks.values()
        yield from self.derived.values()

    def snapshot(
        self,
        results: Mapping[str, Any] | None = None,
        *,
        journal: str = "",
        final: bool = False,
        why: Callable[[str], str] | None = None,
        history: Callable[[], Sequence[ev.Event]] | None = None,
    ) -> Run:
        """A frozen `Run` of this moment; `final` where no event will follow: nothing is copied.

        `why` says what a task waits for; it is asked for the first thousand that wait. `history`
        gives the events, those of later moments too; it is asked when somebody looks.
        """
        if final:
            tasks = TaskRuns(lambda: list(self.tasks.values()))
            derived = TaskRuns(lambda: list(self.derived.values()))
        else:
            copies = [copy.copy(task) for task in list(self.tasks.values())]
            others = [copy.copy(task) for task in list(self.derived.values())]
            if why is not None:
                _tell_waits([*copies, *others], why)
            tasks, derived = TaskRuns(copies), TaskRuns(others)
        made = Run(
            run_id=self.run_id,
            plan=self.plan,
            status=self.status,
            tasks=tasks,
            started=datetime.fromtimestamp(self.started, UTC),
            finished=utc(self.finished),
            name=self.name,
            options=self.options,
            results=MappingProxyType({}) if results is None else results,
            resumed=self.resumed,
            idle_s=self.idle_s,
            journal=journal,
            derived=derived,
            paused=self.paused,
            decisions=tuple(self.decisions),
        )
        if history is not None:
            until = None if self.finished is not None else self.last
            made.__dict__["_told"] = functools.partial(_up_to, history, self.resumed, until)
        return made

    # -- attempts, the hot part ----------------------------------------------------------------

    def _attempt_started(self, event: ev.AttemptStarted) -> None:
        task = self._tasks.get(event.task)
        if task is None:
            task = self._derive(event.task)
        task.status = Status.RUNNING
        if task.start is None:
            if event.ready:
                task.ready = event.ready
        else:
            task.earlier = ((task.start, task.end), task.earlier)
            task.end = None
        task.start = event
        task.tries += 1
        if task.reason:
            task.reason = ""

    def _attempt_succeeded(self, event: ev.AttemptSucceeded) -> None:
        task = self._tasks.get(event.task)
        if task is None:
            task = self._derive(event.task)
            if event.task in self._undoes:
                self._tasks[self._undoes[event.task]].status = Status.COMPENSATED
        self._finish(task, event)
        task.status = Status.SUCCEEDED
        task.result = event.result
        task.finished = event.at
        if task.pid is not None:
            task.pid = None

    def _finish(self, task: TaskState, event: End) -> None:
        if task.start is None or task.start.attempt != event.attempt:
            raise ValueError(f"{event.task}: attempt {event.attempt} ended before it started")
        task.end = event

    def _attempt_failed(self, event: ev.AttemptFailed) -> None:
        task = self._derive(event.task)
        self._finish(task, event)
        task.finished, task.pid = event.at, None

    def _attempt_lost(self, event: ev.AttemptLost) -> None:
        task = self._derive(event.task)
        self._finish(task, event)
        task.status, task.pid = Status.PENDING, None

    def _attempt_returned(self, event: ev.AttemptReturned) -> None:
        task = self._derive(event.task)
        task.start = task.end = None
        if task.earlier is not None:
            (task.start, task.end), task.earlier = task.earlier
        task.tries -= 1
        task.status = Status.PENDING

    def _derive(self, name: str) -> TaskState:
        """The state of a task, made where it is one that comes to be in the run."""
        found = self._tasks.get(name) or self._derived.get(name)
        if found is None:
            if name not in self._undoes and name != "on_failure":
                raise KeyError(name)
            found = self._derived[name] = TaskState(name, of=self._undoes.get(name))
        return found

    # -- tasks ---------------------------------------------------------------------------------

    def _process_started(self, event: ev.ProcessStarted) -> None:
        self._derive(event.task).pid = (event.pid, event.created)

    def _backing_off(self, event: ev.BackingOff) -> None:
        task = self._derive(event.task)
        task.status, task.until = Status.BACKING_OFF, event.until

    def _waiting(self, event: ev.Waiting) -> None:
        task = self._derive(event.task)
        task.status, task.reason, task.waiting_since = Status.WAITING, event.prompt, event.at
        task.until = event.until

    def _note(self, event: Any, verb: str, task: str | None = None, note: str = "") -> None:
        """What a person did, or what stands for a person's doing."""
        at = datetime.fromtimestamp(event.at, UTC)
        self.decisions.append(Decision(at, verb, task, event.by, note))

    def _decided(self, event: ev.Decided) -> None:
        task = self._derive(event.task)
        spec = self.plan.by_id.get(task.of or event.task)
        yes = "tick" if spec is not None and spec.todo is not None else "approve"
        self._note(event, yes if event.approved else "reject", event.task, event.note)
        if not task.decided:  # of two answers in one turn the first counts
            task.decided, task.decided_by, task.note = True, event.by, event.note

    def _task_ended(self, event: ev.TaskEnded) -> None:
        task = self._derive(event.task)
        task.status, task.reason, task.cause = event.status, event.reason, event.cause
        task.finished, task.until = event.at, None
        if event.status is Status.SKIPPED and event.task in self._skips:
            asked = self._skips[event.task]
            task.decided, task.decided_by, task.note = True, asked.by or "a person", asked.note
        if event.result is not None:
            task.result, task.cached = event.result, event.cached

    def _expanded(self, event: ev.Expanded) -> None:
        group = self._tasks[event.task]
        group.status, group.instances, group.items = Status.RUNNING, event.count, event.items
        group.waiting_since = event.at
        for n in range(event.count):
            name = f"{event.task}[{n}]"
            self._derived[name] = TaskState(name, of=event.task, index=n)

    def _retry_requested(self, event: ev.RetryRequested) -> None:
        undone = self._undoes.get(event.task)
        if undone is not None:
            self._note(event, "compensate", undone)
        elif event.by != ev.NOT_KEPT:
            self._note(event, "retry", event.task)
        self._reset(event.reset or (event.task,))

    def _skip_requested(self, event: ev.SkipRequested) -> None:
        self._note(event, "skip", event.task, event.note)
        self._reset(event.reset, stays=event.task)
        task = self._derive(event.task)
        self._skips[event.task] = event
        if task.status is Status.RUNNING and task.instances is not None:
            for n in range(task.instances):
                if not self._derived[f"{event.task}[{n}]"].status.ended:
                    self._skips[f"{event.task}[{n}]"] = event

    def _reset(self, names: Sequence[str], stays: str = "") -> None:
        """These go back to pending; `stays`: one that does not lose its instances by that."""
        named = [self._derive(name) for name in names]
        reset = [task for task in named if task.status.ended]  # not of a second request in a turn
        kept = {task.of for task in reset if task.index is not None}  # only instances of these
        for task in reset:
            task.reason, task.cause, task.finished, task.cached = "", None, None, ""
            self._skips.pop(task.task, None)
            if task.task in kept:
                task.status = Status.RUNNING
                continue
            task.status = Status.PENDING
            task.ready = task.until = task.waiting_since = None
            task.decided, task.decided_by, task.note = False, "", ""
            if task.instances is not None and task.task != stays:
                for n in range(task.instances):  # its items are worked out anew
                    self._derived.pop(f"{task.task}[{n}]", None)
                    self._skips.pop(f"{task.task}[{n}]", None)
                task.instances = task.items = None

    # -- the run -------------------------------------------------------------------------------

    def _cancel_requested(self, event: ev.CancelRequested) -> None:
        self._note(event, "cancel", event.task, event.cause.replace("_", "-"))
        if event.task is None and not self.cancelling:  # of several the first counts
            self.cancelling, self.cancel_cause = True, event.cause

    def _pause(self, event: ev.PauseRequested | ev.PauseEnded) -> None:
        self.paused = type(event) is ev.PauseRequested
        self._note(event, "pause" if self.paused else "resume")

    def _workers_changed(self, event: ev.WorkersChanged) -> None:
        self._note(event, "workers", note=str(event.workers))
        self.options = msgspec.structs.replace(self.options, workers=event.workers)

    def _run_started(self, event: ev.RunStarted) -> None:
        self.run_id, self.name = event.run_id, event.name
        self.plan = self.whole = event.plan
        self.options, self.started = event.options, event.at
        self._tasks = {}
        self._later.append(())  # they are made when somebody looks
        self._undoes = {
            task.compensate.id: task.id
            for task in event.plan.tasks
            if task.compensate is not None
        }  # fmt: skip

    def _run_resumed(self, event: ev.RunResumed) -> None:
        self.options, self.status, self.finished = event.options, RunStatus.RUNNING, None
        self.resumed += 1
        if event.by:
            self._note(event, "recover")
        self.idle_s += max(0.0, event.at - self.last)
        self.cancelling = self.paused = False

    def _run_ended(self, event: ev.RunEnded) -> None:
        self.status, self.finished = event.status, event.at
        if event.status is RunStatus.CUT_OFF:  # nobody works on what was shared out to instances
            for task in self.tasks.values():
                if task.status is Status.RUNNING:
                    task.status = Status.PENDING


def _up_to(
    history: Callable[[], Sequence[ev.Event]], resumed: int, last: float | None
) -> Sequence[ev.Event]:
    """The events up to a moment: until a run that had been resumed so often was so again, and, of
    one that had not ended, until the time of the last one that was known."""
    events = history()
    again = [n for n, event in enumerate(events) if type(event) is ev.RunResumed]
    end = again[resumed] if len(again) > resumed else len(events)
    while last is not None and end and events[end - 1].at > last:
        end -= 1
    return events[:end]


def _tell_waits(tasks: Sequence[TaskState], why: Callable[[str], str]) -> None:
    waiting = (t for t in tasks if t.status in _WAITING and not t.reason)
    for task in itertools.islice(waiting, _TOLD):
        task.reason = why(task.task)


def replay(
    events: Sequence[ev.Event], guard: AbstractContextManager[Any] | None = None
) -> RunState:
    """The state after `events`, the first of which is `RunStarted`."""
    state = RunState(guard)
    if events:
        state.apply(events[0])
        state.apply_all(events[1:])
    return state
