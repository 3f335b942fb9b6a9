"""What comes before a task's first attempt: its `when`, its `foreach`, a kept result.

    Ask(task) ─► when false?   TaskEnded(skipped)
              ─► foreach?      Expanded(task, count, items)
              ─► kept result?  TaskEnded(succeeded, result, cached)
              ─► Go(task)

Expressions are evaluated here and now, in a sandbox. A function of the person's may take its time,
so it is called in a thread of its own kind, one after another.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

from orch_nb.engine.acts import Go
from orch_nb.engine.arguments import Inputs
from orch_nb.engine.cache import Cache
from orch_nb.engine.ports import Clock
from orch_nb.engine.results_view import Results
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.status import Status
from orch_nb.model.task import Call, Task

__all__ = ["Prelude"]

_MOST = 1_000_000
_SHOWN = 120


class _Wrong(Exception):
    """What a person is told of a condition or a list that is none."""


class Prelude:
    """`answer(task, reply)` works out what stands in the way of a task, and hands in the answer:
    `reply` takes a function that makes the event, to be called on the driver's thread."""

    def __init__(
        self, state: RunState, results: Results, inputs: Inputs, cache: Cache, clock: Clock,
        *, threaded: bool,
    ) -> None:  # fmt: skip
        self._state, self._results, self._inputs = state, results, inputs
        self._cache, self._clock, self._threaded = cache, clock, threaded
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def answer(self, name: str, reply: Callable[[Callable[[], Any]], None]) -> None:
        task = self._state.spec(name)
        over = task.foreach.over if task.foreach is not None else None

        def work() -> None:
            event = self._judged(name, task)
            reply(event)

        if self._threaded and (isinstance(task.when, Call) or isinstance(over, Call)):
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name="orch_nb-when", daemon=True
                )
                self._thread.start()
            self._calls.put(work)
        else:
            work()

    def close(self) -> None:
        self._calls.put(None)

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            work()

    def _judged(self, name: str, task: Task) -> Callable[[], Any]:
        """The answer, as a function that makes the event on the driver's thread."""
        instance = self._state.task(name).index is not None
        try:
            if task.when is not None and not instance and not self._when(name, task):
                told = "its condition" if isinstance(task.when, Call) else f"`{task.when}`"
                return lambda: self._ended(name, Status.SKIPPED, f"when: {told[:_SHOWN]} is false")
            if task.foreach is not None and not instance:
                items = self._items(name, task)
                return lambda: self._expanded(name, items)
        except _Wrong as error:
            reason = str(error)
            return lambda: self._ended(name, Status.FAILED, reason)
        if self._cache.uses(task):
            return lambda: self._kept(name, task)
        return lambda: Go(self._clock.now(), name)

    def _when(self, name: str, task: Task) -> bool:
        try:
            return bool(self._value(name, task, task.when))
        except BaseException as error:  # a condition that calls `sys.exit` has failed, and no more
            raise _Wrong(f"its `when` cannot be judged: {_told(error)}") from error

    def _items(self, name: str, task: Task) -> list[Any]:
        assert task.foreach is not None
        over = task.foreach.over
        try:
            found = self._value(name, task, over)
            wrong = _no_list(found)
            # It may have no end.
            items = [] if wrong else list(itertools.islice(found, _MOST + 1))
        except BaseException as error:  # as above
            raise _Wrong(f"its `foreach` cannot be worked out: {_told(error)}") from error
        if wrong:
            raise _Wrong(f"its `foreach` gives {wrong}")
        if len(items) > _MOST:
            count = f"{len(found):,}" if isinstance(found, Sized) else f"more than {_MOST:,}"
            raise _Wrong(f"its `foreach` gives {count} items; the most are {_MOST:,}")
        return items

    def _value(self, name: str, task: Task, asked: Any) -> Any:
        if isinstance(asked, Call):
            return self._inputs.call(name, task, asked.function)
        if isinstance(asked, list):
            return asked
        needs = self._inputs.needs(name, task)
        if asked in needs:
            return self._results.given[asked]
        from orch_nb.graph.expressions import evaluate

        return evaluate(asked, self._inputs.values(needs))

    # -- on the driver's thread ----------------------------------------------------------------

    def _ended(self, name: str, status: Status, reason: str) -> ev.TaskEnded:
        return ev.TaskEnded(at=self._clock.now(), task=name, status=status, reason=reason)

    def _expanded(self, name: str, items: list[Any]) -> ev.Expanded:
        self._inputs.keep_items(name, items)
        ref = self._results.keep(items)
        return ev.Expanded(at=self._clock.now(), task=name, count=len(items), items=ref)

    def _kept(self, name: str, task: Task) -> Any:
        found = self._cache.look_up(name, task)
        if found is None:
            return Go(self._clock.now(), name)
        return ev.TaskEnded(
            at=self._clock.now(), task=name, status=Status.SUCCEEDED, result=found.ref,
            cached=found.run_id, reason=f"nothing has changed since run {found.run_id}",
        )  # fmt: skip


def _no_list(found: Any) -> str:
    """What is wrong with the items of a `foreach`; empty if they are some."""
    if isinstance(found, (str, bytes, Mapping)) or not isinstance(found, Iterable):
        return f"{type(found).__name__}, not a list of items"
    if hasattr(found, "columns"):
        return 'a table: iterate over table.to_dict("records")'
    return ""


def _told(error: BaseException) -> str:
    try:
        text = str(error).strip().splitlines()
    except BaseException:  # noqa: BLE001  # as above
        text = []
    known = isinstance(error, ValueError) and type(error) is not ValueError
    kind = "" if known else f"{type(error).__name__}: "
    return f"{kind}{text[0]}" if text else type(error).__name__
