"""This machine: each attempt goes to the executor that its task's kind asks for."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Executor, Report
from orch_nb.errors import UsageError
from orch_nb.executors.coroutines import CoroutineExecutor
from orch_nb.executors.inline import InlineExecutor
from orch_nb.executors.shell import ShellExecutor
from orch_nb.executors.threads import ThreadExecutor

__all__ = ["LocalExecutor", "local_executor"]

_FOR_FUNCTIONS: dict[str, type[Executor]] = {"inline": InlineExecutor, "threads": ThreadExecutor}


def local_executor(name: str = "threads") -> LocalExecutor:
    """The local executor whose synchronous functions run by `name`. Raises UsageError."""
    if name not in _FOR_FUNCTIONS:
        known = ", ".join(sorted(_FOR_FUNCTIONS))
        raise UsageError(f"There is no executor `{name}`. There are: {known}.")
    return LocalExecutor(_FOR_FUNCTIONS[name]())


class LocalExecutor:
    """Shell commands to `shell`, coroutine functions to `loop`, other functions to `functions`."""

    def __init__(self, functions: Executor) -> None:
        self.name = functions.name
        self._functions = functions
        self._coroutines = CoroutineExecutor()
        self._shell = ShellExecutor()
        self._where: dict[AttemptKey, Executor] = {}

    def start(self, clock: Clock) -> None:
        for executor in (self._functions, self._coroutines, self._shell):
            executor.start(clock)

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        batches: dict[int, tuple[Executor, list[AttemptRequest]]] = {}
        for request in attempts:
            executor = self._choose(request)
            self._where[request.key] = executor
            batches.setdefault(id(executor), (executor, []))[1].append(request)
        for executor, batch in batches.values():
            executor.submit(batch, report)

    def _choose(self, request: AttemptRequest) -> Executor:
        if request.task.sh is not None:
            return self._shell
        function = request.task.run
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  # an object may have an async one
        ):
            return self._coroutines
        return self._functions

    def cancel(self, key: AttemptKey) -> bool:
        executor = self._where.get(key)
        return executor is not None and executor.cancel(key)

    def stop(self) -> None:
        for executor in (self._functions, self._coroutines, self._shell):
            executor.stop()
