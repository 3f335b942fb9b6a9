"""This machine: each attempt goes to the executor that its task's kind asks for.

    shell command ──► shell         ┐ one after another as slots come free (`_Gate`)
    notebook ───────► notebook      ┘
    async function ─► loop
    other function ─► inline, threads, processes, dask, celery or bullmq, as the person said

All of them share one number of workers (`Slots`), so that a driver may give more attempts than run
at once without asking where each of them goes.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Executor, Outcome, Report
from orch_nb.errors import UsageError
from orch_nb.executors.coroutines import CoroutineExecutor
from orch_nb.executors.shell import ShellExecutor
from orch_nb.executors.slots import Slots
from orch_nb.executors.waiting import Waiting
from orch_nb.model.task import Task

__all__ = ["LocalExecutor", "local_executor"]

_GRACE_S = 5.0  # what a stopped command has for its end, before its slot goes to another
_REMEMBERED = 20_000  # functions of which it is remembered where they run


def local_executor(name: str = "threads", *, address: Any = "") -> LocalExecutor:
    """The local executor whose synchronous functions run by `name`.

    `address` says where `dask` is (`"tcp://..."` or a `distributed.Client`), which app is Celery's
    (`"proj.celery:app"` or the app), where BullMQ's Redis is (`"redis://..."`). Raises UsageError
    for a name that there is not, and MissingExtra.
    """
    if name not in _FOR_FUNCTIONS:
        known = ", ".join(sorted(_FOR_FUNCTIONS))
        raise UsageError(f"There is no executor `{name}`. There are: {known}.")
    if name in _ELSEWHERE:
        if isinstance(address, str) and not address:
            raise UsageError(f"The executor `{name}` needs {_ELSEWHERE[name]}.")
    elif address:
        others = " and ".join(f"`{other}`" for other in _ELSEWHERE)
        raise UsageError(f"The executor `{name}` runs here and takes no address; {others} do.")
    return LocalExecutor(_FOR_FUNCTIONS[name](address))


def _inline(address: Any) -> Executor:
    from orch_nb.executors.inline import InlineExecutor

    return InlineExecutor()


def _threads(address: Any) -> Executor:
    from orch_nb.executors.threads import ThreadExecutor

    return ThreadExecutor()


def _processes(address: Any) -> Executor:
    from orch_nb.executors.processes import ProcessExecutor

    return ProcessExecutor()


def _dask(address: Any) -> Executor:
    from orch_nb.executors.dask import DaskExecutor

    return DaskExecutor(address)


def _celery(address: Any) -> Executor:
    from orch_nb.executors.celery import CeleryExecutor

    return CeleryExecutor(address)


def _bullmq(address: Any) -> Executor:
    from orch_nb.executors.bullmq import BullMQExecutor

    return BullMQExecutor(address)


_FOR_FUNCTIONS: dict[str, Callable[[Any], Executor]] = {
    "bullmq": _bullmq, "celery": _celery, "dask": _dask, "inline": _inline,
    "processes": _processes, "threads": _threads,
}  # fmt: skip
#: Those that run on other machines, and what they need for it.
_ELSEWHERE = {
    "bullmq": "the address of its Redis, as redis://localhost:6379; one to try: orch-nb dev redis",
    "celery": "a Celery app, or where it is, as proj.celery:app",
    "dask": "the address of a cluster, or a Client",
}


class LocalExecutor:
    """A `QueueingExecutor`, as far as `functions` is one.

    An executor that has `takes_all` set (a fake) gets every attempt, of whichever kind.
    """

    def __init__(self, functions: Executor) -> None:
        self.name = functions.name
        self.ahead: int = getattr(functions, "ahead", 0)
        self.anywhere: bool = getattr(functions, "anywhere", False)
        self._functions = functions
        self._coroutines = CoroutineExecutor()
        self._shell = _Gate(ShellExecutor())
        self._notebooks: _Gate | None = None
        self._slots: Slots | None = None
        self._takes_all = getattr(functions, "takes_all", functions.name == "fake")
        self._places: dict[Any, Executor] = {}  # by function

    def start(self, clock: Clock, workers: int) -> None:
        self._clock, self._workers = clock, workers
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        if self._slots is None:
            self._slots = Slots()
        for executor in self._all():
            self._start(executor)

    def _start(self, executor: Executor) -> None:
        if isinstance(getattr(executor, "slots", None), Slots):
            executor.slots = self._slots  # type: ignore[attr-defined]
        executor.start(self._clock, self._workers)

    def _all(self) -> tuple[Executor, ...]:
        here: tuple[Executor, ...] = (self._functions, self._coroutines, self._shell)
        return (*here, self._notebooks) if self._notebooks is not None else here

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        if not attempts:
            return
        if len(attempts) == 1:
            self._give(self._place(attempts[0].task), attempts, report)
            return
        known = self._places.get
        try:
            places = [known(one.task.run) or self._choose(one.task) for one in attempts]
        except BaseException:  # noqa: BLE001  # a callable without a hash, or with a hostile one
            places = [self._choose(one.task) for one in attempts]
        first = places[0]
        if places.count(first) == len(places):
            self._give(first, attempts, report)
            return
        batches: dict[Executor, list[AttemptRequest]] = {}
        for one, place in zip(attempts, places, strict=True):
            batches.setdefault(place, []).append(one)
        for place, batch in batches.items():
            self._give(place, batch, report)

    def _give(self, place: Executor, batch: Sequence[AttemptRequest], report: Report) -> None:
        """From any thread, if `anywhere`: the places of other kinds of tasks are the loop's."""
        if place is self._functions or threading.get_ident() == self._thread:
            place.submit(batch, report)
        else:
            self._loop.call_soon_threadsafe(place.submit, batch, report)

    def _place(self, task: Task) -> Executor:
        try:
            return self._places.get(task.run) or self._choose(task)
        except BaseException:  # noqa: BLE001  # a callable without a hash, or with a hostile one
            return self._choose(task)

    def _choose(self, task: Task) -> Executor:
        if self._takes_all:
            return self._functions
        function = task.run
        if function is None:
            if task.notebook is not None:
                return self._notebook()
            return self._shell if task.sh is not None else self._functions
        place: Executor = self._coroutines if _is_async(function) else self._functions
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        try:
            self._places[function] = place
        except BaseException:  # noqa: BLE001  # it is looked at anew each time
            return place
        return place

    def _notebook(self) -> Executor:
        if self._notebooks is None:
            from orch_nb.executors.notebook import NotebookExecutor

            self._notebooks = _Gate(NotebookExecutor())
            self._start(self._notebooks)
        return self._notebooks

    def withdraw(self) -> list[AttemptKey]:
        queues = (getattr(executor, "withdraw", None) for executor in self._all())
        return [key for withdraw in queues if withdraw is not None for key in withdraw()]

    def cancel(self, key: AttemptKey) -> bool:
        return any(executor.cancel(key) for executor in self._all())

    def stop(self) -> None:
        for executor in self._all():
            executor.stop()
        self._places.clear()
        self._slots = None  # what is left behind keeps those it has


