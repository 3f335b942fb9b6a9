"""The scheduler decides: given what has happened, what happens next. It does nothing else.

    handle(event) -> events    what follows from an event: more events, to be recorded in order
    observe(event)             the same change of state without deciding: replaying a journal
    fill(at) -> events         starts for ready tasks, as far as there are workers and slots
    conclude(at) -> events     asked when nothing more is to be handled: is the run over?
    acts                       what must be done besides recording: `Stop`, `Ask`, `Arm`

No clock, no I/O, no random number: times come with the events. What it decides takes effect here at
once; the driver records it and acts on it. State is integers in lists: a task's index, its status,
how many of its upstream are left. Work per event is proportional to the task's neighbours, never to
the plan (the whole-run events, start, resume and cancel, are linear).

    task states   pending ─► (asking) ─► ready ─► running ─► (an end)
                     │                     ▲         │
                     ├─► waiting           └ backing_off
                     ├─► expanded (a `foreach` task, while its instances run)
                     └─► (skipped, upstream_failed, cancelled)

Ready tasks start by priority, then the longest remaining path (list scheduling, Graham), then the
plan's order. The shape is XState's `transition(logic, snapshot, event) -> [next, actions]`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orch_nb.engine import sagas, waits
from orch_nb.engine.groups import Groups
from orch_nb.engine.limits import Limits
from orch_nb.engine.ready import Ready
from orch_nb.engine.retry import backoff_s, retryable, spread
from orch_nb.engine.states import (
    ASKING,
    BACKING_OFF,
    CANCELLED,
    CODES,
    DERIVED,
    EAGER,
    EXPANDED,
    FAILED,
    FAILING,
    FANS_OUT,
    LIMITED,
    MEMBER,
    PENDING,
    PRELUDE,
    READY,
    RUNNING,
    SAGA,
    SKIPPED,
    SPECIAL,
    STATUSES,
    STAYS,
    SUCCEEDED,
    TIMED,
    UPSTREAM_FAILED,
    WAITING,
    cached,
    features,
)
from orch_nb.engine.trigger import Verdict, judge
from orch_nb.graph import critical_path, topology
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task

__all__ = [
    "Act",
    "Arm",
    "Ask",
    "Elapsed",
    "Go",
    "Overdue",
    "Scheduler",
    "Stop",
    "Tick",
    "Unanswered",
]


class Elapsed(msgspec.Struct, frozen=True):
    """A task's backing-off time is over. Like all of this kind never journaled: what follows is."""

    at: float
    task: str


class Overdue(msgspec.Struct, frozen=True):
    """A task's time over all attempts is over."""

    at: float
    task: str


class Unanswered(msgspec.Struct, frozen=True):
    """A gate's time is over and nobody has answered."""

    at: float
    task: str


class Tick(msgspec.Struct, frozen=True):
    """A period has passed that a rate limit spoke of."""

    at: float
    task: str = ""


class Go(msgspec.Struct, frozen=True):
    """The answer to `Ask`: nothing is in the way of running the task itself."""

    at: float
    task: str


class Stop(msgspec.Struct, frozen=True):
    """The running attempt of this task must be stopped; `why` is cancelled or total_timeout."""

    task: str
    attempt: int
    why: str = "cancelled"


class Ask(msgspec.Struct, frozen=True):
    """Before this task starts: judge its `when`, expand its `foreach`, look for a kept result."""

    task: str


class Arm(msgspec.Struct, frozen=True):
    """At `at` (seconds since the epoch) hand in `kind(at, task)`."""

    at: float
    kind: type[Any]
    task: str = ""


Act = Stop | Ask | Arm

_MASK = 0xFFFFFFFF
_SLOW = LIMITED | MEMBER | SAGA | DERIVED
_LOOK = SPECIAL | EAGER
_AGAIN = frozenset({UPSTREAM_FAILED, SKIPPED, CANCELLED})
_ODD = {SKIPPED: 0, FAILED: 1, CANCELLED: 1, UPSTREAM_FAILED: 2}


