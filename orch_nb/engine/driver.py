"""The driver performs: it takes what happened, remembers it, and does what the scheduler says.

    drive()    begins a run, or goes on with one; its turns (`engine.turns`); its end

Recovery is the same driver with a history: it replays it, declares what was in flight lost, and
goes on. Here stand what a run begins with, the timers, what other processes ask for, and output.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orch_nb.engine import holder, tee
from orch_nb.engine.arguments import Inputs
from orch_nb.engine.attempts import Attempts
from orch_nb.engine.audience import Audience
from orch_nb.engine.cache import Cache
from orch_nb.engine.calm import calm
from orch_nb.engine.clock import SystemClock
from orch_nb.engine.faults import Faults, without_kill
from orch_nb.engine.output import Output
from orch_nb.engine.ports import (
    Clock,
    Executor,
    Journal,
    Observer,
    Outcome,
    Request,
    Setting,
)
from orch_nb.engine.prelude import Prelude
from orch_nb.engine.results_view import Results
from orch_nb.engine.scheduler import Scheduler
from orch_nb.engine.turns import Turns
from orch_nb.errors import RunExists
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.masked import masked, whole
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN, Mask
from orch_nb.model.status import RunStatus, Status

__all__ = ["Driver"]

_POLL_S = 0.25  # how often requests of other processes and logs are moved
_WITHDRAW_S = 0.05  # how long an attempt that was given ahead may stand in an executor's queue
_SHORT_S = 0.001
_DEPTH = 2  # an attempt that ends while it is submitted is handled at once, what it releases not
_OUTCOMES = frozenset({Outcome})
_BATCH = 256  # outcomes a turn handles before the loop's other work has its turn


class Driver(Turns):
    """One run being performed. Make it on the loop that performs it; `await drive()` is the run.

    What people may do (`cancel`, `approve`, `pause` ...) and `snapshot` may be called from any
    thread.
    """

    follows = False  # a run that another system owns
    trouble = ""  # what keeps it from hearing anything new; only a follower has any

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
        retry: str | Sequence[str] | None = None,
        skip: Request | None = None,
        by: str = "",
        next_id: Callable[[], str] | None = None,
        mask: Mask = PLAIN,
    ) -> None:
        super().__init__(executor)
        self.plan, self.run_id, self.name = whole(plan), run_id, name
        self.journal, self.options = journal, options
        self.state = state or RunState(threading.RLock())  # with the history folded
        self.audience = Audience(observers, self.state, self._loop, self._lock)
        self._folded = state is not None
        self._history, self._next_id = history, next_id
        self._retry = (retry,) if isinstance(retry, str) else tuple(retry or ())
        self._skip, self._by = skip, by
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.mask = mask
        self.scheduler = Scheduler(self.plan)
        #: The plan as it may be seen: what is journaled, shown and decided by.
        self.seen = masked(self.plan, mask, plain=self.scheduler.plain)
        if self.seen is not self.plan:
            self.scheduler = Scheduler(self.seen)
        self.results = Results(self.state, journal, mask, here=True)
        self._inputs = Inputs(self.state, self.results)
        self._cache = Cache(self.state, self._inputs, journal)
        self._prelude = Prelude(
            self.state, self.results, self._inputs, self._cache, self.clock,
            threaded=executor.name not in ("inline", "fake"),
        )  # fmt: skip
        self._output = Output(self.mask, self.clock.now)
        self._held = bool(history)
        #: Set once the run is in the journal: from then on a snapshot tells of it.
        self.begun = threading.Event()

    # -- the run -------------------------------------------------------------------------------

    async def drive(self, *, alone: bool = False) -> Run:
        """Perform the run to its end. Raises JournalError if it can no longer be remembered.

        `alone`: the loop is this run's own. Whoever cancels this coroutine is then one of its tasks
        that cancels all it finds, and the run goes on.
        """
        with tee.standing():
            return await self._drive(alone)

    async def _drive(self, alone: bool) -> Run:
        self.executor.start(self.clock, self.options.workers)
        try:
            with self._lock:
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
            with self._lock:  # once the turn is over that another thread takes
                self._done.cancel()  # what is reported from now on is not of the run
            self._attempts.stop_all()
            raise
        finally:
            with self._lock:
                self._done.cancel()  # what is still reported comes too late
            self.audience.catch_up()
            for timer in self._timers.values():
                timer.cancel()
            if hasattr(self, "_attempts"):
                self._attempts.close()
            self._prelude.close()
            self.executor.stop()
            try:
                tee.show(self._output.ended())
                self._keep_output()
            finally:
                if self._held:  # not a run of that name which somebody else works on
                    self.journal.release(self.run_id)
        return self._snapshot(final=True)

    def _begin(self) -> None:
        now = self.clock.now()
        if not self._history:
            first = self._created(now)
            self.state.apply(first)
            self.state.whole = self.plan
            self._ready(now, self.options.faults)
            self.audience.tell([first])
            self._take_turn(lambda: self._decided(self.scheduler.handle(first), []))
            return
        with calm():
            if not self._folded:
                self.state.apply_all(self._history)
            self.scheduler.observe_all(self._history)
        self._history = ()
        self.state.plan, self.state.whole = self.seen, self.plan
        self._ready(self.state.started, without_kill(self.options.faults))
        derived = [self.state.derived.get(task) for task in self._retry]
        # Of what undoes the run: it stays cancelled then.
        undoing = any(task is not None and task.index is None for task in derived)
        unended = self.state.status == RunStatus.RUNNING
        cancelling = self.state.cancelling and (unended or undoing)
        cause = self.state.cancel_cause
        again = self._lost(now)
        asked_more = self._retry or self._skip is not None  # that is told with who asked for it
        by = "" if asked_more else self._by
        again.append(ev.RunResumed(at=now, options=self.options, by=by))
        again += [functools.partial(self.retry_event, task, self._by) for task in self._retry]
        if self._skip is not None:
            asked = self._skip
            again.append(functools.partial(self.skip_event, asked.task or "", asked.by, asked.note))
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
            log=self._output.write, process=self._process, echo=self._output,
            mask=self.mask.text,
        )  # fmt: skip
        self._attempts = Attempts(
            self.state, self.results, self._inputs, executor=self.executor, clock=self.clock,
            setting=setting, faults=self._faults, report=self.report, mask=self.mask,
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
            again.append(ev.RetryRequested(at=now, task=unkept[0], by=ev.NOT_KEPT, reset=unkept))
        return again

    def _created(self, now: float) -> ev.RunStarted:
        """The run's first event, committed; under another id where one that nobody asked for by
        name was taken by another process meanwhile."""
        while True:
            first = ev.RunStarted(
                at=now, run_id=self.run_id, plan=self.seen, name=self.name, options=self.options
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

    def _run_timeout(self) -> None:
        def event() -> ev.Event | None:
            if self.scheduler.undoing:
                return None
            return ev.CancelRequested(at=self.clock.now(), cause="timeout")

        self.put(event)

    def _poll(self) -> None:
        if self._done.done():
            return
        self._end_forks()
        try:
            with self._lock:
                if self._output.busy:
                    tee.show(self._output.begun())
                    self._keep_output()
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

    def abandon(self) -> None:
        """Leave the run where it stands, since this process ends in order: nothing more of it is
        committed, and `recover` goes on as after a kill. From any thread."""
        with self._lock:  # not in the middle of a turn
            self._loop.call_soon_threadsafe(self._done.cancel)

    @property
    def observers(self) -> list[Observer]:
        """Who watches. One that is added is told of what is committed from then on."""
        return self.audience.observers

    def snapshot(self) -> Run:
        """The run as it stands, what each task waits for included; from any thread."""
        return self._snapshot(why=self.why)

    def _snapshot(self, **how: Any) -> Run:
        told = functools.partial(self.journal.history, self.run_id, self.plan)
        return self.state.snapshot(self.results, journal=self.journal.path, history=told, **how)

    def why(self, task: str) -> str:
        """In words what a task waits for; empty if it does not wait."""
        try:
            ended = self.state.task(task).status in _ENDED
            return "" if ended else self.scheduler.why(task, self.clock.now())
        except (KeyError, IndexError):  # it changed while another thread looked
            return ""


_ENDED = frozenset(status for status in Status if status.ended)
