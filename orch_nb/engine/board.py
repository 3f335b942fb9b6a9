"""The board: where every task of a run stands, as integers in lists, and what an event changes.

    states[n]   where task n stands (`engine.states`)      left[n]   upstream that has not ended
    tries[n]    its attempts                               odd[n]    upstream that did not succeed
    keys[n]     its urgency, the smaller the more          flags[n]  what is special about it

`observe` takes an event as history: no decision is made. The `Scheduler` decides on top of it.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from orch_nb.engine import sagas
from orch_nb.engine.acts import Act, Arm, Overdue, Tick
from orch_nb.engine.groups import Groups
from orch_nb.engine.limits import Limits
from orch_nb.engine.ready import Ready
from orch_nb.engine.states import (
    ASKING,
    BACKING_OFF,
    CANCELLED,
    CODES,
    DERIVED,
    EXPANDED,
    FAILED,
    FAILING,
    FANS_OUT,
    LIMITED,
    MEMBER,
    PASSED,
    PENDING,
    PRELUDE,
    READY,
    RUNNING,
    SAGA,
    SKIPPED,
    STATUSES,
    SUCCEEDED,
    TIMED,
    UPSTREAM_FAILED,
    WAITING,
    cached,
    features,
)
from orch_nb.graph import critical_path, topology
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task

__all__ = ["Board"]

_NOTED = LIMITED | TIMED | MEMBER | SAGA | DERIVED
_PLAIN = frozenset({ev.RunStarted, ev.AttemptStarted, ev.AttemptSucceeded})
_ODD = {SKIPPED: 0, FAILED: 1, CANCELLED: 1, UPSTREAM_FAILED: 2}


class Board(abc.ABC):
    """The state of one run, and what each event changes of it. Tasks are integers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        shape = topology.compiled(plan)
        count = self._planned = len(shape.ids)
        self.flags = list(map(features, plan.tasks))
        kinds = set(self.flags)
        undoes = any(kind & SAGA for kind in kinds)
        # Tasks come to be in the run: then these lists grow, and the plan's own must not.
        changes = undoes or plan.on_failure is not None or any(k & FANS_OUT for k in kinds)
        #: No task is special, and nothing but starts and successes has happened yet: then there is
        #: nothing to be looked at but who waits for whom.
        self.plain = not changes and kinds <= {0}
        self.ids: list[str] = list(shape.ids) if changes else shape.ids
        self.index: dict[str, int] = dict(shape.index) if changes else shape.index
        self.up: list[tuple[int, ...]] = list(shape.up) if changes else shape.up
        self.down: list[Any] = list(shape.down) if changes else shape.down
        self.tasks: list[Task] = list(plan.tasks)
        self.left = [len(up) for up in self.up]
        self.states = [PENDING] * count
        self.since = [0.0] * count
        self.tries = [0] * count
        self.order = _order(plan)  # the most urgent first
        self.keys = _ranks(self.order) if self.plain else _keys(self.order)
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
        self.passing: dict[int, ev.SkipRequested] = {}  # whom a person skips, and how
        self._overdue: set[int] = set()
        self.todo: deque[int] = deque()
        self.ready = Ready()
        self.chosen: list[int] = []  # whose starts `fill` gave last, where that was simple
        self.running = self.backing_off = self.asking_now = 0
        self.open = count
        self.options = ev.RunOptions()
        self._run_id = ""
        self.cancelling = self.paused = self._ended = False
        self._cause = ""
        self._by: dict[int | None, str] = {}  # who cancelled the run (None), or a task
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
            ev.TaskEnded: self._on_ended,
            ev.BackingOff: self._on_backing_off,
            ev.Waiting: self._on_waiting,
            ev.Expanded: lambda e: self.groups.expand(e, None),
            ev.RunStarted: self._on_run_started,
            ev.RunResumed: self._on_run_resumed,
            ev.RunEnded: self._on_run_ended,
            ev.CancelRequested: self._on_cancel,
            ev.RetryRequested: self._on_retry,
            ev.SkipRequested: self._on_skip,
            ev.PauseRequested: self._on_pause,
            ev.PauseEnded: self._on_pause,
            ev.WorkersChanged: self._on_workers,
        }

    def observe_all(self, events: Iterable[ev.Event]) -> None:
        """`observe` for many; a plain function's start and success have their lines here."""
        index, states, flags, left = self.index, self.states, self.flags, self.left
        down, tries = self.down, self.tries
        started, succeeded = ev.AttemptStarted, ev.AttemptSucceeded
        for event in events:
            kind = type(event)
            if kind is started:
                n = index[event.task]  # type: ignore[attr-defined]
                if states[n] == PENDING and not flags[n] & _NOTED:
                    states[n] = RUNNING
                    tries[n] = event.attempt  # type: ignore[attr-defined]
                    self.running += 1
                    continue
            elif kind is succeeded:
                n = index[event.task]  # type: ignore[attr-defined]
                if states[n] == RUNNING and not flags[n] & _NOTED:
                    states[n] = SUCCEEDED
                    self.running -= 1
                    self.open -= 1
                    for other in down[n]:
                        left[other] -= 1
                    continue
            self.observe(event)

    def observe(self, event: ev.Event) -> None:
        """Take `event` as history: what followed from it is in the journal, or will be asked anew
        by `RunResumed`."""
        if self.plain and type(event) not in _PLAIN:
            self._complicate()
        observe = self._observe.get(type(event))
        if observe is not None:
            observe(event)

    def _complicate(self) -> None:
        """It is no longer `plain`, or never was."""
        if self.plain:
            self.plain = False
            self.keys = _keys(self.order)
            self.ready.translate([self.keys[n] for n in self.order])

    def status(self, task: str) -> Status:
        return STATUSES[self.states[self.index[task]]]

    # -- observing -----------------------------------------------------------------------------

    def _on_run_started(self, event: ev.RunStarted) -> None:
        self._run_id = event.run_id
        self._take_options(event.options)

    def _on_run_resumed(self, event: ev.RunResumed) -> None:
        self._take_options(event.options)
        self._ended = self.cancelling = self.paused = False
        self._cause = ""
        self._by.pop(None, None)
        self._saga.resume()

    def _take_options(self, options: ev.RunOptions) -> None:
        self.options = options
        if options.cache:
            self._complicate()
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

    def _on_ended(self, event: ev.TaskEnded) -> None:
        n = self.index[event.task]
        code = CODES[event.status]
        self._end(n, PASSED if code == SKIPPED and n in self.passing else code, event.at, None)

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
                self._by[None] = event.by
            self.cancelling = True
            return
        n = self.index[event.task]
        chosen = {n, *(m for m in self.groups.with_members(n) if self.states[m] <= EXPANDED)}
        self.cancelled |= chosen
        for m in chosen:
            self._by.setdefault(m, event.by)

    def _on_retry(self, event: ev.RetryRequested) -> None:
        self._reset(event.reset or (event.task,), event.at)

    def _on_skip(self, event: ev.SkipRequested) -> None:
        n = self.index[event.task]
        # Its own instances stay what they became: it is not worked out anew.
        self._reset(event.reset, event.at, stays=n)
        self.passing[n] = event
        if self.states[n] == EXPANDED:
            live = (m for m in self.groups.with_members(n) if self.states[m] <= EXPANDED)
            self.passing |= dict.fromkeys(live, event)

    def _reset(self, names: Iterable[str], at: float, stays: int = -1) -> None:
        """These have not ended, nor has what there is to undo at the end."""
        reset = [n for n in (self.index.get(name) for name in names) if n is not None]
        if not reset:
            return
        self._saga.reopen(reset)
        kept = self.groups.reopened(reset)
        for n in reset:
            if self.states[n] <= EXPANDED:
                continue
            self._unend(n, at)
            self.states[n] = EXPANDED if n in kept else PENDING
        for n in reset:
            if self.flags[n] & PRELUDE and n not in kept and n != stays:
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
        self.passing.pop(n, None)
        self._by.pop(n, None)
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
        """Task `n` has ended. What hangs on it is looked at later, when all of the event is known
        (`todo`). `out` None: it is history, nothing is decided."""
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

    @abc.abstractmethod
    def fail_fast(self, n: int, at: float, out: list[ev.Event]) -> None:
        """Task `n` has failed: the `Scheduler` decides what that means for the run."""

    def make_ready(self, n: int, at: float) -> None:
        self.states[n] = READY
        self.since[n] = at
        self.ready.fresh.append(self.keys[n])

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
        if self.plain:
            return RunStatus.SUCCEEDED
        if self.cancelling and CANCELLED in self.states[: self._planned]:
            return RunStatus.FAILED if self._cause else RunStatus.CANCELLED
        missing = any(
            task.required and status not in (SUCCEEDED, SKIPPED, PASSED)
            for task, status in zip(self.plan.tasks, self.states, strict=False)
        )
        return RunStatus.FAILED if missing else RunStatus.SUCCEEDED


def _order(plan: Plan) -> list[int]:
    """The places of the plan's tasks, the most urgent first."""
    tail = critical_path.urgency(plan)
    order = sorted(range(len(tail)), key=tail.__getitem__, reverse=True)
    priorities = [task.priority for task in plan.tasks]
    if any(priorities):
        order.sort(key=lambda n: -priorities[n])
    return order


def _ranks(order: Sequence[int]) -> list[int]:
    """A number for each task, the smaller the more urgent: its place in `order`. Numbers as small
    as these are sorted in a third of the time."""
    ranks = [0] * len(order)
    for rank, n in enumerate(order):
        ranks[n] = rank
    return ranks


def _keys(order: Sequence[int]) -> list[int]:
    """A number for each task, the smaller the more urgent; its low half is the task's index. There
    is room for more tasks between two."""
    keys = [0] * len(order)
    for rank, n in enumerate(order):
        keys[n] = rank << 32 | n
    return keys