def _is_async(function: Any) -> bool:
    if type(function) is FunctionType and not hasattr(function, "_is_coroutine_mark"):
        return bool(function.__code__.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # an object may have an async one
    )


class _Gate:
    """Begins the attempts of an executor that has no queue of its own, a slot each."""

    def __init__(self, executor: Executor) -> None:
        self.name = executor.name
        self.slots = Slots()
        self._executor = executor
        self._waiting = Waiting()
        self._queue = self._waiting.items
        self._running: set[AttemptKey] = set()

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.slots.resize(workers)
        self._executor.start(clock, workers)

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        self._waiting.add(attempts, report)
        self._begin()

    def _begin(self) -> None:
        while self._queue and self.slots.take(self._granted, hungry=not self._running):
            self._begin_one()

    def _begin_one(self) -> None:
        request, report = self._queue.popleft()
        self._running.add(request.key)
        self._executor.submit((request,), functools.partial(self._reported, report))

    def _granted(self) -> None:
        """A slot is ours. Called from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._use_slot)
        except RuntimeError:  # the loop is closed
            self.slots.give()

    def _use_slot(self) -> None:
        if self._queue:
            self._begin_one()
            self._begin()  # there may be more
        else:
            self.slots.give()

    def _reported(self, report: Report, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self._release(outcome.key)
        report(outcomes)

    def _release(self, key: AttemptKey) -> None:
        try:
            self._running.remove(key)  # by whoever comes first
        except KeyError:
            return
        self.slots.give()
        if self._queue and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin)

    def withdraw(self) -> list[AttemptKey]:
        return self._waiting.withdraw()

    def cancel(self, key: AttemptKey) -> bool:
        if self._waiting.cancel(key, self._clock):
            return True
        if self._executor.cancel(key):
            self._loop.call_later(_GRACE_S, self._release, key)
            return True
        self._release(key)  # it goes on, and no longer counts
        return False

    def stop(self) -> None:
        self._queue.clear()
        self._running.clear()
        self._executor.stop()
