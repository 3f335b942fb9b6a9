"""Async functions on the engine's loop.

An asyncio Task for an attempt costs more than a short attempt does, and an attempt that never waits
needs none of its own. So one Task, a *runner*, awaits one attempt after another, until one of them
suspends: that one then has the Task to itself, and another runner goes on with the queue.

    runner 1:  a ─ b ─ c ······ waits ······ c ends, and the runner with it
    runner 2:             d ─ e ─ f ─ queue empty, it ends

That a runner waits is seen by a callback (`_relieve`) that is put on the loop before each runner's
first step: it comes to run before anything that a suspended attempt could wait for. An attempt sees
no difference to a Task of its own: cancelling it, `asyncio.timeout` and `current_task()` concern it
alone, and a runner whose context variables were changed by one attempt ends before the next. A
runner has a copy of the context that `start` was called in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context, copy_context
from functools import partial

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report, entered
from orch_nb.executors.failure import failure_of
from orch_nb.executors.slots import Slots
from orch_nb.executors.waiting import Waiting

__all__ = ["CoroutineExecutor"]

_TURN_S = 0.002  # how long attempts that do not wait keep the loop from others
_MOST = 256  # runners begun at once
_GRACE_S = 1.0  # what a cancelled attempt has for its end, before its slot goes to another


class _Runner:
    """An asyncio Task that runs attempts, and the one that it runs now. It has a slot."""

    __slots__ = ("began", "ended", "lost_slot", "report", "request", "suspended", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.request: AttemptRequest | None = None
        self.ended: list[Outcome] = []  # and not reported yet
        self.report: Report | None = None
        self.began = self.suspended = False
        self.lost_slot = False

    def tell(self) -> None:
        assert self.report is not None
        ended, self.ended = self.ended, []
        entered.set(None)  # who is told acts at once, and is no part of an attempt
        self.report(ended)


class CoroutineExecutor:
    """At most as many attempts wait at once as there are slots; the others have not begun."""

    name = "loop"
    ahead = 64

    def __init__(self) -> None:
        self.slots = Slots()
        self._begin_anew()

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        loop = asyncio.get_running_loop()
        if loop is not getattr(self, "_loop", None):
            self._begin_anew()
            self._loop = loop
            self._context: Context = copy_context()
        self.slots.resize(workers)

    def _begin_anew(self) -> None:
        self._waiting = Waiting()
        self._queue = self._waiting.items
        self._fresh: list[_Runner] = []  # made their first step since `_relieve` last looked
        self._suspended: set[_Runner] = set()
        self._stepping = False  # a runner goes through the queue, or has just begun to wait
        self._coming = 0  # runners that have not made their first step
        self._running = 0  # runners that have not ended
        self._waits = False  # a runner was found to wait
        self._more = 1  # how many to begin at once: attempts that wait come in numbers
        self._relief: asyncio.Handle | None = None

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        self._waiting.add(attempts, report)
        if not self._coming and not self._stepping:
            self._begin(self._more)

    def _begin(self, count: int) -> None:
        """Runners for the queue, as many as make sense and as there are slots for."""
        for _ in range(min(count, len(self._queue)) - self._coming):
            if not self.slots.take(self._granted, hungry=not self._running):
                return
            self._running += 1
            self._create()

    def _granted(self) -> None:
        """A slot is ours. Called from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._use_slot)
        except RuntimeError:  # the loop is closed
            self.slots.give()

    def _use_slot(self) -> None:
        if len(self._queue) > self._coming:
            self._running += 1
            self._create()
        else:
            self.slots.give()

    def _create(self) -> None:
        runner = _Runner()
        self._coming += 1
        runner.task = self._loop.create_task(self._run(runner), context=self._context.copy())
        runner.task.add_done_callback(partial(self._over, runner))

    async def _run(self, runner: _Runner) -> None:
        """Attempt after attempt, while none of them leaves anything of itself on this Task."""
        runner.began = True
        self._coming -= 1
        self._stepping = True
        self._fresh.append(runner)
        if self._relief is None:
            self._relief = self._loop.call_soon(self._relieve)
        queue, now = self._queue, self._clock.now
        until = now() + _TURN_S
        while queue:
            request, report = queue.popleft()
            if report is not runner.report:
                if runner.ended:
                    runner.tell()
                runner.report = report
            entered.set(request)
            before = copy_context()
            value = failure = None
            stopped = False
            started = now()
            runner.request = request
            try:
                value = await request.task.run(*request.args, **request.kwargs)
            except asyncio.CancelledError:
                stopped = True
            except BaseException as error:  # noqa: BLE001  # a task that calls sys.exit has failed, and no more
                failure = failure_of(error)
                until = 0.0  # after GeneratorExit, this coroutine itself may be at its end
            runner.request = None
            key, ended = (request.id, request.attempt), now()
            runner.ended.append(Outcome(key, started, ended, value, failure, None, stopped))
            if runner.suspended:
                self._suspended.discard(runner)
                break
            if ended > until or runner.task.cancelling() or not _same(before):
                break
            if not queue:
                runner.tell()  # who hears of it may have more
        if runner.ended:
            runner.tell()
        self._stepping = False
        self._end(runner)

    def _over(self, runner: _Runner, task: asyncio.Task[None]) -> None:
        """An attempt that cancels every Task it finds cancels runners before their first step."""
        if not runner.began:
            self._coming -= 1
            self._end(runner)

    def _end(self, runner: _Runner) -> None:
        """A runner ends: what is left of the queue goes to a new one, and so may its slot."""
        if self._loop.is_closed():
            return
        if runner.lost_slot:
            self._begin(1)
        elif self._queue and not self._coming and not self.slots.crowded:
            self._create()
        else:
            self._running -= 1
            self.slots.give()
            if self._queue:
                self._begin(1)

    def _relieve(self) -> None:
        """Once a turn of the loop: have others go on with the queue of runners that wait."""
        self._relief = None
        self._stepping = False
        self._find_suspended()
        waits, self._waits = self._waits, False
        self._more = min(self._more * 2, _MOST) if waits else 1
        if self._queue and not self._coming:
            self._begin(self._more)

    def _find_suspended(self) -> None:
        fresh, self._fresh = self._fresh, []
        for runner in fresh:
            if runner.request is not None:
                self._waits = runner.suspended = True
                self._suspended.add(runner)
                if runner.ended:
                    runner.tell()

    def _give_up(self, runner: _Runner) -> None:
        """It was cancelled, and goes on: others must not wait for its slot."""
        if runner.request is not None:
            runner.lost_slot = True
            self._running -= 1
            self.slots.give()

    def withdraw(self) -> list[AttemptKey]:
        return self._waiting.withdraw()

    def cancel(self, key: AttemptKey) -> bool:
        self._find_suspended()
        for runner in self._suspended:
            if runner.request is not None and runner.request.key == key:
                self._loop.call_later(_GRACE_S, self._give_up, runner)
                return runner.task.cancel()
        return self._waiting.cancel(key, self._clock)

    def stop(self) -> None:
        self._queue.clear()
        self._find_suspended()
        for runner in self._suspended:
            runner.task.cancel()


def _same(before: object) -> bool:
    """Whether this context is what it was; a comparison that raises has found something new."""
    try:
        return copy_context() == before
    except BaseException:  # noqa: BLE001  # values of any class are compared
        return False