class Scheduler:
    """The mind of one run. `options.workers` bounds how many attempts run at once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        shape = topology.compiled(plan)
        count = self._planned = len(shape.ids)
        self.flags = list(map(features, plan.tasks))
        kinds = set(self.flags)
        undoes = any(kind & SAGA for kind in kinds)
        # Tasks come to be in the run: then these lists grow, and the plan's own must not.
        changes = undoes or plan.on_failure is not None or any(k & FANS_OUT for k in kinds)
        self.ids: list[str] = list(shape.ids) if changes else shape.ids
        self.index: dict[str, int] = dict(shape.index) if changes else shape.index
        self.up: list[tuple[int, ...]] = list(shape.up) if changes else shape.up
        self.down: list[Any] = list(shape.down) if changes else shape.down
        self.tasks: list[Task] = list(plan.tasks)
        self.left = [len(up) for up in self.up]
        self.states = [PENDING] * count
        self.since = [0.0] * count
        self.tries = [0] * count
        self.keys = _keys(plan)
        self.limits = Limits(plan.pools, self.states)
        if any(kind & LIMITED for kind in kinds):
            for n, task in enumerate(plan.tasks):
                self.limits.want(n, task.pool)
        #: Of upstream that did not succeed: skipped, failed, upstream_failed; absent where none.
        self.odd: dict[int, list[int]] = {}
        self.failures: dict[int, int] = {}
        self.until: dict[int, float] = {}
        self._first: dict[int, float] = {}
        self.cancelled: set[int] = set()
        self._overdue: set[int] = set()
        self.todo: deque[int] = deque()
        self.ready = Ready()
        self.running = self.backing_off = self.asking_now = 0
        self.open = count
        self.options = ev.RunOptions()
        self._run_id = ""
        self.cancelling = self.paused = self._ended = False
        self._cause = ""
        self._tick: float | None = None
        self.groups = Groups(self)
        self._saga = sagas.Saga(self, undoes=undoes)
        self.acts: list[Act] = []
        self._observe: dict[type[Any], Callable[[Any], None]] = {
            ev.AttemptStarted: self._on_started,
            ev.AttemptSucceeded: self._on_succeeded,
            ev.AttemptFailed: self._on_failed,
            ev.AttemptLost: self._on_lost,
            ev.AttemptReturned: self._on_returned,
            ev.TaskEnded: lambda e: self._end(self.index[e.task], CODES[e.status], e.at, None),
            ev.BackingOff: self._on_backing_off,
            ev.Waiting: self._on_waiting,
            ev.Expanded: lambda e: self.groups.expand(e, None),
            ev.RunStarted: self._on_run_started,
            ev.RunResumed: self._on_run_resumed,
            ev.RunEnded: self._on_run_ended,
            ev.CancelRequested: self._on_cancel,
            ev.RetryRequested: self._on_retry,
            ev.PauseRequested: self._on_pause,
            ev.PauseEnded: self._on_pause,
            ev.WorkersChanged: self._on_workers,
        }
        self._decide: dict[type[Any], Callable[[Any, list[ev.Event]], None]] = {
            ev.AttemptSucceeded: self._succeeded,
            ev.AttemptFailed: self._failed,
            ev.AttemptReturned: self._returned,
            ev.TaskEnded: self._told_ended,
            ev.Expanded: self._told_expanded,
            ev.Decided: self._decided,
            ev.RunStarted: self._begin,
            ev.RunResumed: self._begin,
            ev.CancelRequested: self._cancel,
            ev.RetryRequested: self._retry,
            Elapsed: self._elapsed,
            Overdue: self._over,
            Unanswered: self._unanswered,
            Tick: self._ticked,
            Go: self._go,
        }

    # -- the questions -------------------------------------------------------------------------

    def handle(self, event: Any) -> list[ev.Event]:
        """What follows from `event`, in effect here already, to be recorded after it."""
        out: list[ev.Event] = []
        decide = self._decide.get(type(event))
        if decide is not None:
            decide(event, out)
            if self.todo:
                self._settle(event.at, out)
        else:
            self.observe(event)
        return out

    def handle_all(self, events: Sequence[Any]) -> list[ev.Event]:
        """The events, each with what follows from it, in order: `handle` for many.

        Nearly all that happens is that a plain function succeeded, so that has its lines here.
        """
        out: list[ev.Event] = []
        index, states, flags, left = self.index, self.states, self.flags, self.left
        down, odd, since, keys = self.down, self.odd, self.since, self.keys
        fresh, todo, succeeded = self.ready.fresh, self.todo, ev.AttemptSucceeded
        for event in events:
            out.append(event)
            if type(event) is succeeded:
                n = index[event.task]
                if states[n] == RUNNING and not flags[n] & _SLOW:
                    self.running -= 1
                    self.open -= 1
                    states[n] = SUCCEEDED
                    for other in down[n]:
                        waits_for = left[other] = left[other] - 1
                        if flags[other] & _LOOK or (odd and other in odd):
                            if states[other] == PENDING:
                                todo.append(other)
                        elif not waits_for and states[other] == PENDING:
                            states[other] = READY
                            since[other] = event.at
                            fresh.append(keys[other])
                    if todo:
                        self._settle(event.at, out)
                    continue
            out += self.handle(event)
        return out

    def observe(self, event: ev.Event) -> None:
        """Take `event` as history: what followed from it is in the journal, or will be asked anew
        by `RunResumed`."""
        observe = self._observe.get(type(event))
        if observe is not None:
            observe(event)

    def fill(self, at: float, ahead: int = 0) -> list[ev.Event]:
        """Starts for ready tasks, most urgent first, as far as there are workers and slots.

        `ahead` more of plain functions, for an executor that queues them: see `QueueingExecutor`.
        """
        starts: list[ev.Event] = []
        ready = self.ready
        free = self.options.workers + ahead - self.running
        if free <= 0 or self.paused:
            return starts
        if ready.fresh:
            ready.settle()
        states, flags, tries, ordered = self.states, self.flags, self.tries, ready.ordered
        begun = 0
        while begun < free and (ordered or ready.heap):
            key = ready.pop() if ready.heap else ordered.pop()
            n = key & _MASK
            if states[n] != READY:  # cancelled meanwhile, or tried anew: then it stands here twice
                if flags[n] & LIMITED:
                    self._make_way(n, at)
                    ready.settle()
                continue
            if flags[n]:
                if ahead >= free - begun and flags[n] & STAYS:
                    ready.fresh.append(key)
                    break
                if flags[n] & LIMITED and not self._take(n, key, at):
                    ready.settle()
                    continue
                if flags[n] & TIMED:
                    self._time(n, at)
            states[n] = RUNNING
            begun += 1
            attempt = tries[n] = tries[n] + 1
            starts.append(
                ev.AttemptStarted(at=at, task=self.ids[n], attempt=attempt, ready=self.since[n])
            )
        self.running += begun
        if self.limits.parked:
            self._await_period(at)
        return starts

    def conclude(self, at: float) -> list[ev.Event]:
        """The end of the run, if nothing is left to do or only people are awaited by nobody.

        A run that failed has its saga to end first: then tasks become ready here (`fill`).
        """
        if self._ended or self.running or self.backing_off or self.asking_now:
            return []
        if self.open == 0:
            if self._saga.goes_on(at):
                return []
            self._ended = True
            return [ev.RunEnded(at=at, status=self._saga.verdict or self.verdict())]
        if self.ready or self.limits.parked or self.paused or self.options.interactive:
            return []
        self._ended = True
        return [ev.RunEnded(at=at, status=RunStatus.WAITING)]

    # -- what a person may ask -----------------------------------------------------------------

    def status(self, task: str) -> Status:
        return STATUSES[self.states[self.index[task]]]

    def why(self, task: str, at: float) -> str:
        """In words what a task waits for; empty if it does not wait."""
        return waits.reason(self, self.index[task], at)

    def asking(self, task: str) -> bool:
        """Whether the answer to `Ask` is still wanted."""
        n = self.index.get(task)
        return n is not None and self.states[n] == ASKING

    def reset_by_retry(self, task: str) -> tuple[str, ...]:
        """What goes back to pending when `task` is retried: it (of a `foreach` task the instances
        that failed), what it kept from running, and what has been undone."""
        first = self.index[task]
        if self.flags[first] & DERIVED:
            return (task,)
        found = dict.fromkeys(self.groups.reset(first))
        stack = list(found)
        stack += [n for n in self._saga.undone() if n not in found]
        found |= dict.fromkeys(stack)
        undone = {n for n in found if self.states[n] == CODES[Status.COMPENSATED]}
        while stack:
            n = stack.pop()
            for other in self.down[n]:
                again = self.states[other] in _AGAIN
                if other not in found and (
                    again or (n in undone and self.states[other] > EXPANDED)
                ):
                    found[other] = None
                    stack.append(other)
                    if n in undone:
                        undone.add(other)
        return tuple(self.ids[n] for n in found)

    @property
    def undoing(self) -> bool:
        """Whether the run's own tasks have all ended and its saga is under way."""
        return self._saga.verdict is not None and not self._ended

    @property
    def idle(self) -> bool:
        """Whether nothing runs, is asked, or is between two attempts."""
        return not (self.running or self.backing_off or self.asking_now)

    def in_flight(self) -> list[tuple[str, int]]:
        """Attempts that have started and not ended, as (task, attempt)."""
        return [
            (self.ids[n], self.tries[n])
            for n, status in enumerate(self.states)
            if status == RUNNING
        ]

    # -- observing -----------------------------------------------------------------------------

    def _on_run_started(self, event: ev.RunStarted) -> None:
        self._run_id = event.run_id
        self._take_options(event.options)

    def _on_run_resumed(self, event: ev.RunResumed) -> None:
        self._take_options(event.options)
        self._ended = self.cancelling = self.paused = False
        self._cause = ""
        self._saga.resume()

    def _take_options(self, options: ev.RunOptions) -> None:
        self.options = options
        if options.cache:
            for n, task in enumerate(self.plan.tasks):
                self.flags[n] |= cached(task)

    def _on_run_ended(self, event: ev.RunEnded) -> None:
        self._ended = True

    def _on_workers(self, event: ev.WorkersChanged) -> None:
        self.options = msgspec.structs.replace(self.options, workers=event.workers)

    def _on_pause(self, event: ev.PauseRequested | ev.PauseEnded) -> None:
        self.paused = type(event) is ev.PauseRequested

    def _on_started(self, event: ev.AttemptStarted) -> None:
        n = self.index[event.task]
        self.leave(n)
        self.states[n] = RUNNING
        self.running += 1
        self.tries[n] = event.attempt
        if self.flags[n] & LIMITED:
            self.limits.take(n, event.at)
        if self.flags[n] & TIMED:
            self._first.setdefault(n, event.at)

    def _on_succeeded(self, event: ev.AttemptSucceeded) -> None:
        n = self.index[event.task]
        if self.states[n] == RUNNING:
            self._end(n, SUCCEEDED, event.at, None)

    def _on_failed(self, event: ev.AttemptFailed) -> None:
        n = self.index[event.task]
        self._stopped_running(n, event.at)
        self.states[n] = FAILING
        self.failures[n] = self.failures.get(n, 0) + 1
        if event.cancelled and not event.timed_out:
            self.cancelled.add(n)

    def _on_lost(self, event: ev.AttemptLost) -> None:
        n = self.index[event.task]
        self._stopped_running(n, event.at)
        self.states[n] = PENDING

    def _on_returned(self, event: ev.AttemptReturned) -> None:
        n = self.index[event.task]
        self._stopped_running(n, event.at)
        self.states[n] = PENDING
        self.tries[n] -= 1

    def _on_backing_off(self, event: ev.BackingOff) -> None:
        n = self.index[event.task]
        self.states[n] = BACKING_OFF
        self.until[n] = event.until
        self.backing_off += 1

    def _on_waiting(self, event: ev.Waiting) -> None:
        n = self.index[event.task]
        self.leave(n)
        self.states[n] = WAITING
        if event.until is not None:
            self.until[n] = event.until

    def _on_cancel(self, event: ev.CancelRequested) -> None:
        if event.task is None:
            if not self.cancelling:  # of several the first counts
                self._cause = event.cause
            self.cancelling = True
            return
        n = self.index[event.task]
        self.cancelled.add(n)
        members = self.groups.with_members(n)
        self.cancelled.update(m for m in members if self.states[m] <= EXPANDED)

    def _on_retry(self, event: ev.RetryRequested) -> None:
        self._saga.reopen()
        names = event.reset or (event.task,)
        reset = [n for n in (self.index.get(name) for name in names) if n is not None]
        kept = self.groups.reopened(reset)
        for n in reset:
            if self.states[n] <= EXPANDED:
                continue
            self._unend(n, event.at)
            self.states[n] = EXPANDED if n in kept else PENDING
        for n in reset:
            if self.flags[n] & PRELUDE and n not in kept:
                self.groups.drop(n)

    def _unend(self, n: int, at: float) -> None:
        """Take back that `n` has ended, here and with what waits for it."""
        before = self.states[n]
        for other in self.down[n]:
            self.left[other] += 1
            if before in _ODD:
                self.odd[other][_ODD[before]] -= 1
            # What was about to start waits again; what is between two attempts goes on.
            if self.states[other] == READY and not self.failures.get(other):
                self.states[other] = PENDING
                if self.flags[other] & LIMITED:
                    self._make_way(other, at)
            elif self.states[other] == ASKING:
                self.leave(other)
                self.states[other] = PENDING
        self.forget(n)
        self.open += 1
        if self.flags[n] & MEMBER:
            self.groups.unended(n, before)

    def forget(self, n: int) -> None:
        """Task `n` has all its tries and all its time again."""
        self.failures.pop(n, None)
        self._first.pop(n, None)
        self.cancelled.discard(n)
        self._overdue.discard(n)

    def leave(self, n: int) -> None:
        status = self.states[n]
        if status == BACKING_OFF:
            self.backing_off -= 1
        elif status == ASKING:
            self.asking_now -= 1

    def _stopped_running(self, n: int, at: float) -> None:
        if self.states[n] == RUNNING:
            self.running -= 1
            if self.flags[n] & LIMITED:
                for key in self.limits.give_back(n, at):
                    self.ready.fresh.append(key)

    def _end(self, n: int, status: int, at: float, out: list[ev.Event] | None) -> None:
        """Task `n` has ended. What hangs on it is looked at when all of the event is known (`todo`);
        `out` None: it is history, nothing is decided."""
        if self.states[n] > EXPANDED:
            return
        self._stopped_running(n, at)
        self.leave(n)
        waited, self.states[n] = self.states[n] == READY, status
        if waited and self.flags[n] & LIMITED:
            self._make_way(n, at)
        odd = _ODD.get(status)
        for other in self.down[n]:
            self.left[other] -= 1
            if odd is not None:
                self.odd.setdefault(other, [0, 0, 0])[odd] += 1
            if out is not None and self.states[other] == PENDING:
                self.todo.append(other)
        flags = self.flags[n]
        if flags & DERIVED:
            self._saga.ended(n, status)
            return
        self.open -= 1
        if flags & SAGA and status == SUCCEEDED:
            self._saga.completed(n)
        if flags & MEMBER:
            self.groups.ended(n, status, at, out)
        elif status == FAILED and out is not None:
            self.fail_fast(n, at, out)

    # -- deciding ------------------------------------------------------------------------------

    def _begin(self, event: ev.RunStarted | ev.RunResumed, out: list[ev.Event]) -> None:
        self.observe(event)
        self.ready.clear()
        for n in sorted(self._first):
            if self.states[n] <= EXPANDED:
                self._time(n, self._first[n])
                self._over(Overdue(event.at, self.ids[n]), out)
        for n, status in enumerate(self.states):
            if status == READY:  # it was made ready by what had been lost
                self.states[n] = PENDING
            if self.states[n] == PENDING and not self.flags[n] & DERIVED:
                if self.left[n] == 0 or self.flags[n] & EAGER or n in self.odd:
                    self._consider(n, event.at, out)
            elif status == WAITING:
                self._ask(n, event.at, out, again=True)
            elif status == BACKING_OFF:
                self.acts.append(Arm(self.until[n], Elapsed, self.ids[n]))
                self._elapsed(Elapsed(event.at, self.ids[n]), out)

    def _succeeded(self, event: ev.AttemptSucceeded, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        if self.states[n] == RUNNING:
            self._end(n, SUCCEEDED, event.at, out)

    def _failed(self, event: ev.AttemptFailed, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        if self.states[n] != RUNNING:
            return
        self._on_failed(event)
        task, failures = self.tasks[n], self.failures[n]
        cancelling = self.cancelling and not self.flags[n] & DERIVED
        if n in self._overdue:
            reason = f"took longer than {task.total_timeout_s:g} s over all attempts"
            self.close(n, event.at, FAILED, reason, out)
        elif n in self.cancelled or cancelling:
            left = "; it still runs" if event.abandoned else ""
            self.close(n, event.at, CANCELLED, f"cancelled{self.because()}{left}", out)
        elif retryable(task.retry, failures, event.error):
            u = spread(self._run_id, event.task, event.attempt)
            backing_off = ev.BackingOff(
                at=event.at, task=event.task, until=event.at + backoff_s(task.retry, failures, u)
            )
            self._on_backing_off(backing_off)
            self.acts.append(Arm(backing_off.until, Elapsed, event.task))
            out.append(backing_off)
        else:
            reason = f"failed {failures} times" if failures > 1 else ""
            self.close(n, event.at, FAILED, reason, out)

    def _returned(self, event: ev.AttemptReturned, out: list[ev.Event]) -> None:
        self._on_returned(event)
        n = self.index[event.task]
        if self.cancelling or n in self.cancelled:
            self._consider(n, event.at, out)
        else:
            self.make_ready(n, event.at)

    def _elapsed(self, event: Elapsed, out: list[ev.Event]) -> None:
        n = self.index.get(event.task)
        if n is not None and self.states[n] == BACKING_OFF and self.until[n] <= event.at:
            self.leave(n)
            self.make_ready(n, event.at)

    def _over(self, event: Overdue, out: list[ev.Event]) -> None:
        n = self.index.get(event.task)
        if n is None or n not in self._first or self.states[n] > EXPANDED:
            return
        limit = self.tasks[n].total_timeout_s or 0.0
        if self._first[n] + limit > event.at:  # it was tried anew since
            return
        if self.states[n] == RUNNING:
            self._overdue.add(n)
            self.acts.append(Stop(event.task, self.tries[n], "total_timeout"))
        else:
            reason = f"took longer than {limit:g} s over all attempts"
            self.close(n, event.at, FAILED, reason, out)

    def _ticked(self, event: Tick, out: list[ev.Event]) -> None:
        self._tick = None
        for key in self.limits.over(event.at):
            self.ready.fresh.append(key)

    def _go(self, event: Go, out: list[ev.Event]) -> None:
        if self.asking(event.task):
            n = self.index[event.task]
            self.leave(n)
            self.states[n] = PENDING
            self._admit(n, event.at, out)

    def _told_ended(self, event: ev.TaskEnded, out: list[ev.Event]) -> None:
        self._end(self.index[event.task], CODES[event.status], event.at, out)

    def _told_expanded(self, event: ev.Expanded, out: list[ev.Event]) -> None:
        self.groups.expand(event, out)

    def _decided(self, event: ev.Decided, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        if self.states[n] != WAITING:
            return
        by = f" by {event.by}" if event.by else ""
        note = f": {event.note}" if event.note else ""
        if event.approved:
            word = "approved" if self.tasks[n].approval is not None else "done"
            self.close(n, event.at, SUCCEEDED, f"{word}{by}{note}", out)
        else:
            self.close(n, event.at, FAILED, f"rejected{by}{note}", out)

    def _unanswered(self, event: Unanswered, out: list[ev.Event]) -> None:
        n = self.index[event.task]
        gate = self.tasks[n].approval
        if self.states[n] != WAITING or gate is None or self.until.get(n, 0.0) > event.at:
            return
        if gate.default is None:
            reason = f"nobody answered within {gate.timeout_s:g} s"
            self.close(n, event.at, FAILED, reason, out)
            return
        told = ev.Decided(
            at=event.at, task=event.task, approved=gate.default == "approve", by="timeout"
        )
        out.append(told)
        self._decided(told, out)

    def _cancel(self, event: ev.CancelRequested, out: list[ev.Event]) -> None:
        self._on_cancel(event)
        who = f" by {event.by}" if event.by and not event.cause else self.because()
        if event.task is None:
            chosen = [n for n in range(len(self.ids)) if not self.flags[n] & DERIVED]
        else:
            chosen = self.groups.with_members(self.index[event.task])
        for n in chosen:
            if self.states[n] == RUNNING:
                self.cancelled.add(n)
                self.acts.append(Stop(self.ids[n], self.tries[n]))
            elif self.states[n] < EXPANDED:
                self.close(n, event.at, CANCELLED, f"cancelled{who}", out)

    def _retry(self, event: ev.RetryRequested, out: list[ev.Event]) -> None:
        self._on_retry(event)
        for name in event.reset or (event.task,):
            n = self.index.get(name)
            if n is not None:
                self.todo.append(n)
                self.todo.extend(self.down[n])

    def fail_fast(self, n: int, at: float, out: list[ev.Event]) -> None:
        if not self.options.fail_fast or self.cancelling or not self.tasks[n].required:
            return
        told = ev.CancelRequested(at=at, by=self.ids[n], cause="fail_fast")
        out.append(told)
        self._cancel(told, out)

    def because(self) -> str:
        if self._cause == "timeout":
            return f": the run took longer than {self.options.timeout_s or 0:g} s"
        return ": fail-fast" if self._cause else ""

    # -- from pending to ready -----------------------------------------------------------------

    def _settle(self, at: float, out: list[ev.Event]) -> None:
        """Look at what hangs on what has ended, first come first."""
        while self.todo:
            n = self.todo.popleft()
            if self.states[n] == PENDING and not self.flags[n] & DERIVED:
                self._consider(n, at, out)

    def _consider(self, n: int, at: float, out: list[ev.Event]) -> None:
        if self.cancelling or n in self.cancelled:
            self.close(n, at, CANCELLED, f"cancelled{self.because()}", out)
            return
        total, left = len(self.up[n]), self.left[n]
        skipped, failed, unreached = self.odd.get(n, (0, 0, 0))
        succeeded = total - left - skipped - failed - unreached
        trigger = self.tasks[n].trigger
        verdict = judge(trigger, total, succeeded, skipped, failed, unreached)
        if verdict is Verdict.RUN or self.flags[n] & MEMBER:
            self._proceed(n, at, out)
        elif verdict is Verdict.UPSTREAM_FAILED:
            cause = self._first_that(n, FAILED, CANCELLED, UPSTREAM_FAILED)
            how = self.status(cause).value.replace("_", " ") if cause else ""
            reason = (
                f"needs {cause}, which ended {how}" if cause else "none of what it needs succeeded"
            )
            self.close(n, at, UPSTREAM_FAILED, reason, out, cause)
        elif verdict is Verdict.SKIP:
            cause = self._first_that(n, SKIPPED)
            reason = f"needs {cause}, which was skipped" if cause else waits.unmet(trigger)
            self.close(n, at, SKIPPED, reason, out, cause)

    def _first_that(self, n: int, *statuses: int) -> str | None:
        found = (self.ids[other] for other in self.up[n] if self.states[other] in statuses)
        return next(found, None)

    def _proceed(self, n: int, at: float, out: list[ev.Event]) -> None:
        """The trigger rule lets `n` run: before its first attempt there may be questions."""
        if self.flags[n] & PRELUDE and not self.tries[n]:
            self.states[n] = ASKING
            self.asking_now += 1
            self.acts.append(Ask(self.ids[n]))
        else:
            self._admit(n, at, out)

    def _admit(self, n: int, at: float, out: list[ev.Event]) -> None:
        task = self.tasks[n]
        if task.waits_for_person:
            self._ask(n, at, out)
        elif task.kind == "milestone":
            self.close(n, at, SUCCEEDED, "", out)
        else:
            self.make_ready(n, at)

    def make_ready(self, n: int, at: float) -> None:
        self.states[n] = READY
        self.since[n] = at
        self.ready.fresh.append(self.keys[n])

    def _ask(self, n: int, at: float, out: list[ev.Event], *, again: bool = False) -> None:
        """A task that waits for a person: the answer, if it is known already, else the question."""
        task = self.tasks[n]
        gate = task.approval
        default = gate.default if gate is not None and not self.options.interactive else None
        if task.id in self.options.approve or default is not None:
            approved = default == "approve" or task.id in self.options.approve
            by = "--approve" if task.id in self.options.approve else "default"
            self.states[n] = WAITING
            told = ev.Decided(at=at, task=task.id, approved=approved, by=by)
            out.append(told)
            self._decided(told, out)
            return
        if again:
            if gate is not None and gate.timeout_s is not None and n in self.until:
                self.acts.append(Arm(self.until[n], Unanswered, task.id))
                self._unanswered(Unanswered(at, task.id), out)
            return
        until = at + gate.timeout_s if gate is not None and gate.timeout_s is not None else None
        prompt = gate.prompt if gate is not None else task.todo or ""
        told_waiting = ev.Waiting(at=at, task=task.id, prompt=prompt, until=until)
        self._on_waiting(told_waiting)
        if until is not None:
            self.acts.append(Arm(until, Unanswered, task.id))
        out.append(told_waiting)

    def close(
        self, n: int, at: float, status: int, reason: str, out: list[ev.Event],
        cause: str | None = None,
    ) -> None:  # fmt: skip
        """Task `n` ends by this decision."""
        out.append(
            ev.TaskEnded(
                at=at, task=self.ids[n], status=STATUSES[status], reason=reason, cause=cause
            )
        )
        self._end(n, status, at, out)

    # -- limits --------------------------------------------------------------------------------

    def _take(self, n: int, key: int, at: float) -> bool:
        """The slots that `n` holds while it runs; False if it has to wait for them."""
        refused = self.limits.refuse(n, key, at)
        if refused is None:
            self.limits.take(n, at)
            return True
        for other in self.limits.passed_on(n, refused, at):
            self.ready.fresh.append(other)
        return False

    def _make_way(self, n: int, at: float) -> None:
        """`n` waits no longer: what it kept from a slot may have it."""
        self.ready.fresh += self.limits.passed_on(n, None, at)

    def _time(self, n: int, at: float) -> None:
        """Its time over all attempts runs from the first attempt."""
        limit = self.tasks[n].total_timeout_s
        if limit is not None and (n not in self._first or self._first[n] == at):
            self._first[n] = at
            self.acts.append(Arm(at + limit, Overdue, self.ids[n]))

    def _await_period(self, at: float) -> None:
        when = self.limits.next_at(at)
        if when is not None and when != self._tick:
            self._tick = when
            self.acts.append(Arm(when, Tick))

    # -- the end -------------------------------------------------------------------------------

    def verdict(self) -> RunStatus:
        """How the run stands when everything has ended."""
        if self.cancelling and CANCELLED in self.states[: self._planned]:
            return RunStatus.FAILED if self._cause else RunStatus.CANCELLED
        missing = any(
            task.required and status not in (SUCCEEDED, SKIPPED)
            for task, status in zip(self.plan.tasks, self.states, strict=False)
        )
        return RunStatus.FAILED if missing else RunStatus.SUCCEEDED


def _keys(plan: Plan) -> list[int]:
    """A number for each task, the smaller the more urgent; its low half is the task's index."""
    tail = (
        list(critical_path.remaining(plan).values())
        if not hasattr(critical_path, "urgency")
        else critical_path.urgency(plan)
    )
    order = sorted(range(len(tail)), key=tail.__getitem__, reverse=True)
    priorities = [task.priority for task in plan.tasks]
    if any(priorities):
        order.sort(key=lambda n: -priorities[n])
    keys = [0] * len(order)
    for place, n in enumerate(order):
        keys[n] = place << 32 | n
    return keys
