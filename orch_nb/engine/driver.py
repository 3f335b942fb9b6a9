"""The driver performs: it takes what happened, remembers it, and does what the scheduler says.

One turn, on the loop's thread, handles everything that came in since the last:

    inbox (outcomes, people's words, elapsed waits)
      └► events ─► fold ─► scheduler.handle ─► more events ...      until there are no more
                     └► journal.append(all of them)                 one transaction
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
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orch_nb.engine import holder
from orch_nb.engine.attempts import Attempts
from orch_nb.engine.clock import SystemClock
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Clock,
    Executor,
    Journal,
    Observer,
    Outcome,
    Request,
    Timer,
)
from orch_nb.engine.results_view import Results
from orch_nb.engine.scheduler import Elapsed, Scheduler, Stop
from orch_nb.errors import RunExists
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run, RunState
from orch_nb.model.status import RunStatus, Status

__all__ = ["Driver"]

_POLL_S = 0.25  # how often requests of other processes and logs are moved


class Driver:
    """One run being performed. Make it on the loop that performs it; `await drive()` is the run.

    `cancel`, `approve`, `reject`, `retry` and `snapshot` may be called from any thread.
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
        retry: str | None = None,
        next_id: Callable[[], str] | None = None,
    ) -> None:
        self.plan, self.run_id, self.name = plan, run_id, name
        self.journal, self.executor, self.options = journal, executor, options
        self.observers = list(observers)
        self.state = RunState()
        self._history, self._retry, self._next_id = history, retry, next_id
        self._loop = asyncio.get_running_loop()
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._scheduler = Scheduler(plan)
        self._edges = topology.upstream(plan)
        self._results = Results(self.state, journal)
        self._inbox: deque[Any] = deque()
        self._logs: deque[tuple[str, int, str, str]] = deque()
        self._awake = False
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._timers: dict[str, Timer] = {}
        self._attempts = Attempts(
            plan, self._edges, self.state, self._results, executor=executor, clock=self._clock,
            report=self.report, log=self._log, process=self._process,
        )  # fmt: skip
        self._thread = threading.get_ident()
        self._uncommitted: dict[AttemptKey, threading.Event] = {}
        self._held = bool(history)
        #: Set once the run is in the journal: from then on a snapshot tells of it.
        self.begun = threading.Event()

    # -- the run -------------------------------------------------------------------------------

    async def drive(self) -> Run:
        """Perform the run to its end. Raises JournalError if it can no longer be remembered."""
        self.executor.start(self._clock)
        try:
            self._begin()
            self._poll()
            await self._done
        except asyncio.CancelledError:
            self._attempts.stop_all()
            raise
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._attempts.close()
            self.executor.stop()
            try:
                self._flush_logs()
            finally:
                if self._held:  # not a run of that name which somebody else works on
                    self.journal.release(self.run_id)
        return self.snapshot()

    def _begin(self) -> None:
        now = self._clock.now()
        if not self._history:
            first = self._created(now)
            self.state.apply(first)
            self.begun.set()
            self._notify([first])
            self._turn(self._scheduler.handle(first))
            return
        for event in self._history:
            self.state.apply(event)
            self._scheduler.observe(event)
        self.state.plan = self.plan
        self.begun.set()
        cancelling = self.state.cancelling and self.state.status == RunStatus.RUNNING
        again: list[Any] = []
        cut_off = self.state.last  # nobody knows when the process died; not before this
        for task, attempt in self._scheduler.in_flight():
            pid = self.state.tasks[task].pid
            if pid is not None:
                holder.kill_group(*pid)
            again.append(ev.AttemptLost(at=cut_off, task=task, attempt=attempt))
        going_on = [task.task for task in self.state.tasks.values() if not task.status.ended]
        unkept = self._unkept(going_on)
        if unkept:  # all at once: one may need another
            why = "its result was not kept"
            again.append(ev.RetryRequested(at=now, task=unkept[0], by=why, reset=unkept))
        again.append(ev.RunResumed(at=now, options=self.options))
        if self._retry is not None:
            retry = self._retry_event(self._retry, now)
            again += [retry] if retry is not None else []
        if cancelling:
            again.append(ev.CancelRequested(at=now))
        for request in self.journal.take_requests(self.run_id):
            self._take(request)  # what was decided while nobody worked on the run
        again += [found for ask in self._inbox if (found := ask()) is not None]
        self._inbox.clear()
        self._turn(again)
        for state in self.state.tasks.values():
            if state.status is Status.BACKING_OFF and state.until is not None:
                self._arm(state.task, state.until)

    def _created(self, now: float) -> ev.RunStarted:
        """The run's first event, committed; under another id where one that nobody asked for by
        name was taken by another process meanwhile."""
        while True:
            first = ev.RunStarted(
                at=now, run_id=self.run_id, plan=self.plan, name=self.name, options=self.options
            )
            try:
                self.journal.create(self.run_id, first, self.plan.hash)
            except RunExists:
                if self._next_id is None:
                    raise
                self.run_id = self._next_id()
                continue
            self._held = True
            return first

    def _unkept(self, going_on: Iterable[str]) -> tuple[str, ...]:
        """Successes whose results were not kept and are needed by what goes on: they run again."""
        again: dict[str, None] = {}
        stack = list(going_on)
        while stack:
            for need in self._edges[stack.pop()]:
                if need not in again and self._results.lost(need):
                    again[need] = None
                    stack.append(need)
        return tuple(again)

    def _turn(self, happened: Sequence[Any] = ()) -> None:
        """Handle `happened` and all that follows from it, commit it, then act on it."""
        queue: deque[Any] = deque(happened)
        batch: list[ev.Event] = []
        stops: list[Stop] = []
        handle, apply = self._scheduler.handle, self.state.apply
        while True:
            while queue:
                item = queue.popleft()
                if type(item) is Stop:
                    stops.append(item)
                    continue
                if type(item) is not Elapsed:
                    batch.append(item)
                    apply(item)
                queue.extend(handle(item))
            ends = self._scheduler.conclude(self._clock.now())
            if not ends:
                break
            queue.extend(ends)
        if batch:
            self.journal.append(self.run_id, batch, self._results.take_blobs())
        self._act(batch, stops)

    def _act(self, batch: Sequence[ev.Event], stops: Sequence[Stop]) -> None:
        attempts: list[AttemptRequest] = []
        stopped = {(stop.task, stop.attempt) for stop in stops}
        for event in batch:
            kind = type(event)
            if kind is ev.AttemptStarted:
                if (event.task, event.attempt) in stopped:  # type: ignore[attr-defined]
                    self._attempts.never_began(event)  # type: ignore[arg-type]
                    continue
                request = self._attempts.request(event)  # type: ignore[arg-type]
                if request is not None:
                    attempts.append(request)
            elif kind is ev.BackingOff:
                self._arm(event.task, event.until)  # type: ignore[attr-defined]
            elif kind is ev.ProcessStarted:
                self._commit(event)  # type: ignore[arg-type]
        if batch:
            self._notify(batch)
        if attempts:
            self.executor.submit(attempts, self.report)
        for stop in stops:
            self._attempts.stop((stop.task, stop.attempt), "cancelled")
        if batch and isinstance(batch[-1], ev.RunEnded) and not self._done.done():
            self._done.set_result(None)

    # -- timers and the inbox ------------------------------------------------------------------

    def _arm(self, task: str, until: float) -> None:
        if task in self._timers:  # of a wait that was cancelled
            self._timers[task].cancel()

        def elapsed() -> None:
            self._timers.pop(task, None)
            self._put(Elapsed(self._clock.now(), task))

        self._timers[task] = self._clock.call_at(until, elapsed)

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes of attempts, from any thread."""
        self._inbox.extend(outcomes)
        self._wake()

    def _put(self, item: Any) -> None:
        self._inbox.append(item)
        self._wake()

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop is closed: a thread that was left behind has ended
                self._inbox.clear()

    def _drain(self) -> None:
        self._awake = False  # before reading: what comes in from now on wakes the loop again
        if self._done.done():
            self._inbox.clear()
            return
        try:
            happened: list[Any] = []
            while self._inbox:
                item = self._inbox.popleft()
                if type(item) is Outcome:
                    item = self._attempts.ended(item)
                elif callable(item):
                    item = item()
                if item is not None:
                    happened.append(item)
            if happened:
                self._turn(happened)
        except Exception as error:  # noqa: BLE001  # told to whom awaits the run, by `drive`
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The engine itself cannot go on (the journal is gone, a defect): stop, and say why."""
        self._attempts.stop_all()
        if not self._done.done():
            self._done.set_exception(error)

    def _poll(self) -> None:
        if self._done.done():
            return
        try:
            self._flush_logs()
            for request in self.journal.take_requests(self.run_id):
                self._take(request)
        except Exception as error:  # noqa: BLE001
            self._fail(error)
            return
        self._timers["(poll)"] = self._clock.call_at(self._clock.now() + _POLL_S, self._poll)

    def _flush_logs(self) -> None:
        if self._logs:
            lines = [self._logs.popleft() for _ in range(len(self._logs))]
            self.journal.write_log(self.run_id, lines)

    def _log(self, task: str, attempt: int, stream: str, text: str) -> None:
        self._logs.append((task, attempt, stream, text))

    def _process(self, task: str, attempt: int, pid: int) -> None:
        now = self._clock.now()
        try:
            created = holder.born(pid)
        except holder.Gone:
            return  # it has ended already: nothing is left to be killed
        event = ev.ProcessStarted(at=now, task=task, attempt=attempt, pid=pid, created=created)
        if threading.get_ident() == self._thread:  # nobody else could commit it
            self._put(event)
            return
        committed = self._uncommitted[task, attempt] = threading.Event()
        self._put(event)
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
            except Exception as error:  # noqa: BLE001  # an observer must not be able to harm the run
                self.observers.remove(observer)
                warnings.warn(
                    f"an observer of run {self.run_id} raised and was dropped: {error!r}",
                    RuntimeWarning, stacklevel=2,
                )  # fmt: skip

    # -- what people may do, from any thread ---------------------------------------------------

    def cancel(self, task: str | None = None, by: str = "") -> None:
        """Cancel a task, or (None) the run."""
        if task is None or task in self.plan:
            self._put(lambda: ev.CancelRequested(at=self._clock.now(), task=task, by=by))

    def approve(self, task: str, by: str = "", note: str = "") -> None:
        """Approve a gate that waits, or tick a todo item."""
        self._put(functools.partial(self._decision, task, True, by, note))

    def reject(self, task: str, by: str = "", note: str = "") -> None:
        self._put(functools.partial(self._decision, task, False, by, note))

    def retry(self, task: str, by: str = "") -> None:
        """Try a task anew that did not succeed, and what it kept from running."""
        self._put(lambda: self._retry_event(task, self._clock.now(), by))

    def snapshot(self) -> Run:
        return self.state.snapshot(self._results, journal=self.journal.path)

    def _decision(self, task: str, approved: bool, by: str, note: str) -> ev.Event | None:
        state = self.state.tasks.get(task)
        if state is None or state.status is not Status.WAITING:
            return None
        return ev.Decided(at=self._clock.now(), task=task, approved=approved, by=by, note=note)

    def _retry_event(self, task: str, at: float, by: str = "") -> ev.Event | None:
        state = self.state.tasks.get(task)
        if state is None or not state.status.ended or state.status is Status.SUCCEEDED:
            return None
        reset = self._scheduler.reset_by_retry(task)
        reset += self._unkept(reset)
        return ev.RetryRequested(at=at, task=task, by=by, reset=reset)

    def _take(self, request: Request) -> None:
        actions: Mapping[str, Callable[[], None]] = {
            "approve": lambda: self.approve(request.task or "", request.by, request.note),
            "reject": lambda: self.reject(request.task or "", request.by, request.note),
            "cancel": lambda: self.cancel(request.task, request.by),
            "retry": lambda: self.retry(request.task or "", request.by),
        }
        if request.verb in actions:
            actions[request.verb]()
