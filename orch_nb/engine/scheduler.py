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

from collections.abc import Callable, Sequence
from typing import Any

from orch_nb.engine import waits
from orch_nb.engine.acts import Arm, Elapsed, Go, Overdue, Stop, Tick, Unanswered
from orch_nb.engine.admission import Admission
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
    LIMITED,
    MEMBER,
    PASSED,
    PENDING,
    READY,
    RUNNING,
    SAGA,
    SKIPPED,
    SPECIAL,
    STAYS,
    SUCCEEDED,
    TIMED,
    UPSTREAM_FAILED,
    WAITING,
)
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status

__all__ = ["Scheduler"]

_MASK = 0xFFFFFFFF
_SLOW = LIMITED | MEMBER | SAGA | DERIVED
_LOOK = SPECIAL | EAGER
_SUCCESS = frozenset({ev.AttemptSucceeded})
_AGAIN = frozenset({UPSTREAM_FAILED, SKIPPED, CANCELLED})


class Scheduler(Admission):
    """The mind of one run. `options.workers` bounds how many attempts run at once."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
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
            ev.SkipRequested: self._skip,
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
        if self.plain and type(event) is not ev.RunStarted:
            self._complicate()
        decide = self._decide.get(type(event))
        if decide is not None:
            decide(event, out)
            if self.todo:
                self._settle(event.at, out)
        else:
            self.observe(event)
        return out

    def handle_all(self, events: list[Any]) -> list[ev.Event]:
        """The events, each with what follows from it, in order: `handle` for many.

        Nearly all that happens is that a plain function succeeded, so that has its lines here.
        """
        if self.plain:
            if self.succeeded(events):
                return events
            if any(type(event) is not ev.RunStarted for event in events):
                self._complicate()  # now: its keys are others from then on
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

    def succeeded(self, events: Sequence[Any]) -> bool:
        """`handle_all` while the run is `plain`: then nothing has to be recorded besides successes
        of plain functions. False, and nothing done, if there is something else among them."""
        if not _SUCCESS.issuperset(map(type, events)):
            return False
        index, states, left, down = self.index, self.states, self.left, self.down
        since, keys, fresh = self.since, self.keys, self.ready.fresh
        for event in events:
            n = index[event.task]
            states[n] = SUCCEEDED
            for other in down[n]:
                waits_for = left[other] = left[other] - 1
                if not waits_for:
                    states[other] = READY
                    since[other] = event.at
                    fresh.append(keys[other])
        self.running -= len(events)
        self.open -= len(events)
        return True

    def fill(self, at: float, ahead: int = 0) -> list[ev.Event]:
        """Starts for ready tasks, most urgent first, as far as there are workers and slots.

        `ahead` more of plain functions, for an executor that queues them: see `QueueingExecutor`.
        """
        starts: list[ev.Event] = []
        self.chosen = []
        ready = self.ready
        free = self.options.workers + ahead - self.running
        if free <= 0 or self.paused:
            return starts
        if self.plain:
            return self._starts(at, free)
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

    def _starts(self, at: float, free: int) -> list[ev.Event]:
        """`fill` where nothing but starts and successes has happened so far."""
        ids, states, tries, since = self.ids, self.states, self.tries, self.since
        starts: list[ev.Event] = []
        order, started = self.order, ev.AttemptStarted
        self.chosen = chosen = [order[rank] for rank in self.ready.take(free)]
        for n in chosen:
            states[n] = RUNNING
            tries[n] = 1
            starts.append(started(at=at, task=ids[n], attempt=1, ready=since[n]))
        self.running += len(starts)
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

    def why(self, task: str, at: float) -> str:
        """In words what a task waits for; empty if it does not wait."""
        return waits.reason(self, self.index[task], at)

    def asking(self, task: str) -> bool:
        """Whether the answer to `Ask` is still wanted."""
        n = self.index.get(task)
        return n is not None and self.states[n] == ASKING

    def reset_by_retry(self, task: str) -> tuple[str, ...]:
        """What goes back to pending when `task` is retried: it (of a `foreach` task the instances
        that failed), what it kept from running, what has been undone, and what used the list of a
        `foreach` task of which an instance is tried anew."""
        first = self.index[task]
        if self.flags[first] & DERIVED:
            return (task,)
        return self._reset_behind(first, self.groups.reset(first))

    def reset_by_skip(self, task: str) -> tuple[str, ...]:
        """What goes back to pending when `task`, which has ended, is skipped: it, of an instance
        also its task, what it kept from running, and what has been undone. Nothing of a task that
        has not ended."""
        first = self.index[task]
        if self.states[first] <= EXPANDED:
            return ()
        return self._reset_behind(first, self.groups.reset(first, alone=True))

    def _reset_behind(self, first: int, chosen: list[int]) -> tuple[str, ...]:
        found = dict.fromkeys(chosen)
        stack = list(found)
        stack += [n for n in self._saga.undone() if n not in found]
        found |= dict.fromkeys(stack)
        undone = {n for n in found if self.states[n] == CODES[Status.COMPENSATED]}
        undone |= {n for n in found if n != first and self.states[n] == SUCCEEDED}  # its task
        undone |= {n for n in found if self.states[n] == PASSED}  # what follows was given nothing
        while stack:
            n = stack.pop()
            for other in self.down[n]:
                status = self.states[other]
                anew = n in undone and EXPANDED < status < PASSED  # what a person skipped stays so
                if other not in found and (status in _AGAIN or anew):
                    found[other] = None
                    stack.append(other)
                    if n in undone:
                        undone.add(other)
        return tuple(self.ids[n] for n in found)

    def afterwards(self, task: str) -> bool:
        """Whether it is a compensation, or `on_failure`."""
        return bool(self.flags[self.index[task]] & DERIVED)

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

    # -- deciding ------------------------------------------------------------------------------

    def _begin(self, event: ev.RunStarted | ev.RunResumed, out: list[ev.Event]) -> None:
        self.observe(event)
        self.ready.clear()
        if self.plain:
            for n, waits_for in enumerate(self.left):
                if not waits_for:
                    self.make_ready(n, event.at)
        else:
            self._look_at_all(event, out)

    def _look_at_all(self, event: ev.RunStarted | ev.RunResumed, out: list[ev.Event]) -> None:
        for n in sorted(self._first):
            if self.states[n] <= EXPANDED:
                self._time(n, self._first[n])
                self._over(Overdue(event.at, self.ids[n]), out)
        for n, status in enumerate(self.states):
            if status == READY:  # it was made ready by what had been lost
                self.states[n] = PENDING
            if self.states[n] == PENDING and self.flags[n] & DERIVED:
                if n in self.cancelled:
                    self.close(n, event.at, CANCELLED, "cancelled", out)
            elif self.states[n] == PENDING:
                waited_for = n in self.odd or n in self.passing
                if self.left[n] == 0 or self.flags[n] & EAGER or waited_for:
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
        if n in self.passing:
            left = "; its last attempt still runs" if event.abandoned else ""
            self.close(n, event.at, PASSED, f"{self.left_out(n)}{left}", out)
        elif n in self._overdue:
            reason = f"took longer than {task.total_timeout_s:g} s over all attempts"
            self.close(n, event.at, FAILED, reason, out)
        elif n in self.cancelled or cancelling:
            left = "; it still runs" if event.abandoned else ""
            self.close(n, event.at, CANCELLED, f"cancelled{self.because(n)}{left}", out)
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
        if self.cancelling or n in self.cancelled or n in self.passing:
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

    def _cancel(self, event: ev.CancelRequested, out: list[ev.Event]) -> None:
        self._on_cancel(event)
        if event.task is None:
            chosen = [n for n in range(len(self.ids)) if not self.flags[n] & DERIVED]
        else:
            chosen = self.groups.with_members(self.index[event.task])
        for n in chosen:
            if self.states[n] == RUNNING:
                self.cancelled.add(n)
                self.acts.append(Stop(self.ids[n], self.tries[n]))
            elif self.states[n] < EXPANDED:
                self.close(n, event.at, CANCELLED, f"cancelled{self.because(n)}", out)

    def _retry(self, event: ev.RetryRequested, out: list[ev.Event]) -> None:
        self._on_retry(event)
        self._look_again(event.reset or (event.task,))

    def _look_again(self, names: Sequence[str]) -> None:
        for name in names:
            n = self.index.get(name)
            if n is not None:
                self.todo.append(n)
                self.todo.extend(self.down[n])

    def _skip(self, event: ev.SkipRequested, out: list[ev.Event]) -> None:
        self._on_skip(event)
        first = self.index[event.task]
        for n in self.groups.with_members(first) if self.states[first] == EXPANDED else [first]:
            if self.states[n] == RUNNING:
                self.acts.append(Stop(self.ids[n], self.tries[n]))
            elif self.states[n] < EXPANDED:
                self.close(n, event.at, PASSED, self.left_out(n), out)
        self._look_again(event.reset)

    def fail_fast(self, n: int, at: float, out: list[ev.Event]) -> None:
        if not self.options.fail_fast or self.cancelling or not self.tasks[n].required:
            return
        told = ev.CancelRequested(at=at, by=self.ids[n], cause="fail_fast")
        out.append(told)
        self._cancel(told, out)
