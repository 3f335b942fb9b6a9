"""The scheduler decides: given what has happened, what happens next. It does nothing else.

    handle(event) -> commands    where a command is an `Event` that must be recorded (and comes back
                                 through `handle`), or a `Stop` of a running attempt
    observe(event)               the same change of state without deciding: replaying a journal
    conclude(at) -> commands     asked when nothing more is to be handled: has the run ended?

No clock, no I/O, no random number: times come with the events. State is integers in lists: a task's
index, its status, how many of its upstream stand how. Work per event is proportional to the task's
neighbours, never to the plan (the whole-run events, start, resume and cancel, are linear).

    task states   pending ─► ready ─► starting ─► running ─► (an end)
                     │                   ▲           │
                     ├─► waiting         └ backing_off ◄┘
                     └─► (skipped, upstream_failed, cancelled)

Ready tasks start in order of the longest remaining path (list scheduling, Graham), then the plan's.
The shape is XState's `transition(logic, snapshot, event) -> [next, actions]`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from orch_nb.engine.retry import backoff_s, retryable, spread
from orch_nb.engine.trigger import Verdict, judge
from orch_nb.graph import critical_path, topology
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status

__all__ = ["Command", "Elapsed", "Scheduler", "Stop"]


class Elapsed(msgspec.Struct, frozen=True):
    """A task's backing-off time is over. Never journaled: the attempt that follows is."""

    at: float
    task: str


class Stop(msgspec.Struct, frozen=True):
    """The running attempt of this task must be stopped."""

    task: str
    attempt: int


Command = ev.Event | Stop

_SUCCEEDED, _SKIPPED, _FAILED = range(3)
_KIND = {
    Status.SUCCEEDED: _SUCCEEDED,
    Status.SKIPPED: _SKIPPED,
    Status.FAILED: _FAILED,
    Status.UPSTREAM_FAILED: _FAILED,
    Status.CANCELLED: _FAILED,
}
_AGAIN = frozenset({Status.UPSTREAM_FAILED, Status.SKIPPED, Status.CANCELLED})


