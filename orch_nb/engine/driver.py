"""The driver performs: it takes what happened, remembers it, and does what the scheduler says.

One turn, on the loop's thread, handles everything that came in since the last:

    inbox (outcomes, people's words, elapsed waits)
      └► events ─► scheduler.handle ─► more events ... ─► scheduler.fill ─► starts
                     └► fold, journal.append(all of them)                 one transaction
                          └► submit attempts, arm timers, stop attempts, tell observers

So "succeeded" means committed: a dependent's start stands in the same transaction as the success
that released it, and is performed after the commit. Everything that other threads may call
(`report`, `approve`, `cancel` ...) only puts something into the inbox and wakes the loop, once a
batch. Recovery is the same driver with a history: it replays it, declares what was in flight lost,
and goes on.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orch_nb.engine import holder
from orch_nb.engine.acts import UNRECORDED, Act, Arm, Ask, Stop
from orch_nb.engine.arguments import Inputs
from orch_nb.engine.attempts import Attempts
from orch_nb.engine.cache import Cache
from orch_nb.engine.calm import calm
from orch_nb.engine.clock import SystemClock
from orch_nb.engine.faults import Faults, without_kill
from orch_nb.engine.people import Controls
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Clock,
    Executor,
    Journal,
    Observer,
    Outcome,
    QueueingExecutor,
    Setting,
    Timer,
)
from orch_nb.engine.prelude import Prelude
from orch_nb.engine.results import said
from orch_nb.engine.results_view import Results
from orch_nb.engine.scheduler import Scheduler
from orch_nb.errors import RunExists
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status

__all__ = ["Driver"]

_POLL_S = 0.25  # how often requests of other processes and logs are moved
_WITHDRAW_S = 0.05  # how long an attempt that was given ahead may stand in an executor's queue
_SHORT_S = 0.001
_DEPTH = 2  # an attempt that ends while it is submitted is handled at once, what it releases not
_OUTCOMES = frozenset({Outcome})
_BATCH = 256  # outcomes a turn handles before the loop's other work has its turn


class Driver(Controls):
    """One run being performed. Make it on the loop that performs it; `await drive()` is the run.

    What people may do (`cancel`, `approve`, `pause` ...) and `snapshot` may be called from any
    thread.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str,
        journal: Journal,
        executor: Executor,
        options: ev.RunOptions,
        name: str = "",
        observers: Sequence[Observer] = (),
        clock: Clock | None = None,
        history: Sequence[ev.Event] = (),
        state: RunState | None = None,
        retry: str | None = None,
        next_id: Callable[[], str] | None = None,
    ) -> None:
        self.plan, self.run_id, self.name = plan, run_id, name
        self.journal, self.executor, self.options = journal, executor, options
        self.observers = list(observers)
        self.state = state or RunState(threading.RLock())  # with the history folded
        self._folded = state is not None
        self._history, self._retry, self._next_id = history, retry, next_id
        self._loop = asyncio.get_running_loop()
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.scheduler = Scheduler(plan)
        self.results = Results(self.state, journal)
        self._inputs = Inputs(self.state, self.results)
        self._cache = Cache(self.state, self._inputs, journal)
        self._prelude = Prelude(
            self.state, self.results, self._inputs, self._cache, self.clock,
            threaded=executor.name not in ("inline", "fake"),
        )  # fmt: skip
        self._inbox: deque[Any] = deque()
        self._reporter = self.report  # one object: whose an outcome is, is asked for each
        self._logs: deque[tuple[str, int, str, str]] = deque()
        self._awake = self._deciding = self._simple = False
        self._depth = 0
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._timers: dict[Any, Timer] = {}
        self._ahead, self._most_ahead = 0, getattr(executor, "ahead", 0)
        self._ended = 0
        self._attempts: Attempts
        self._faults: Faults
        self._thread = threading.get_ident()
        self._uncommitted: dict[AttemptKey, threading.Event] = {}
        self._held = bool(history)
        self._forks = _forks
        #: Set once the run is in the journal: from then on a snapshot tells of it.
        self.begun = threading.Event()

    # -- the run -------------------------------------------------------------------------------

    async def drive(self, *, alone: bool = False) -> Run:
        """Perform the run to its end. Raises JournalError if it can no longer be remembered.

        `alone`: the loop is this run's own. Whoever cancels this coroutine is then one of its tasks
        that cancels all it finds, and the run goes on.
        """
        self.executor.start(self.clock, self.options.workers)
        try:
            self._begin()
            self._poll()
            while not self._done.done():
                try:
                    await asyncio.wait((self._done,))
                except asyncio.CancelledError:
                    if not alone:
                        raise
            self._done.result()
        except asyncio.CancelledError:
            self._done.cancel()  # what is reported from now on is not of the run
            self._attempts.stop_all()
            raise
        finally:
            self._done.cancel()  # what is still reported comes too late
            for timer in self._timers.values():
                timer.cancel()
            if hasattr(self, "_attempts"):
                self._attempts.close()
            self._prelude.close()
            self.executor.stop()
            try:
                self._flush_logs()
            finally:
                if self._held:  # not a run of that name which somebody else works on
                    self.journal.release(self.run_id)
        return self.state.snapshot(self.results, journal=self.journal.path, final=True)

    def _begin(self) -> None:
        now = self.clock.now()
        if not self._history:
            first = self._created(now)
            self.state.apply(first)
            self._ready(now, self.options.faults)
            self._notify([first])
            self._start(self.scheduler.handle(first))
            return
        with calm():
            if not self._folded:
                self.state.apply_all(self._history)
            self.scheduler.observe_all(self._history)
        self._history = ()
        self.state.plan = self.plan
        self._ready(self.state.started, without_kill(self.options.faults))
        retried = self.state.derived.get(self._retry or "")
        undoing = retried is not None and retried.index is None  # it stays cancelled then
        unended = self.state.status == RunStatus.RUNNING
        cancelling = self.state.cancelling and (unended or undoing)
        cause = self.state.cancel_cause
        again = self._lost(now)
        again.append(ev.RunResumed(at=now, options=self.options))
        if self._retry is not None:
            again.append(functools.partial(self.retry_event, self._retry))
        if cancelling:
            again.append(ev.CancelRequested(at=now, cause=cause))
        for request in self.journal.take_requests(self.run_id):
            self.take(request)  # what was decided while nobody worked on the run
        again += self._inbox
        self._inbox.clear()
        self._turn(again)

    def _ready(self, started: float, faults: Sequence[str]) -> None:
        """What can be made only when the run's first event is known."""
        self._faults = Faults(faults, self.run_id, started, len(self.plan))
        setting = Setting(
            run_id=self.run_id, params=self.plan.params, workspace=self.options.workspace,
            log=self._log, process=self._process,
        )  # fmt: skip
        self._attempts = Attempts(
            self.state, self.results, self._inputs, executor=self.executor, clock=self.clock,
            setting=setting, faults=self._faults, report=self.report,
        )  # fmt: skip
        self._simple = not (self._faults or self._cache.active)
        self.begun.set()
        if self.options.timeout_s is not None:
            idle = self.state.idle_s + max(0.0, self.clock.now() - self.state.last)
            until = started + self.options.timeout_s + idle
            self._timers["(run)"] = self.clock.call_at(until, self._run_timeout)

    def _lost(self, now: float) -> list[Any]:
        """What a run that was cut off lost: attempts in flight, results that were not kept."""
        again: list[Any] = []
        cut_off = self.state.last  # nobody knows when the process died; not before this
        for task, attempt in self.scheduler.in_flight():
            pid = self.state.task(task).pid
            if pid is not None:
                holder.kill_group(*pid)
            again.append(ev.AttemptLost(at=cut_off, task=task, attempt=attempt))
        going_on = [task.task for task in self.state.tasks.values() if not task.status.ended]
        unkept = self.unkept(going_on)
        if unkept:  # all at once: one may need another
            why = "its result was not kept"
            again.append(ev.RetryRequested(at=now, task=unkept[0], by=why, reset=unkept))
        return again

    def _start(self, batch: list[ev.Event]) -> None:
        self._deciding = True
        try:
            attempts = self._decided(batch, [])
        finally:
            self._deciding = False
        if attempts:
            self.executor.submit(attempts, self._reporter)

    def _created(self, now: float) -> ev.RunStarted:
        """The run's first event, committed; under another id where one that nobody asked for by
        name was taken by another process meanwhile."""
        while True:
            first = ev.RunStarted(
                at=now, run_id=self.run_id, plan=self.plan, name=self.name, options=self.options
            )
            try:
                self.journal.create(self.run_id, first)
            except RunExists:
                if self._next_id is None:
                    raise
                self.run_id = self._next_id()
                continue
            self._held = True
            return first

    def unkept(self, going_on: Iterable[str]) -> tuple[str, ...]:
        """Successes whose results were not kept and are needed by what goes on: they run again."""
        graph = topology.compiled(self.plan)
        again: dict[str, None] = {}
        stack = list(going_on)
        for task in stack:
            items = self.state.tasks[task].items if task in self.state.tasks else None
            if items is not None and items.format == "unstored":
                again[task] = None  # what its instances are for is gone
        while stack:
            place = graph.index.get(stack.pop())
            for n in () if place is None else graph.up[place]:
                need = graph.ids[n]
                if need not in again and self.results.lost(need):
                    again[need] = None
                    stack.append(need)
        return tuple(again)

    # -- turns ---------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Everything that came in, in turns; the loop's other work goes in between."""
        inbox = self._inbox
        self._depth += 1
        try:
            for _ in range(_BATCH):
                if self._done.done():
                    inbox.clear()
                elif len(inbox) == 1:
                    self._turn((inbox.popleft(),))
                else:
                    self._turn(self._taken())
                if not inbox:
                    self._awake = False
                    if not inbox:
                        return
                    self._awake = True  # it came in between
            self._loop.call_soon(self._drain)
        except Exception as error:  # noqa: BLE001  # told to whom awaits the run, by `drive`
            self._awake = False
            self._fail(error)
        finally:
            self._depth -= 1

    def _taken(self) -> list[Any]:
        inbox = self._inbox
        return [inbox.popleft() for _ in range(min(len(inbox), _BATCH))]

    def _turn(self, happened: Sequence[Any]) -> None:
        """Handle `happened` and all that follows from it, commit it, then act on it."""
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

    def _simply_decided(self, outcomes: Sequence[Outcome]) -> list[AttemptRequest]:
        """The same for ends of attempts in a run in which nothing special has happened, without
        what there is nothing to do for then."""
        scheduler = self.scheduler
        self._pace(outcomes)
        batch = self._attempts.ended(outcomes)
        if not (batch and scheduler.succeeded(batch)):
            return self._decided(scheduler.handle_all(batch), [])
        starts = scheduler.fill(self.clock.now(), self._ahead)
        if not scheduler.running:
            return self._decided(batch, [])
        attempts: list[AttemptRequest] = []
        if starts:
            batch += starts
        self.state.put_off(batch)
        if self._logs:
            self._flush_logs()
        self.journal.append(self.run_id, batch, self.results.take_blobs())
        if starts:
            tasks = self.plan.tasks
            attempts = self._attempts.requests(starts, [tasks[n] for n in scheduler.chosen])
            if self._ahead and scheduler.running > scheduler.options.workers:
                self._watch()
        if self.observers:
            self._notify(tuple(batch))
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
            if self._logs:  # what succeeded never runs again, so its output must not be lost
                self._flush_logs()
            self.journal.append(self.run_id, batch, self.results.take_blobs())
        attempts: list[AttemptRequest] = []
        if starts or scheduler.acts or processes:
            attempts = self._act(starts, processes)
        if batch:
            self._after(batch)
        return attempts

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
            if kind not in UNRECORDED:
                batch.append(event)
            if kind is ev.ProcessStarted:
                processes.append(event)
                continue
            batch += self.scheduler.handle(event)
            if kind is ev.RetryRequested:
                self._forget(event)
        return batch, processes

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
        if self.observers:
            self._notify(tuple(batch))
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

    def _forget(self, event: ev.RetryRequested) -> None:
        if self._cache.active:
            self._cache.tried_anew(event.reset or (event.task,))
        for name in event.reset or (event.task,):
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

    def _watch(self) -> None:
        if "(ahead)" not in self._timers:
            self._timers["(ahead)"] = self.clock.call_at(
                self.clock.now() + _WITHDRAW_S, functools.partial(self._look, self._ended)
            )

    def _look(self, ended: int) -> None:
        """Take back what was given ahead and has not begun, where nothing has moved since."""
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

    def _run_timeout(self) -> None:
        def event() -> ev.Event | None:
            if self.scheduler.undoing:
                return None
            return ev.CancelRequested(at=self.clock.now(), cause="timeout")

        self.put(event)

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of attempts, from any thread. On the loop's own they are handled at once,
        so that who reports them finds more to do before the loop has its turn."""
        if _forks != self._forks:  # a task forked, and its child has come back: it ends here
            os._exit(0)
        self._inbox.extend(outcomes)
        if threading.get_ident() == self._thread and not self._deciding and self._depth < _DEPTH:
            self._awake = True
            self._drain()
        elif not self._awake:
            self._wake()

    def put(self, item: Any) -> None:
        """Hand in an event, or a function that makes one on the loop's thread; from any thread."""
        if _forks != self._forks:
            os._exit(0)
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

    def _poll(self) -> None:
        if self._done.done():
            return
        if _forks != self._forks:
            os._exit(0)
        try:
            self._flush_logs()
            requests = self.journal.take_requests(self.run_id)
            if requests:
                # The journal drops them with the very batch that holds what came of them.
                for request in requests:
                    self.take(request)
                self._turn([self._inbox.popleft() for _ in range(len(self._inbox))])
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return
        self._timers["(poll)"] = self.clock.call_at(self.clock.now() + _POLL_S, self._poll)

    def _flush_logs(self) -> None:
        if self._logs:
            lines = [self._logs.popleft() for _ in range(len(self._logs))]
            self.journal.write_log(self.run_id, lines)

    def _log(self, task: str, attempt: int, stream: str, text: str) -> None:
        self._logs.append((task, attempt, stream, text))

    def _process(self, task: str, attempt: int, pid: int) -> None:
        now = self.clock.now()
        try:
            created = holder.born(pid)
        except holder.Gone:
            return  # it has ended already: nothing is left to be killed
        event = ev.ProcessStarted(at=now, task=task, attempt=attempt, pid=pid, created=created)
        if threading.get_ident() == self._thread:  # nobody else could commit it
            self.put(event)
            return
        committed = self._uncommitted[task, attempt] = threading.Event()
        self.put(event)
        while not committed.wait(_POLL_S) and not self._done.done():
            pass

    def _commit(self, event: ev.ProcessStarted) -> None:
        waiter = self._uncommitted.pop((event.task, event.attempt), None)
        if waiter is not None:
            waiter.set()

    def _notify(self, events: Sequence[ev.Event]) -> None:
        for observer in list(self.observers):
            try:
                observer(events, self.state)
            except BaseException as error:  # noqa: BLE001  # no observer may harm the run
                self.observers.remove(observer)
                told = f"an observer of run {self.run_id} raised and was dropped: {said(error)}"
                try:
                    warnings.warn(told, RuntimeWarning, stacklevel=2)
                except RuntimeWarning:  # somebody made warnings errors
                    logging.getLogger("orch_nb").warning(told)

    def snapshot(self) -> Run:
        """The run as it stands, what each task waits for included; from any thread."""
        return self.state.snapshot(self.results, journal=self.journal.path, why=self.why)

    def why(self, task: str) -> str:
        """In words what a task waits for; empty if it does not wait."""
        try:
            ended = self.state.task(task).status in _ENDED
            return "" if ended else self.scheduler.why(task, self.clock.now())
        except (KeyError, IndexError):  # it changed while another thread looked
            return ""


#: How many forks this process is away from the first. The child of a fork has the whole engine,
#: the loop and the journal of its parent, and must not go on with the run.
_forks = 0


def _count_fork() -> None:
    global _forks  # noqa: PLW0603
    _forks += 1


if hasattr(os, "register_at_fork"):  # else there are no forks
    os.register_at_fork(after_in_child=_count_fork)

_ENDED = frozenset(status for status in Status if status.ended)
