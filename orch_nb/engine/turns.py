"""Turns: what happened is handled, remembered, and acted on, one batch after another.

    inbox (outcomes, people's words, elapsed waits)
      └► events ─► scheduler.handle ─► more events ... ─► scheduler.fill ─► starts
                     └► fold, journal.append(all of them)                 one transaction
                          └► arm timers, stop attempts, tell observers, submit attempts

So "succeeded" means committed: a dependent's start stands in the same transaction as the success
that released it, and is performed after the commit.

Turns are taken on the loop's thread. What other threads may call (`report`, `put`) only puts
something into the inbox and wakes the loop, once a batch. There is one exception, since waking a
thread takes as long as ten short attempts: where an executor's thread reports plain successes of a
run in which nothing special has happened, it takes the turn itself. Who takes one has the lock; who
does not get it leaves the turn to the loop. Observers are told on the loop, whoever took the turn,
in the order of the turns, of those of other threads some milliseconds later.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from orch_nb.engine import forks, tee
from orch_nb.engine.acts import UNRECORDED, Act, Arm, Ask, Stop
from orch_nb.engine.attempts import Attempts
from orch_nb.engine.audience import Audience
from orch_nb.engine.cache import Cache
from orch_nb.engine.faults import Faults
from orch_nb.engine.output import Output
from orch_nb.engine.people import Controls
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Executor,
    Journal,
    Outcome,
    QueueingExecutor,
    Timer,
)
from orch_nb.engine.prelude import Prelude
from orch_nb.engine.results_view import Results
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import Mask

__all__ = ["Turns"]

_WITHDRAW_S = 0.05  # how long an attempt that was given ahead may stand in an executor's queue
_SHORT_S = 0.001
_DEPTH = 2  # an attempt that ends while it is submitted is handled at once, what it releases not
#: Events that hold words of a person's or of an exception's.
_SAYING: dict[type, tuple[str, ...]] = {ev.Decided: ("by", "note"), ev.TaskEnded: ("reason",)}
_OUTCOMES = frozenset({Outcome})
_BATCH = 256  # outcomes a turn handles before the loop's other work has its turn


class Turns(Controls):
    """The part of the driver that takes turns. Make it on the loop."""

    plan: Plan
    run_id: str
    journal: Journal
    results: Results
    audience: Audience
    _attempts: Attempts
    _cache: Cache
    _faults: Faults
    _prelude: Prelude
    _output: Output
    mask: Mask

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._forks = forks.count()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._timers: dict[Any, Timer] = {}
        self._lock = threading.RLock()  # who has it may take a turn
        self._inbox: deque[Any] = deque()
        self._reporter = self.report  # one object: whose an outcome is, is asked for each
        self._awake = False  # the loop will look into the inbox
        self._deciding = False  # somebody takes a turn
        self._depth = 0
        self._simple = False  # the run has neither faults on purpose nor kept results
        self._anywhere = bool(getattr(executor, "anywhere", False))
        self._handled_there: list[ev.Event] = []  # by another thread, and not recorded yet
        self._ahead, self._most_ahead = 0, getattr(executor, "ahead", 0)
        self._ended = 0
        self._uncommitted: dict[AttemptKey, threading.Event] = {}

    # -- turns ---------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Everything that came in, in turns; the loop's other work goes in between."""
        with self._lock:
            self._depth += 1
            try:
                self._take_turns()
            except Exception as error:  # noqa: BLE001  # told to whom awaits the run, by `drive`
                self._awake = False
                self._fail(error)
            finally:
                self._depth -= 1

    def _take_turns(self) -> None:
        inbox = self._inbox
        for _ in range(_BATCH):
            if self._done.done():
                inbox.clear()
            elif self._handled_there:
                self._record_theirs()
            elif len(inbox) == 1:
                self._turn((inbox.popleft(),))
            elif inbox:
                self._turn(self._taken())
            if not inbox:
                self._awake = False
                if not inbox:
                    return
                self._awake = True  # it came in between
        self._loop.call_soon(self._drain)

    def _taken(self) -> list[Any]:
        inbox = self._inbox
        return [inbox.popleft() for _ in range(min(len(inbox), _BATCH))]

    def _turn(self, happened: Sequence[Any]) -> None:
        """Handle `happened` and all that follows from it, commit it, then act on it."""
        if self._handled_there:
            self._record_theirs()
        self._deciding = True
        try:
            if self._simple and self.scheduler.plain and _OUTCOMES.issuperset(map(type, happened)):
                attempts = self._simply_decided(happened)
            else:
                attempts = self._decided(*self._handled(happened))
        finally:
            self._deciding = False
        if attempts:
            self.executor.submit(attempts, self._reporter)

    def _take_turn(self, decide: Callable[[], list[AttemptRequest]]) -> None:
        self._deciding = True
        try:
            attempts = decide()
        finally:
            self._deciding = False
        if attempts:
            self.executor.submit(attempts, self._reporter)

    # -- turns of other threads ----------------------------------------------------------------

    def _take_turns_here(self) -> None:
        """On a thread of the executor's, which has the lock: turns as long as they are simple."""
        inbox = self._inbox
        try:
            while inbox:
                taken = self._taken()
                if self._done.done() or not self._simple_here(taken):
                    inbox.extendleft(reversed(taken))
                    break
                self._take_turn(lambda: self._simply_decided(taken, here=False))  # noqa: B023
        except Exception as error:  # noqa: BLE001  # as in `_drain`
            self._loop.call_soon_threadsafe(self._fail, error)  # which is there: `_done` is not
            return
        if (inbox or self._handled_there) and not self._awake:
            self._wake()

    def _record_theirs(self) -> None:
        """What another thread has handled and left to the loop, since it may be the end."""
        batch, self._handled_there = self._handled_there, []
        self._take_turn(lambda: self._decided(batch, []))

    def _simple_here(self, happened: Sequence[Any]) -> bool:
        if not (self._simple and self.scheduler.plain):
            return False
        return _OUTCOMES.issuperset(map(type, happened)) and all(
            outcome.failure is None
            and not outcome.cancelled
            and outcome.finished - outcome.started <= _SHORT_S
            for outcome in happened
        )

    # -- deciding ------------------------------------------------------------------------------

    def _simply_decided(
        self, outcomes: Sequence[Outcome], *, here: bool = True
    ) -> list[AttemptRequest]:
        """`_decided` for ends of attempts in a run in which nothing special has happened, without
        what there is nothing to do for then. `here`: on the loop's thread."""
        scheduler = self.scheduler
        self._pace(outcomes)
        batch = self._attempts.ended(outcomes)
        if not (batch and scheduler.succeeded(batch)):
            return self._decided(scheduler.handle_all(batch), []) if here or batch else []
        starts = scheduler.fill(self.clock.now(), self._ahead)
        if not scheduler.running:  # it may be the end
            if here:
                return self._decided(batch, [])
            self._handled_there = batch
            return []
        attempts: list[AttemptRequest] = []
        if starts:
            batch += starts
        self.state.put_off(batch)
        self._write(batch)
        if starts:
            tasks = self.plan.tasks
            attempts = self._attempts.requests(starts, [tasks[n] for n in scheduler.chosen])
            if self._ahead and scheduler.running > scheduler.options.workers:
                self._watch(here=here)
        if self.audience and here:
            self.audience.tell(batch)
        elif self.audience:
            self.audience.tell_soon(batch)
        return attempts

    def _decided(
        self, batch: list[ev.Event], processes: Sequence[ev.ProcessStarted]
    ) -> list[AttemptRequest]:
        """Add the starts that there are workers for, commit, act; what is to be submitted."""
        scheduler = self.scheduler
        now = self.clock.now()
        starts = scheduler.fill(now, self._ahead)
        if not scheduler.running and scheduler.idle:
            batch += scheduler.conclude(now)
            while not (starts or scheduler.paused) and scheduler.ready:  # what is left of a saga
                starts = scheduler.fill(now)
                batch += scheduler.conclude(now)
        if starts:
            batch += starts
        if batch:
            self.state.take(batch)
            if self._cache.active:
                self._remember(batch)
            self._write(batch)
        attempts: list[AttemptRequest] = []
        if starts or scheduler.acts or processes:
            attempts = self._act(starts, processes)
        if batch:
            self._after(batch)
        return attempts

    def _write(self, batch: Sequence[ev.Event]) -> None:
        if self._output.busy:  # what succeeded never runs again, so its output must not be lost
            over = [
                (event.task, event.attempt)
                for event in batch
                if type(event) is ev.AttemptSucceeded or type(event) is ev.AttemptFailed
            ]
            tee.show(self._output.ended(over))
            self._keep_output()
        self.journal.append(self.run_id, batch, self.results.take_blobs())

    def _handled(self, happened: Sequence[Any]) -> tuple[list[ev.Event], list[ev.ProcessStarted]]:
        """What is to be recorded of `happened`, and what follows from it."""
        self._pace([item for item in happened if type(item) is Outcome])
        batch: list[ev.Event] = []
        processes: list[ev.ProcessStarted] = []
        for item in happened:
            if type(item) is Outcome:
                batch += self.scheduler.handle_all(self._attempts.ended((item,)))
                continue
            event = item() if callable(item) else item
            if event is None:
                continue
            kind = type(event)
            if kind in _SAYING:
                event = self._seen(event)
            if kind not in UNRECORDED:
                batch.append(event)
            if kind is ev.ProcessStarted:
                processes.append(event)
                continue
            batch += self.scheduler.handle(event)
            if kind is ev.RetryRequested:
                self._forget(event.reset or (event.task,))
            elif kind is ev.SkipRequested:
                self._forget(event.reset)
        return batch, processes

    def _seen(self, event: Any) -> Any:
        """An event without secrets in what it says."""
        told = {name: getattr(event, name) for name in _SAYING[type(event)]}
        seen = {name: self.mask.text(text) for name, text in told.items()}
        return event if seen == told else msgspec.structs.replace(event, **seen)

    def _act(
        self, starts: list[Any], processes: Sequence[ev.ProcessStarted]
    ) -> list[AttemptRequest]:
        """Do what was decided, now that it is committed; what the executor is to be given."""
        acts: list[Act] = []
        if self.scheduler.acts:
            acts, self.scheduler.acts = self.scheduler.acts, []
        # Of two reasons to stop one the first counts, so they are put in from the last on.
        stops = {(act.task, act.attempt): act.why for act in acts[::-1] if type(act) is Stop}
        if stops:
            for start in starts:
                if (start.task, start.attempt) in stops:
                    self._attempts.never_began(start)
            starts = [s for s in starts if (s.task, s.attempt) not in stops]
        attempts = self._attempts.requests(starts)
        for event in processes:
            self._commit(event)
        for act in acts:
            if type(act) is Arm:
                self._arm(act)
            elif type(act) is Ask:
                self._prelude.answer(act.task, functools.partial(self._answered, act.task))
        if attempts and self._ahead and self.scheduler.running > self.scheduler.options.workers:
            self._watch()
        for key, why in reversed(stops.items()):
            self._attempts.stop(key, why)
        return attempts

    def _after(self, batch: Sequence[ev.Event]) -> None:
        """Tell whoever watches; see whether that was the end."""
        if self._cache.active:
            self._cache.flush()
        if self.audience:
            self.audience.tell(batch)
        if self._faults:
            self._faults.ended(sum(t.status.ended for t in self.state.tasks.values()))
        if type(batch[-1]) is ev.RunEnded and not self._done.done():
            self._done.set_result(None)

    def _answered(self, task: str, make: Callable[[], Any]) -> None:
        """Take the prelude's answer, unless the task was cancelled meanwhile."""
        self.put(lambda: make() if self.scheduler.asking(task) else None)

    def _remember(self, batch: Sequence[ev.Event]) -> None:
        for event in batch:
            if type(event) is ev.AttemptSucceeded:
                task = self.state.spec(event.task)
                if self._cache.uses(task):
                    self._cache.succeeded(event.task, task, event.result)

    def _forget(self, names: Sequence[str]) -> None:
        """These no longer have the results that they had."""
        if self._cache.active:
            self._cache.tried_anew(names)
        for name in names:
            self.results.forget(name)

    # -- attempts given ahead ------------------------------------------------------------------

    def _pace(self, outcomes: Sequence[Outcome]) -> None:
        """How many attempts an executor is given beyond those that run: more and more while they
        are short, none as soon as they are not."""
        self._ended += len(outcomes)
        if not self._most_ahead or not outcomes:
            return
        for outcome in outcomes:
            if outcome.finished - outcome.started > _SHORT_S:
                if self._ahead:
                    self.withdraw()
                return
        if self._ahead < self._most_ahead:
            self._ahead = min(self._most_ahead, max(8, self._ahead * 2))

    def _watch(self, *, here: bool = True) -> None:
        if "(ahead)" in self._timers:
            return
        if not here:
            self._timers["(ahead)"] = _NO_TIMER  # until the loop has set it
            self._loop.call_soon_threadsafe(self._watch_anew)
        else:
            self._timers["(ahead)"] = self.clock.call_at(
                self.clock.now() + _WITHDRAW_S, functools.partial(self._look, self._ended)
            )

    def _watch_anew(self) -> None:
        with self._lock:
            self._timers.pop("(ahead)", None)
            if not self._done.done():
                self._watch()

    def _look(self, ended: int) -> None:
        """Take back what was given ahead and has not begun, where nothing has moved since."""
        with self._lock:
            del self._timers["(ahead)"]
            if self._done.done() or self.scheduler.running <= self.scheduler.options.workers:
                return
            if ended == self._ended:
                self.withdraw()
            else:
                self._watch()

    def withdraw(self) -> None:
        """Take back from the executor what has not begun. Call on the loop's thread only."""
        if not isinstance(self.executor, QueueingExecutor):
            return
        self._ahead = 0
        now = self.clock.now()
        back = self._attempts.returned(self.executor.withdraw())
        for task, attempt in back:
            self.put(ev.AttemptReturned(at=now, task=task, attempt=attempt))

    # -- timers and the inbox ------------------------------------------------------------------

    def _arm(self, act: Arm) -> None:
        key = (act.kind, act.task)
        if key in self._timers:  # of a wait that was cancelled
            self._timers[key].cancel()

        def fire() -> None:
            self._timers.pop(key, None)
            # Timers may be early by the clock's grain: what was to be at `at` is not before it.
            self.put(act.kind(max(act.at, self.clock.now()), act.task))

        self._timers[key] = self.clock.call_at(act.at, fire)

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of attempts, from any thread. Where that can be, they are handled at once,
        so that who reports them finds more to do when this returns."""
        self._end_forks()
        self._inbox.extend(outcomes)
        if self._lock.acquire(blocking=False):
            try:
                if not self._deciding and self._depth < _DEPTH:
                    if threading.get_ident() == self._thread:
                        self._awake = True
                        self._drain()
                        return
                    if self._anywhere:
                        self._take_turns_here()
                        return
            finally:
                self._lock.release()
        if not self._awake:
            self._wake()

    def _end_forks(self) -> None:
        """A task forked, and its child has come back: it ends here."""
        if forks.count() != self._forks:
            os._exit(0)

    def put(self, item: Any) -> None:
        """Hand in an event, or a function that makes one on the loop's thread; from any thread."""
        self._end_forks()
        self._inbox.append(item)
        if not self._awake:
            self._wake()

    def _wake(self) -> None:
        self._awake = True
        if threading.get_ident() == self._thread:  # nobody sleeps who had to be woken
            self._loop.call_soon(self._drain)
            return
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop is closed: a thread that was left behind has ended
            self._inbox.clear()

    def _fail(self, error: Exception) -> None:
        """The engine itself cannot go on (the journal is gone, a defect): stop, and say why."""
        if not self._done.done():
            self._done.set_exception(error)
        self._attempts.stop_all()

    def _commit(self, event: ev.ProcessStarted) -> None:
        waiter = self._uncommitted.pop((event.task, event.attempt), None)
        if waiter is not None:
            waiter.set()

    def _keep_output(self) -> None:
        rows = self._output.take()
        if rows:
            self.journal.write_log(self.run_id, rows)


class _NoTimer:
    def cancel(self) -> None:
        """There is nothing to be cancelled."""


_NO_TIMER = _NoTimer()