class Scheduler:
    """The mind of one run. `workers` bounds how many attempts run at once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._ids = [task.id for task in plan.tasks]
        self._index = {task: n for n, task in enumerate(self._ids)}
        edges = topology.upstream(plan)
        index = self._index
        self._up = [tuple(index[other] for other in edges[task]) for task in self._ids]
        self._down: list[list[int]] = [[] for _ in self._ids]
        for n, waits in enumerate(self._up):
            for other in waits:
                self._down[other].append(n)
        tail = critical_path.remaining(plan)
        by_urgency = sorted(range(len(self._ids)), key=lambda n: (-tail[self._ids[n]], n))
        self._rank = [0] * len(self._ids)
        for place, n in enumerate(by_urgency):
            self._rank[n] = place
        self._by_rank = by_urgency
        self._status = [Status.PENDING] * len(self._ids)
        self._counts = [[0, 0, 0] for _ in self._ids]
        self._tries = [0] * len(self._ids)
        self._failures = [0] * len(self._ids)
        self._since = [0.0] * len(self._ids)
        self._starting: set[int] = set()
        self._running: set[int] = set()
        self._cancelled: set[int] = set()
        # Tasks whose end or question is decided and on its way back: not to be decided twice.
        self._settling: set[int] = set()
        self._answered: set[int] = set()
        self._backing_off = 0
        self._open = len(self._ids)
        self._ready: list[int] = []
        self._options = ev.RunOptions()
        self._run_id = ""
        self._cancelling = False
        self._ended = False
        self._observe: dict[type[Any], Callable[[Any], None]] = {
            ev.AttemptStarted: self._on_started,
            ev.AttemptSucceeded: self._on_succeeded,
            ev.AttemptFailed: self._on_failed,
            ev.AttemptLost: self._on_lost,
            ev.TaskEnded: self._on_ended,
            ev.BackingOff: self._on_backing_off,
            ev.Waiting: self._on_waiting,
            ev.RunStarted: self._on_run_started,
            ev.RunResumed: self._on_run_resumed,
            ev.RunEnded: self._on_run_ended,
            ev.CancelRequested: self._on_cancel,
            ev.RetryRequested: self._on_retry,
        }
        self._decide: dict[type[Any], Callable[[Any], list[Command]]] = {
            ev.AttemptStarted: self._after_start,
            ev.AttemptSucceeded: self._after_end,
            ev.TaskEnded: self._after_end,
            ev.AttemptFailed: self._after_failure,
            ev.Waiting: self._after_question,
            ev.Decided: self._after_decision,
            ev.RunStarted: self._consider_all,
            ev.RunResumed: self._consider_all,
            ev.CancelRequested: self._after_cancel,
            ev.RetryRequested: self._after_retry,
            Elapsed: self._after_elapsed,
        }

    # -- the three questions -------------------------------------------------------------------

    def handle(self, event: ev.Event | Elapsed) -> list[Command]:
        """What must be recorded or stopped because of `event`."""
        kind = type(event)
        observe = self._observe.get(kind)
        if observe is not None:
            observe(event)
        decide = self._decide.get(kind)
        return decide(event) if decide is not None else []

    def observe(self, event: ev.Event) -> None:
        """Take `event` as history: what followed from it is in the journal, or will be asked anew
        by `RunResumed`."""
        observe = self._observe.get(type(event))
        if observe is not None:
            observe(event)

    def conclude(self, at: float) -> list[Command]:
        """The end of the run, if nothing is left to do or only people are awaited by nobody."""
        if self._ended:
            return []
        if self._open == 0:
            return [ev.RunEnded(at=at, status=self._verdict())]
        idle = not (self._running or self._starting or self._backing_off or self._ready_left())
        if idle and not self._options.interactive:
            return [ev.RunEnded(at=at, status=RunStatus.WAITING)]
        return []

    # -- what a person may ask -----------------------------------------------------------------

    def status(self, task: str) -> Status:
        n = self._index[task]
        return Status.RUNNING if n in self._starting else self._status[n]

    def reset_by_retry(self, task: str) -> tuple[str, ...]:
        """What goes back to pending when `task` is retried: it, and what it kept from running."""
        first = self._index[task]
        found, stack = [first], [first]
        seen = {first}
        while stack:
            for other in self._down[stack.pop()]:
                if other not in seen and self._status[other] in _AGAIN:
                    seen.add(other)
                    found.append(other)
                    stack.append(other)
        return tuple(self._ids[n] for n in found)

    def in_flight(self) -> list[tuple[str, int]]:
        """Attempts that have started and not ended, as (task, attempt)."""
        return [(self._ids[n], self._tries[n]) for n in sorted(self._running)]

    # -- observing -----------------------------------------------------------------------------

    def _on_run_started(self, event: ev.RunStarted) -> None:
        self._run_id, self._options = event.run_id, event.options

    def _on_run_resumed(self, event: ev.RunResumed) -> None:
        self._options, self._ended, self._cancelling = event.options, False, False

    def _on_run_ended(self, event: ev.RunEnded) -> None:
        self._ended = True

    def _on_started(self, event: ev.AttemptStarted) -> None:
        n = self._index[event.task]
        self._starting.discard(n)
        self._leave(n)
        self._status[n] = Status.RUNNING
        self._running.add(n)
        self._tries[n] = event.attempt

    def _on_succeeded(self, event: ev.AttemptSucceeded) -> None:
        self._end(self._index[event.task], Status.SUCCEEDED)

    def _on_failed(self, event: ev.AttemptFailed) -> None:
        n = self._index[event.task]
        self._running.discard(n)
        self._failures[n] += 1
        if event.cancelled and not event.timed_out:
            self._cancelled.add(n)

    def _on_lost(self, event: ev.AttemptLost) -> None:
        n = self._index[event.task]
        self._running.discard(n)
        self._status[n] = Status.PENDING

    def _on_backing_off(self, event: ev.BackingOff) -> None:
        self._status[self._index[event.task]] = Status.BACKING_OFF
        self._backing_off += 1

    def _on_waiting(self, event: ev.Waiting) -> None:
        n = self._index[event.task]
        self._settling.discard(n)
        self._status[n] = Status.WAITING

    def _on_ended(self, event: ev.TaskEnded) -> None:
        self._end(self._index[event.task], event.status)

    def _on_cancel(self, event: ev.CancelRequested) -> None:
        if event.task is None:
            self._cancelling = True
        else:
            self._cancelled.add(self._index[event.task])

    def _on_retry(self, event: ev.RetryRequested) -> None:
        for task in event.reset or (event.task,):
            n = self._index[task]
            before = self._status[n]
            if not before.ended:
                continue
            for other in self._down[n]:
                self._counts[other][_KIND[before]] -= 1
                # What was about to start waits again; what is between two attempts goes on.
                if self._status[other] is Status.READY and not self._failures[other]:
                    self._status[other] = Status.PENDING
            self._status[n] = Status.PENDING
            self._failures[n] = 0
            self._cancelled.discard(n)
            self._answered.discard(n)
            self._open += 1

    def _leave(self, n: int) -> None:
        if self._status[n] is Status.BACKING_OFF:
            self._backing_off -= 1

    def _end(self, n: int, status: Status) -> None:
        if self._status[n].ended:
            return
        self._leave(n)
        self._running.discard(n)
        self._starting.discard(n)
        self._settling.discard(n)
        self._status[n] = status
        self._open -= 1
        kind = _KIND[status]
        for other in self._down[n]:
            self._counts[other][kind] += 1

    # -- deciding ------------------------------------------------------------------------------

    def _consider_all(self, event: ev.RunStarted | ev.RunResumed) -> list[Command]:
        commands: list[Command] = []
        for n, status in enumerate(self._status):
            if status is Status.PENDING:
                commands += self._consider(n, event.at)
            elif status is Status.WAITING:
                commands += self._ask(n, event.at, again=True)
        return commands + self._fill(event.at)

    def _after_start(self, event: ev.AttemptStarted) -> list[Command]:
        # A cancel that was handled while this start was on its way found nothing to stop yet.
        if self._cancelling or self._index[event.task] in self._cancelled:
            return [Stop(event.task, event.attempt)]
        return []

    def _after_end(self, event: ev.AttemptSucceeded | ev.TaskEnded) -> list[Command]:
        commands: list[Command] = []
        for other in self._down[self._index[event.task]]:
            if self._status[other] is Status.PENDING:
                commands += self._consider(other, event.at)
        return commands + self._fill(event.at)

    def _after_failure(self, event: ev.AttemptFailed) -> list[Command]:
        n, task = self._index[event.task], self.plan.tasks[self._index[event.task]]
        if n in self._cancelled or self._cancelling:
            left = "; it still runs" if event.abandoned else ""
            return [self._ended_as(n, event.at, Status.CANCELLED, f"cancelled{left}")]
        if retryable(task.retry, self._failures[n], event.error):
            u = spread(self._run_id, task.id, event.attempt)
            until = event.at + backoff_s(task.retry, self._failures[n], u)
            return [ev.BackingOff(at=event.at, task=task.id, until=until), *self._fill(event.at)]
        tries = self._failures[n]
        reason = f"failed {tries} times" if tries > 1 else ""
        return [self._ended_as(n, event.at, Status.FAILED, reason)]

    def _after_elapsed(self, event: Elapsed) -> list[Command]:
        n = self._index[event.task]
        if self._status[n] is not Status.BACKING_OFF or n in self._settling:
            return []
        self._leave(n)
        self._make_ready(n, event.at)
        return self._fill(event.at)

    def _after_question(self, event: ev.Waiting) -> list[Command]:
        # As in `_after_start`: a cancel found nobody waiting yet.
        n = self._index[event.task]
        if self._cancelling or n in self._cancelled:
            return [self._ended_as(n, event.at, Status.CANCELLED, "cancelled")]
        return []

    def _after_decision(self, event: ev.Decided) -> list[Command]:
        n = self._index[event.task]
        if self._status[n].ended or n in self._answered:
            return []
        self._answered.add(n)
        by = f" by {event.by}" if event.by else ""
        note = f": {event.note}" if event.note else ""
        if event.approved:
            word = "approved" if self.plan.tasks[n].approval is not None else "done"
            return [self._ended_as(n, event.at, Status.SUCCEEDED, f"{word}{by}{note}")]
        return [self._ended_as(n, event.at, Status.FAILED, f"rejected{by}{note}")]

    def _after_cancel(self, event: ev.CancelRequested) -> list[Command]:
        commands: list[Command] = []
        who = f" by {event.by}" if event.by else ""
        chosen: Iterable[int] = (
            range(len(self._ids)) if event.task is None else [self._index[event.task]]
        )
        for n in chosen:
            if n in self._running:
                commands.append(Stop(self._ids[n], self._tries[n]))
            elif not self._status[n].ended and n not in self._starting | self._settling:
                reason = f"cancelled{who}"
                commands.append(self._ended_as(n, event.at, Status.CANCELLED, reason))
        return commands

    def _after_retry(self, event: ev.RetryRequested) -> list[Command]:
        commands: list[Command] = []
        for task in event.reset or (event.task,):
            n = self._index[task]
            for other in (n, *self._down[n]):
                if self._status[other] is Status.PENDING:
                    commands += self._consider(other, event.at)
        return commands + self._fill(event.at)

    def _consider(self, n: int, at: float) -> list[Command]:
        if n in self._settling:
            return []
        if self._cancelling:
            return [self._ended_as(n, at, Status.CANCELLED, "cancelled")]
        task, counts = self.plan.tasks[n], self._counts[n]
        verdict = judge(
            task.trigger, len(self._up[n]), counts[_SUCCEEDED], counts[_SKIPPED], counts[_FAILED]
        )
        if verdict is Verdict.WAIT:
            return []
        if verdict is Verdict.UPSTREAM_FAILED:
            cause = self._first(n, _FAILED)
            how = self._status[self._index[cause]].value.replace("_", " ")
            reason = f"needs {cause}, which ended {how}"
            return [self._ended_as(n, at, Status.UPSTREAM_FAILED, reason, cause)]
        if verdict is Verdict.SKIP:
            skipped = counts[_SKIPPED] > 0
            cause_or_none = self._first(n, _SKIPPED) if skipped else None
            reason = f"needs {cause_or_none}, which was skipped" if skipped else "nothing failed"
            return [self._ended_as(n, at, Status.SKIPPED, reason, cause_or_none)]
        if task.waits_for_person:
            return self._ask(n, at)
        if task.kind == "milestone":
            return [self._ended_as(n, at, Status.SUCCEEDED, "")]
        self._make_ready(n, at)
        return []

    def _ask(self, n: int, at: float, *, again: bool = False) -> list[Command]:
        """A task that waits for a person: the answer, if it is known already, else the question."""
        task = self.plan.tasks[n]
        self._settling.add(n)
        if task.id in self._options.approve:
            return [ev.Decided(at=at, task=task.id, approved=True, by="--approve")]
        default = task.approval.default if task.approval is not None else None
        if default is not None and not self._options.interactive:
            approved = default == "approve"
            return [ev.Decided(at=at, task=task.id, approved=approved, by="default")]
        if again:
            self._settling.discard(n)
            return []
        prompt = task.approval.prompt if task.approval is not None else task.todo or ""
        return [ev.Waiting(at=at, task=task.id, prompt=prompt)]

    def _make_ready(self, n: int, at: float) -> None:
        self._status[n] = Status.READY
        self._since[n] = at
        heapq.heappush(self._ready, self._rank[n])

    def _ready_left(self) -> bool:
        while self._ready and self._status[self._by_rank[self._ready[0]]] is not Status.READY:
            heapq.heappop(self._ready)
        return bool(self._ready)

    def _fill(self, at: float) -> list[Command]:
        """Starts for ready tasks, most urgent first, as far as there are workers."""
        commands: list[Command] = []
        free = self._options.workers - len(self._running) - len(self._starting)
        while free > 0 and self._ready:
            n = self._by_rank[heapq.heappop(self._ready)]
            if self._status[n] is not Status.READY or n in self._settling or n in self._starting:
                continue  # cancelled meanwhile, or cancelled and tried anew: it stands here twice
            self._starting.add(n)
            free -= 1
            commands.append(
                ev.AttemptStarted(
                    at=at, task=self._ids[n], attempt=self._tries[n] + 1, ready=self._since[n]
                )
            )
        return commands

    def _first(self, n: int, kind: int) -> str:
        found = (
            self._ids[other]
            for other in self._up[n]
            if self._status[other].ended and _KIND[self._status[other]] == kind
        )
        return next(found)

    def _ended_as(
        self, n: int, at: float, status: Status, reason: str, cause: str | None = None
    ) -> ev.TaskEnded:
        self._settling.add(n)
        self._answered.add(n)  # an answer that comes in the same turn comes too late
        return ev.TaskEnded(at=at, task=self._ids[n], status=status, reason=reason, cause=cause)

    def _verdict(self) -> RunStatus:
        good = (Status.SUCCEEDED, Status.SKIPPED)
        if self._cancelling and Status.CANCELLED in self._status:
            return RunStatus.CANCELLED
        missing = any(
            task.required and status not in good
            for task, status in zip(self.plan.tasks, self._status, strict=True)
        )
        return RunStatus.FAILED if missing else RunStatus.SUCCEEDED
