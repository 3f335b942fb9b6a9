"""Fakes for tests of plans and of the engine: time moved by hand, attempts that are scripted.

    clock = ManualClock()
    executor = FakeExecutor({"b": [ValueError("no"), "yes"]})     # fails once, then returns "yes"
    run = perform(chain("a", "b", retry=2), executor=executor, clock=clock)
    assert run.results["b"] == "yes" and clock.slept > 0          # it backed off, in no time at all

`perform` drives a real driver on a real asyncio loop; only the clock and the place where attempts
run are fake. Nothing here sleeps: whenever the loop has nothing left to do, the clock jumps to the
next timer. The clock's shape is XState's `SimulatedClock`, the executor's is httpx's
`MockTransport`.
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from orch_nb.engine.driver import Driver
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import (
    AttemptKey,
    AttemptRequest,
    Clock,
    Executor,
    Journal,
    Observer,
    Request,
)
from orch_nb.engine.ports import Outcome as _Outcome
from orch_nb.engine.ports import Report as _Report
from orch_nb.model.event import Event, Failure, RunOptions
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.task import Task

__all__ = [
    "FakeExecutor", "Hang", "ManualClock", "Took", "chain", "diamond", "fan", "layered", "nothing",
    "perform", "perform_async",
]  # fmt: skip

START = 1_800_000_000.0  # seconds since the epoch; any time would do
_TURNS = 8  # loop iterations that a report takes to become events, commits and new timers


class ManualClock:
    """A `Clock` that stands still until somebody advances it. Use it on one loop's thread only."""

    def __init__(self, start: float = START) -> None:
        self._begun = self._now = start
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = itertools.count()

    @property
    def slept(self) -> float:
        """Seconds that the clock has been advanced by."""
        return self._now - self._begun

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    def next_at(self) -> float | None:
        """When the next timer is due; None if there is none."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def advance(self, seconds: float) -> None:
        """Move on, firing each timer at its own time, those that these arm included."""
        self.advance_to(self._now + seconds)

    def advance_to(self, until: float) -> None:
        """`advance`, to a moment (seconds since the epoch); one that is past is now."""
        while (due := self.next_at()) is not None and due <= until:
            _, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            timer.callback()
        self._now = max(self._now, until)


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Took(msgspec.Struct, frozen=True):
    """In a script: the attempt ends with `value` (an exception: it fails) after `seconds`. One that
    is asked to stop does so `stops_s` seconds later, if it has not ended by then."""

    value: Any
    seconds: float
    stops_s: float = 0.0


class Hang(msgspec.Struct, frozen=True):
    """In a script: the attempt never ends by itself. `stoppable`: cancelling it ends it, `stops_s`
    seconds later."""

    stoppable: bool = True
    stops_s: float = 0.0


class FakeExecutor:
    """An `Executor` that runs nothing: each attempt ends as the script says.

    `script` maps a task to the outcomes of its attempts, the last of which repeats: a value (it
    succeeds), an exception (it fails), `Took` or `Hang`. A script may also be that of one instance
    (`"fetch[3]"`) or of `"compensate(fetch)"`. Tasks without a script return their id.
    An attempt takes `takes_s` seconds of the driver's clock, unless the script says otherwise.

    Remembers `submitted` (each attempt, in order), `cancelled`, `most` (the most that ran at once)
    and `stopped`.
    """

    name = "fake"

    def __init__(
        self, script: Mapping[str, Sequence[Any]] | None = None, *, takes_s: float = 1.0
    ) -> None:
        self.script = dict(script or {})
        self.takes_s = takes_s
        self.submitted: list[AttemptKey] = []
        self.requests: list[AttemptRequest] = []
        self.cancelled: list[AttemptKey] = []
        self.most = 0
        self.stopped = False
        self._running: dict[AttemptKey, Callable[[], None] | None] = {}

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock

    def submit(self, attempts: Sequence[AttemptRequest], report: _Report) -> None:
        for request in attempts:
            self.submitted.append(request.key)
            self.requests.append(request)
            self._begin(request, report)
        self.most = max(self.most, len(self._running))

    def scripted(self, request: AttemptRequest) -> Any:
        """What becomes of an attempt: a value, an exception, `Took` or `Hang`."""
        script = self.script.get(request.id, self.script.get(request.task.id))
        told = (request.id,) if script is None else script
        return told[min(request.attempt, len(told)) - 1]

    def _begin(self, request: AttemptRequest, report: _Report) -> None:
        key, started = request.key, self._clock.now()
        outcome = self.scripted(request)

        def end(value: Any, *, cancelled: bool = False) -> None:
            if self._running.get(key) is not stop:
                return  # it has ended
            del self._running[key]
            now = self._clock.now()
            report([_outcome(key, started, now, value, cancelled=cancelled)])

        def stop() -> None:
            cancelled = functools.partial(end, None, cancelled=True)
            if outcome.stops_s:
                self._clock.call_at(self._clock.now() + outcome.stops_s, cancelled)
            else:
                cancelled()

        if not isinstance(outcome, (Hang, Took)):
            outcome = Took(outcome, self.takes_s)
        self._running[key] = stop
        if isinstance(outcome, Took):
            ended = functools.partial(end, outcome.value)
            self._clock.call_at(started + outcome.seconds, ended)
        elif not outcome.stoppable:
            self._running[key] = None

    def cancel(self, key: AttemptKey) -> bool:
        self.cancelled.append(key)
        stop = self._running.get(key)
        if stop is None:
            return False
        stop()
        return True

    def stop(self) -> None:
        self.stopped = True


def _outcome(
    key: AttemptKey, started: float, now: float, value: Any, *, cancelled: bool
) -> _Outcome:
    if not isinstance(value, BaseException):
        return _Outcome(key, started, now, value, cancelled=cancelled)
    kinds = tuple(cls.__qualname__ for cls in type(value).__mro__[:-1])
    failure = Failure(type(value).__qualname__, str(value), kinds=kinds)
    return _Outcome(key, started, now, failure=failure)


# -- driving -------------------------------------------------------------------------------------


def perform(plan: Plan, **options: Any) -> Run:
    """`perform_async` from code that is not async."""
    return asyncio.run(perform_async(plan, **options))


async def perform_async(
    plan: Plan,
    *,
    executor: Executor | None = None,
    clock: ManualClock | None = None,
    journal: Journal | None = None,
    run_id: str = "run",
    workers: int = 8,
    approve: Sequence[str] = (),
    interactive: bool = False,
    observers: Sequence[Observer] = (),
    history: Sequence[Event] = (),
    retry: str | Sequence[str] | None = None,
    skip: Request | None = None,
    by: str = "",
    at: Mapping[float, Callable[[Driver], object]] | None = None,
    at_most_s: float = 600.0,
    **options: Any,
) -> Run:
    """Perform a plan in manual time, to its end. Raises TimeoutError after `at_most_s` of it.

    `at` says what people do: `{2.5: lambda driver: driver.cancel()}`, seconds after the start.
    `options` are more of `RunOptions`: fail_fast, timeout_s, faults, cache, fresh.
    """
    clock = clock if clock is not None else ManualClock()
    journal = journal if journal is not None else MemoryJournal()
    if history:
        journal.claim(run_id)
    driver = Driver(
        plan, run_id=run_id, journal=journal, history=history, retry=retry, skip=skip,
        by=by, observers=observers,
        executor=executor if executor is not None else FakeExecutor(), clock=clock,
        options=RunOptions(
            workers=workers, approve=tuple(approve), interactive=interactive, **options
        ),
    )  # fmt: skip
    for when, act in (at or {}).items():
        clock.call_at(clock.now() + when, _acting(act, driver))
    return await _driven(driver.drive(), clock, clock.now() + at_most_s)


def _acting(act: Callable[[Driver], object], driver: Driver) -> Callable[[], None]:
    def acting() -> None:
        act(driver)

    return acting


async def _driven(drive: Coroutine[Any, Any, Run], clock: ManualClock, until: float) -> Run:
    run = asyncio.ensure_future(drive)
    try:
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if run.done():
                return run.result()
            due = clock.next_at()
            if due is None or due > until:
                raise TimeoutError(f"the run has not ended after {clock.slept:g} s")
            clock.advance_to(due)
    finally:
        if not run.done():
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)


# -- plans ---------------------------------------------------------------------------------------


def nothing() -> None:
    """A task that does nothing, with a callable, so that executors are asked to run it."""


def chain(*tasks: str, **fields: Any) -> Plan:
    """`chain("a", "b", "c")` is a ─► b ─► c; `fields` go to every task."""
    before = (None, *tasks)
    return Plan(
        goal="chain",
        tasks=tuple(
            _task(task, (need,) if need is not None else (), fields)
            for task, need in zip(tasks, before, strict=False)
        ),
    )


def diamond(**fields: Any) -> Plan:
    """a ─► b, c ─► d."""
    edges = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    return Plan(goal="diamond", tasks=tuple(_task(t, n, fields) for t, n in edges.items()))


def fan(width: int, **fields: Any) -> Plan:
    """first ─► w0 ... w<width-1> ─► last."""
    middle = tuple(f"w{n}" for n in range(width))
    tasks = [_task("first", (), fields)]
    tasks += [_task(task, ("first",), fields) for task in middle]
    return Plan(goal="fan", tasks=(*tasks, _task("last", middle, fields)))


def layered(depth: int, width: int, degree: int = 2, **fields: Any) -> Plan:
    """`depth` layers of `width` tasks, each needing `degree` neighbours of the layer before it."""
    tasks = [
        _task(
            f"t{layer}.{n}",
            tuple(f"t{layer - 1}.{(n + k) % width}" for k in range(min(degree, width)))
            if layer
            else (),
            fields,
        )
        for layer in range(depth)
        for n in range(width)
    ]
    return Plan(goal="layered", tasks=tuple(tasks))


def _task(task: str, needs: tuple[str, ...], fields: Mapping[str, Any]) -> Task:
    return Task(**{"run": nothing, **fields, "id": task, "needs": needs})
